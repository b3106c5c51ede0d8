//! The layers of a configuration on a real file system: drop-ins, variables, credentials, and what is said of those that
//! cannot be read.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use failover::config::model::Probe;
use failover::config::{self, Config, Diagnostics, Loaded, Purpose, Surroundings};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A directory with a configuration in it.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("failover-layers-{}-{number}", std::process::id()));
        for (name, text) in files {
            let file = path.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Folder(path)
    }

    fn main(&self) -> PathBuf {
        self.0.join("failover.toml")
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Loaded, Diagnostics> {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let surroundings = Surroundings { variables, credentials: None };
        config::load_in(&self.main(), Purpose::Run, &surroundings)
    }

    /// The diagnostics, without the directory's name.
    fn complaints(&self, variables: &[(&str, &str)]) -> String {
        let diagnostics = self.load(variables).map(|_| ()).unwrap_err();
        diagnostics.render(false).replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const WEB: &str =
    "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.1/24\"]\n";

fn loaded(outcome: Result<Loaded, Diagnostics>) -> Loaded {
    outcome.unwrap_or_else(|diagnostics| panic!("{}", diagnostics.render(false)))
}

#[test]
fn drop_ins_lie_over_the_file_in_name_order_and_variables_over_all() {
    let folder = Folder::new(&[
        ("failover.toml", &format!("{WEB}priority = 1\nadvert_interval = \"2s\"\n")),
        ("failover.toml.d/20-b.toml", "[instance.web]\npriority = 3\n[defaults.garp]\nrepeat = 2\n"),
        ("failover.toml.d/10-a.toml", "[instance.web]\npriority = 2\nadvert_interval = \"3s\"\n"),
        ("failover.toml.d/.hidden.toml", "nonsense"),
        ("failover.toml.d/30-c.toml.bak", "nonsense"),
    ]);
    let config = loaded(folder.load(&[])).config;
    let web = config.instances.get("web").unwrap();
    assert_eq!((web.priority.number(), web.interval.centiseconds(), web.garp.repeat), (3, 300, 2));
    let variables = [("FAILOVER_CONFIG__instance__web__PRIORITY", "4"), ("OTHER", "x")];
    let config = loaded(folder.load(&variables)).config;
    assert_eq!(config.instances.get("web").unwrap().priority.number(), 4);
}

#[test]
fn errors_across_files_show_both_places_in_the_order_of_the_files() {
    let mail = WEB.replace("web", "mail").replace("192.0.2.1", "192.0.2.2");
    let folder = Folder::new(&[
        ("failover.toml", &format!("{WEB}prioritty = 1\n")),
        ("failover.toml.d/20-mail.toml", &mail),
    ]);
    let variables = [("FAILOVER_CONFIG__instance__web__priority", "512")];
    assert_eq!(
        folder.complaints(&variables),
        "error[F0011]: instance `web` has no key `prioritty`
 --> failover.toml:5:1
  |
5 | prioritty = 1
  | ^^^^^^^^^ unknown key
  |
  = help: did you mean `priority`?

error[F0100]: virtual router ID 51 is used twice on `eth0` for IPv4
 --> failover.toml.d/20-mail.toml:3:21
  |
3 | virtual_router_id = 51
  |                     ^^ second use, by instance `mail`
  |
 ::: failover.toml:3:21
  |
3 | virtual_router_id = 51
  |                     -- first used here, by instance `web`
  |
  = help: each virtual router of a link and family needs an ID of its own

error[F0015]: `priority` must be 1 to 255
 --> <environment>:1:42
  |
1 | FAILOVER_CONFIG__instance__web__priority=512
  |                                          ^^^ out of range

failover.toml: 3 errors
"
    );
}

#[test]
fn syntax_errors_of_all_files_come_at_once() {
    let folder = Folder::new(&[
        ("failover.toml", "a = \n"),
        ("failover.toml.d/1.toml", "[b\n"),
        ("failover.toml.d/2.toml", WEB),
    ]);
    let complaints = folder.complaints(&[("FAILOVER_CONFIG__", "1")]);
    assert_eq!(complaints.matches("error[F0010]").count(), 2, "{complaints}");
    assert!(complaints.contains("failover.toml.d/1.toml:1"), "{complaints}");
    assert!(complaints.contains("error[F0017]: the name of this variable names no key"), "{complaints}");
}

#[test]
fn files_that_cannot_be_read_are_told_one_by_one() {
    let folder = Folder::new(&[("failover.toml.d/b.toml", ""), ("failover.toml.d/e.toml", WEB)]);
    let drop_ins = folder.0.join("failover.toml.d");
    fs::create_dir(drop_ins.join("a.toml")).unwrap();
    fs::write(drop_ins.join("b.toml"), b"x = \"\xff\"").unwrap();
    fs::write(drop_ins.join("c.toml"), vec![b'#'; 10 << 20]).unwrap();
    nix::unistd::mkfifo(&drop_ins.join("d.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let complaints = folder.complaints(&[]);
    for (code, words) in [
        ("F0001", "failover.toml: there is no such file"),
        ("F0001", "a.toml: it is a directory"),
        ("F0002", "b.toml is not UTF-8 text: byte 5, on line 1"),
        ("F0003", "c.toml is larger than 1 MiB"),
        ("F0001", "d.toml: it is no regular file"),
    ] {
        let line =
            complaints.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{complaints}"));
        assert!(line.starts_with(&format!("error[{code}]")), "{line}");
    }
    assert!(complaints.contains("--> failover.toml.d/c.toml\n"), "{complaints}");
    assert!(complaints.ends_with("failover.toml: 5 errors\n"), "{complaints}");

    let folder = Folder::new(&[("failover.toml", WEB), ("failover.toml.d", "a file")]);
    assert!(
        folder.complaints(&[]).contains("failover.toml.d: it is no directory"),
        "{}",
        folder.complaints(&[])
    );
}

#[test]
fn a_variable_that_is_not_text_is_told() {
    let folder = Folder::new(&[("failover.toml", WEB)]);
    let variables = vec![("FAILOVER_CONFIG__instance__web__priority".into(), OsString::from_vec(vec![0xff]))];
    let surroundings = Surroundings { variables, credentials: None };
    let said = config::load_in(&folder.main(), Purpose::Run, &surroundings).unwrap_err().render(false);
    assert!(said.contains("error[F0002]: the variable FAILOVER_CONFIG__instance__web__priority"), "{said}");
}

#[test]
fn a_credential_is_read_from_the_services_directory() {
    let auth = "version = 2\nauth = { type = \"password\", password_file = \"vrrp\" }\n";
    let folder =
        Folder::new(&[("failover.toml", &format!("{WEB}{auth}")), ("credentials/vrrp", "hunter2\n")]);
    let read = |purpose, credentials: Option<&str>| {
        let credentials = credentials.map(|name| folder.0.join(name));
        config::load_in(&folder.main(), purpose, &Surroundings { variables: Vec::new(), credentials })
    };
    let set = loaded(read(Purpose::Run, Some("credentials")));
    assert_eq!(set.config.instances.get("web").unwrap().password.unwrap().0, *b"hunter2\0");
    let unset = read(Purpose::Run, None).unwrap_err();
    assert!(unset.render(false).contains("LoadCredential="), "{}", unset.render(false));
    assert_eq!(loaded(read(Purpose::Validate, None)).warnings.warnings(), 1);
    assert!(
        read(Purpose::Validate, Some("elsewhere")).is_err(),
        "there is a directory, and the credential is not in it"
    );
}

#[test]
fn the_digest_of_a_single_file_is_what_sha256sum_says() {
    let folder = Folder::new(&[("failover.toml", WEB)]);
    let output = Command::new("sha256sum").arg(folder.main()).output().unwrap();
    let expected = String::from_utf8(output.stdout).unwrap();
    assert_eq!(Some(loaded(folder.load(&[])).digest().as_str()), expected.split(' ').next());
}

const FULL: &str = "[agent]
router_id = \"lb1\"

[defaults]
interface = \"eth0\"
garp = { repeat = 3 }

[instance.web]
virtual_router_id = 51
addresses = [\"192.0.2.1/24\", { address = \"192.0.2.2/24\", label = \"eth0:web\" }]
garp.delay = \"1s\"

[instance.mail]
virtual_router_id = 52
version = 2
addresses = [\"192.0.2.3/24\"]
auth = { type = \"password\", password = \"hunter2\" }
";

#[test]
fn what_is_shown_means_the_same_and_says_where_it_comes_from() {
    let folder = Folder::new(&[
        ("failover.toml", FULL),
        ("failover.toml.d/1.toml", "[instance.web]\npriority = 120\n"),
    ]);
    let original = loaded(folder.load(&[("FAILOVER_CONFIG__instance__mail__priority", "7")]));
    let shown = original.show();
    let shown = shown.replace(&format!("{}/", folder.0.display()), "");
    assert!(!shown.contains("hunter2"), "{shown}");
    let origin = |setting: &str| {
        let line = shown
            .lines()
            .find(|line| line.starts_with(setting))
            .unwrap_or_else(|| panic!("{setting}\n{shown}"));
        line.split_once('#').unwrap().1.trim().to_owned()
    };
    assert_eq!(origin("router_id = \"lb1\""), "failover.toml:2");
    assert_eq!(origin("priority = 120"), "failover.toml.d/1.toml:2");
    assert_eq!(origin("priority = 7"), "variable FAILOVER_CONFIG__instance__mail__priority");
    assert_eq!(origin("interface = \"eth0\""), "[defaults], failover.toml:5");
    assert_eq!(origin("garp.repeat = 3"), "[defaults], failover.toml:6");
    assert_eq!(origin("garp.delay = \"1s\""), "failover.toml:11");
    assert_eq!(origin("garp.refresh = \"0s\""), "default");
    assert_eq!(origin("advert_interval = \"1s\""), "default");

    let again = shown.replace("********", "hunter2");
    let copy = Folder::new(&[("failover.toml", &again)]);
    assert_eq!(loaded(copy.load(&[])).config, original.config, "{again}");
}

#[test]
fn every_sample_shown_means_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = fs::read_dir(root.join("config/examples")).unwrap().map(|entry| entry.unwrap().path());
    for path in examples.chain([root.join("config/failover.toml")]) {
        let original = loaded(config::load_in(&path, Purpose::Run, &Surroundings::default()));
        let copy = Folder::new(&[("failover.toml", &original.show())]);
        assert_eq!(open(loaded(copy.load(&[]))), open(original), "{}", path.display());
    }
}

/// Without the passwords and what is sent by checks, which are not shown.
fn open(loaded: Loaded) -> Config {
    let mut config = loaded.config;
    config.instances.values_mut().for_each(|instance| instance.password = None);
    for check in config.checks.values_mut() {
        if let Probe::Tcp(probe) = &mut check.probe {
            probe.send = None;
        }
    }
    config
}
