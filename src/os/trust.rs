//! Follows a path step by step, as the kernel does: what stands on the way, and whether anybody but root can change it.
//!
//! Only looks. Can block, on a file system that does not answer. Fails with the step that cannot be looked at.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Symbolic links on one path, as many as the kernel follows.
const LINKS: usize = 40;

/// A look-up of one name in one directory.
#[derive(Clone, Debug)]
pub struct Step {
    /// The directory; none of its parts is a symbolic link.
    pub directory: PathBuf,
    /// The name that is looked up in it.
    pub name: OsString,
    /// What stands there, a symbolic link as itself; nothing for the last step of a path that leads nowhere.
    pub found: Option<Metadata>,
}

impl Step {
    /// The path of what stands there.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_link(&self) -> bool {
        self.found.as_ref().is_some_and(Metadata::is_symlink)
    }
}

/// The look-ups of an absolute path, in order, symbolic links followed; ends at the first name that does not exist.
pub fn steps(path: &Path) -> io::Result<Vec<Step>> {
    let mut todo: VecDeque<OsString> = names(path);
    let mut here = PathBuf::from("/");
    let (mut steps, mut links) = (Vec::new(), 0);
    while let Some(name) = todo.pop_front() {
        if name == OsStr::new("..") {
            here.pop();
            continue;
        }
        let at = here.join(&name);
        let found = match fs::symlink_metadata(&at) {
            Ok(found) => Some(found),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                None
            }
            Err(error) => return Err(error),
        };
        let step = Step { directory: here.clone(), name, found };
        let (there, is_link) = (step.found.is_some(), step.is_link());
        steps.push(step);
        if !there {
            break;
        }
        if is_link {
            links += 1;
            if links > LINKS {
                return Err(nix::errno::Errno::ELOOP.into());
            }
            let target = fs::read_link(&at)?;
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            for name in names(&target).into_iter().rev() {
                todo.push_front(name);
            }
        } else {
            here = at;
        }
    }
    Ok(steps)
}

fn names(path: &Path) -> VecDeque<OsString> {
    let name = |part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}

/// Whether nobody but root can change what stands at `path`: neither the file nor any directory or symbolic link on the
/// way. If somebody can, says where and by what; a path that does not exist is for whoever uses it to tell.
pub fn only_root_can_change(path: &Path) -> Result<(), String> {
    let steps = steps(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let root = fs::symlink_metadata("/").map_err(|error| format!("/: {error}"))?;
    verdict(Path::new("/"), &root)?;
    for step in &steps {
        if let Some(found) = &step.found {
            verdict(&step.path(), found)?;
        }
    }
    Ok(())
}

fn verdict(path: &Path, found: &Metadata) -> Result<(), String> {
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    if found.uid() != 0 {
        return Err(format!("{} belongs to user {}", path.display(), found.uid()));
    }
    // In a directory with the sticky bit, others can neither remove nor rename what is root's. The mode of a symbolic link
    // means nothing.
    let mode = found.mode();
    let kept = found.is_symlink() || found.is_dir() && mode & STICKY != 0;
    if mode & OTHERS_WRITE != 0 && !kept {
        return Err(format!(
            "{} can be written by others than root (mode {:04o})",
            path.display(),
            mode & 0o7777
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(path: &str) -> Vec<String> {
        steps(Path::new(path)).unwrap().iter().map(|step| step.path().display().to_string()).collect()
    }

    #[test]
    fn a_path_is_followed_to_where_it_ends() {
        assert_eq!(walked("/usr/share"), ["/usr", "/usr/share"]);
        assert_eq!(walked("/usr/./share/.."), ["/usr", "/usr/share"]);
        assert_eq!(walked("/usr/no-such-thing/x"), ["/usr", "/usr/no-such-thing"]);
        assert!(steps(Path::new("/usr/no-such-thing/x")).unwrap().last().unwrap().found.is_none());
    }

    #[test]
    fn links_are_followed_and_loops_end() {
        let directory = std::env::temp_dir().join(format!("failover-trust-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        std::os::unix::fs::symlink("/usr/share", directory.join("there")).unwrap();
        std::os::unix::fs::symlink("round", directory.join("round")).unwrap();
        let there = walked(directory.join("there/doc").to_str().unwrap());
        assert!(there.ends_with(&["/usr".into(), "/usr/share".into(), "/usr/share/doc".into()]), "{there:?}");
        let error = steps(&directory.join("round")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::ELOOP));
        fs::remove_dir_all(directory).unwrap();
    }
}
