//! `failover import`: keepalived's configuration as ours, on standard output; what became of its lines, on standard error.
//!
//! Owns: which files an `include` means and what is in them. Never: decides what a statement means, or writes a file.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Exit, Failure, output};
use crate::config::import::{Included, Options, glob, import};
use crate::config::{LONGEST_FILE, read_text};
use crate::daemon::host_name;

/// Most names that one pattern may match.
const MOST_FILES: usize = 1000;

/// Print a keepalived.conf as a failover.toml that means the same
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// keepalived's configuration
    #[arg(value_name = "KEEPALIVED.CONF")]
    file: PathBuf,
    /// What lines that begin with @ are for, as keepalived's own option [default: the host name]
    #[arg(long, value_name = "ID")]
    config_id: Option<String>,
}

pub(super) fn run(args: &ImportArgs) -> Result<Exit, Failure> {
    let colored = output::wants_color(&io::stderr());
    let name = args.file.display().to_string();
    let text = match read_text(&args.file) {
        Ok(text) => text,
        Err(diagnostics) => {
            output::complain_plainly(&diagnostics.render(colored));
            return Ok(Exit::InvalidConfig);
        }
    };
    let config_id = args.config_id.clone().unwrap_or_else(|| {
        let host = host_name();
        host.split('.').next().unwrap_or_default().to_owned()
    });
    let directory = std::path::absolute(&args.file).ok();
    let directory = directory.as_deref().and_then(Path::parent).unwrap_or(Path::new("/"));
    let options = Options { config_id, directory: directory.display().to_string() };
    let beside = Beside { shown: args.file.parent().unwrap_or(Path::new("")), real: directory };
    match import(&text, &name, &options, &mut |pattern, directory| beside.find(pattern, directory)) {
        Ok(imported) => {
            output::complain_plainly(&imported.warnings.render(colored));
            output::answer(&imported.text)?;
            output::complain(&format!("{name}: {}", imported.summary()));
            if u64::try_from(imported.text.len()).is_ok_and(|length| length > LONGEST_FILE) {
                let most = LONGEST_FILE >> 20;
                output::complain(&format!(
                    "this is larger than {most} MiB, which is the most that failover reads"
                ));
            }
            Ok(Exit::Fine)
        }
        Err(diagnostics) => {
            output::complain_plainly(&diagnostics.render(colored));
            Ok(Exit::InvalidConfig)
        }
    }
}

/// The directory of the first file: as it was given, and as it is.
struct Beside<'a> {
    shown: &'a Path,
    real: &'a Path,
}

impl Beside<'_> {
    /// The files that `pattern` means in `directory`.
    fn find(&self, pattern: &str, directory: &str) -> Result<Vec<Included>, String> {
        let patterns = glob::braces(pattern).ok_or("its braces mean too many names")?;
        let mut found = Vec::new();
        for pattern in patterns {
            let mut paths = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { directory })];
            for part in pattern.split('/').filter(|part| !part.is_empty()) {
                paths = step(&paths, part);
                if paths.len() > MOST_FILES {
                    return Err(format!("it matches more than {MOST_FILES} names"));
                }
            }
            found.extend(paths.into_iter().filter(|path| path.exists()));
        }
        Ok(found.into_iter().map(|path| self.read(&path)).collect())
    }

    fn read(&self, path: &Path) -> Included {
        let name =
            path.strip_prefix(self.real).map_or_else(|_| path.to_owned(), |rest| self.shown.join(rest));
        let directory = path.parent().unwrap_or(path);
        let (name, directory) = (name.display().to_string(), directory.display().to_string());
        Included { name, directory, text: text(path) }
    }
}

/// The paths below `paths` whose last part matches `part`, each directory's in the order of their names.
fn step(paths: &[PathBuf], part: &str) -> Vec<PathBuf> {
    if !glob::is_pattern(part) {
        return paths.iter().map(|path| path.join(part)).collect();
    }
    let mut found = Vec::new();
    for path in paths {
        let names = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let mut names: Vec<_> = names.filter(|name| glob::matches(part, &name.to_string_lossy())).collect();
        names.sort();
        found.extend(names.into_iter().map(|name| path.join(name)));
    }
    found
}

/// What is in a file that keepalived would include; it takes neither directories nor what can be executed.
fn text(path: &Path) -> Result<String, String> {
    let executable = |mode: u32| mode & 0o111 != 0;
    match fs::metadata(path) {
        Ok(kind) if kind.is_file() && executable(kind.permissions().mode()) => {
            return Err("it can be executed, and keepalived leaves such files out".to_owned());
        }
        Ok(_) | Err(_) => {}
    }
    read_text(path).map_err(|problems| {
        problems.list().first().map_or_else(String::new, |problem| problem.message.clone())
    })
}
