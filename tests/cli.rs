//! The built program: arguments, streams and exit codes, as scripts see them. What needs a network is elsewhere.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

const PROGRAM: &str = env!("CARGO_BIN_EXE_failover");

/// A folder of a test's own, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("failover-cli-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn failover(args: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(args).env_remove("NO_COLOR").env_remove("RUNTIME_DIRECTORY").stdin(Stdio::null());
    command.output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const GOOD: &str =
    "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.1/24\"]\n";
const BAD: &str = "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 0\n";

#[test]
fn help_and_version_are_answers_and_anything_else_unknown_is_a_complaint() {
    for args in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["validate", "--help"],
        &["status", "--help"],
        &["run", "--help"],
    ] {
        let output = failover(args);
        assert_eq!((code(&output), err(&output).as_str()), (0, ""), "{args:?}");
        assert!(out(&output).contains("Usage: failover"), "{args:?}: {}", out(&output));
    }
    let version = failover(&["--version"]);
    assert_eq!((code(&version), out(&version)), (0, format!("failover {}\n", env!("CARGO_PKG_VERSION"))));
    for args in
        [&[][..], &["frobnicate"], &["validate", "--format", "xml"], &["status", "--bogus"], &["completions"]]
    {
        let output = failover(args);
        assert_eq!((code(&output), out(&output).as_str()), (2, ""), "{args:?}");
        let said = err(&output);
        assert!(said.contains("Usage: failover") || said.contains("try '--help'"), "{args:?}: {said}");
    }
}

#[test]
fn validate_says_valid_on_standard_output_and_what_is_wrong_on_standard_error() {
    let folder = Folder::new("validate");
    let good = folder.file("good.toml", GOOD);
    let output = failover(&["validate", &good]);
    assert_eq!(
        (code(&output), out(&output), err(&output)),
        (0, format!("{good}: valid, 1 instance\n"), String::new())
    );

    let bad = folder.file("bad.toml", BAD);
    let output = failover(&["validate", &bad]);
    assert_eq!((code(&output), out(&output).as_str()), (78, ""));
    let said = err(&output);
    assert!(said.contains("error[F0015]") && said.contains("error[F0013]"), "{said}");
    assert!(said.contains(&format!("--> {bad}:3:21")), "{said}");
    assert!(said.ends_with("2 errors\n"), "{said}");
    assert!(!said.contains('\u{1b}'), "colour where nobody sees it: {said}");

    let missing = folder.0.join("missing.toml").display().to_string();
    let output = failover(&["validate", &missing]);
    assert_eq!(code(&output), 78);
    assert!(err(&output).contains("there is no such file"), "{}", err(&output));

    let empty = folder.file("empty.toml", "");
    let output = failover(&["validate", &empty]);
    assert_eq!((code(&output), out(&output)), (0, format!("{empty}: valid, 0 instances\n")));
    assert!(err(&output).contains("warning[F0200]"));
    let output = failover(&["validate", "--deny-warnings", &empty]);
    assert_eq!((code(&output), out(&output).as_str()), (78, ""));
}

#[test]
fn validate_as_json_is_one_document_whatever_the_verdict() {
    let folder = Folder::new("json");
    for (name, text, valid, exit) in
        [("good", GOOD, true, 0), ("bad", BAD, false, 78), ("empty", "", true, 0)]
    {
        let path = folder.file(name, text);
        let output = failover(&["validate", "--format", "json", &path]);
        assert_eq!((code(&output), err(&output).as_str()), (exit, ""), "{name}");
        let document: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
        assert_eq!(document["valid"], valid, "{document}");
        assert_eq!(document["files"][0], path.as_str());
    }
    let bad = folder.0.join("bad").display().to_string();
    let document: serde_json::Value =
        serde_json::from_str(&out(&failover(&["validate", "--format=json", &bad]))).unwrap();
    let found = &document["diagnostics"][1];
    assert_eq!(found["code"], "F0015", "{document}");
    let at = (&found["file"], &found["line"], &found["column"], &found["start"], &found["end"]);
    assert_eq!(at, (&bad.as_str().into(), &3.into(), &21.into(), &54.into(), &55.into()));
    assert_eq!(found["severity"], "error");
}

#[test]
fn run_refuses_an_invalid_configuration_with_78() {
    let folder = Folder::new("run");
    let bad = folder.file("bad.toml", BAD);
    let output = failover(&["run", "--config", &bad]);
    assert_eq!((code(&output), out(&output).as_str()), (78, ""));
    assert!(err(&output).contains("error[F0015]"), "{}", err(&output));
}

#[test]
fn colour_is_for_terminals_and_not_with_no_color() {
    let folder = Folder::new("color");
    let bad = folder.file("bad.toml", BAD);
    // script(1) gives the command a terminal of its own.
    let on_a_terminal = |set: &[(&str, &str)]| {
        let mut command = Command::new("script");
        command.args(["-qec", &format!("{PROGRAM} validate {bad}"), "/dev/null"]);
        command.env_remove("NO_COLOR").env("TERM", "xterm").envs(set.iter().copied()).stdin(Stdio::null());
        out(&command.output().unwrap())
    };
    assert!(on_a_terminal(&[]).contains("\u{1b}["));
    assert!(on_a_terminal(&[("NO_COLOR", "")]).contains("\u{1b}["), "an empty NO_COLOR is not set");
    for set in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let said = on_a_terminal(&[set]);
        assert!(said.contains("F0015") && !said.contains("\u{1b}["), "{set:?}: {said}");
    }
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    for args in [&["completions", "bash"][..], &["--help"], &["completions", "zsh"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = Command::new(PROGRAM).args(args).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), err(&output).as_str()), (0, ""), "{args:?}");
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = Command::new(PROGRAM)
        .args(["completions", "bash"])
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains("cannot write the answer"), "{}", err(&output));
}

#[test]
fn completions_name_the_commands_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = failover(&["completions", shell]);
        assert_eq!(code(&output), 0);
        for word in ["validate", "status", "deny-warnings"] {
            assert!(out(&output).contains(word), "{shell}: {word}");
        }
    }
}

/// Words of `text` that begin with two dashes.
fn long_options(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| word.len() > 2 && word.starts_with("--")).map(str::to_owned).collect()
}

#[test]
fn the_manual_has_every_command_option_and_exit_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/man/failover.8");
    let manual = fs::read_to_string(path).unwrap().replace("\\-", "-");
    let help = out(&failover(&["--help"]));
    let commands =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() >= 5, "{help}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        assert!(manual.contains(&format!(".TP\n\\fB{command}\\fR")), "the manual lacks {command}");
        assert!(manual.contains(&format!("\n.B failover {command}\n")), "the synopsis lacks {command}");
        for option in long_options(&out(&failover(&[command, "--help"]))) {
            assert!(manual.contains(&format!("\\fB{option}\\fR")), "the manual lacks {option} of {command}");
        }
    }
    for code in ["0", "1", "2", "3", "78"] {
        assert!(manual.contains(&format!(".TP\n.B {code}\n")), "the manual lacks exit code {code}");
    }
}

/// Answers one question with `answer`, as an agent would.
fn agent(folder: &Folder, answer: &'static [u8]) -> thread::JoinHandle<()> {
    let path = folder.0.join("status.sock");
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(answer).unwrap();
        drop(stream);
    })
}

fn status(folder: &Folder, args: &[&str]) -> Output {
    let mut all = vec!["status", "--runtime-dir", folder.0.to_str().unwrap()];
    all.extend(args);
    failover(&all)
}

/// What an agent of a later version may say: a key that this one does not know.
const DOCUMENT: &[u8] = br#"{"version": "0.1.0", "router_id": "lb1", "of_a_later_version": 1, "counters":
{"vrid_errors": 0, "leftovers_removed": 0, "dumps": 1}, "instances": [
{"name": "mail", "state": "FAULT", "since_seconds": 3.5, "reason": "eth1 has no carrier", "interface": "eth1",
"virtual_router_id": 52, "family": "ipv4", "version": 3, "base_priority": 100, "effective_priority": 100,
"advert_interval_ms": 1000, "primary_address": null, "addresses": [], "master": null, "checksum": null, "trouble": [],
"counters": COUNTERS},
{"name": "web", "state": "MASTER", "since_seconds": 61.0, "reason": "no advert for 3.6 s", "interface": "eth0",
"virtual_router_id": 51, "family": "ipv4", "version": 3, "base_priority": 100, "effective_priority": 100,
"advert_interval_ms": 100, "primary_address": "192.0.2.2", "addresses": [{"address": "192.0.2.1/24",
"interface": "eth0", "present": true, "advertised": true}], "master": null, "checksum": "rfc9568", "trouble": [],
"counters": COUNTERS}]}"#;

fn document() -> &'static [u8] {
    let counters = serde_json::to_string(&failover::agent::snapshot::InstanceCounters::default()).unwrap();
    let text = String::from_utf8(DOCUMENT.to_vec()).unwrap().replace("COUNTERS", &counters);
    Box::leak(text.into_bytes().into_boxed_slice())
}

#[test]
fn status_without_an_agent_exits_3() {
    let folder = Folder::new("noagent");
    let output = status(&folder, &[]);
    assert_eq!((code(&output), out(&output).as_str()), (3, ""));
    assert!(err(&output).contains("no agent is running"), "{}", err(&output));
    // A socket that a dead agent left behind.
    drop(UnixListener::bind(folder.0.join("status.sock")).unwrap());
    assert_eq!(code(&status(&folder, &["--json"])), 3);
    // The directory may come from systemd, the first of several.
    let output = Command::new(PROGRAM)
        .arg("status")
        .env("RUNTIME_DIRECTORY", format!("{}:/elsewhere", folder.0.display()))
        .output()
        .unwrap();
    assert_eq!(code(&output), 3);
    assert!(err(&output).contains(folder.0.to_str().unwrap()), "{}", err(&output));
}

#[test]
fn status_shows_what_the_agent_says() {
    let folder = Folder::new("status");
    let ask = |args: &[&str]| {
        let answering = agent(&folder, document());
        let output = status(&folder, args);
        answering.join().unwrap();
        output
    };
    let table = ask(&[]);
    assert_eq!((code(&table), err(&table).as_str()), (0, ""));
    let text = out(&table);
    assert!(text.starts_with("failover 0.1.0 on lb1\n"), "{text}");
    assert!(text.contains("mail      FAULT   3.5 s      100"), "{text}");
    assert!(text.contains("web       MASTER  1 min 1 s  100       1/1        this host"), "{text}");

    let details = out(&ask(&["web"]));
    assert!(details.contains("192.0.2.1/24 on eth0: here") && !details.contains("mail"), "{details}");

    let json: serde_json::Value = serde_json::from_str(&out(&ask(&["--json"]))).unwrap();
    assert_eq!(json, serde_json::from_slice::<serde_json::Value>(document()).unwrap(), "no key is lost");
    let one: serde_json::Value = serde_json::from_str(&out(&ask(&["web", "--json"]))).unwrap();
    assert_eq!(one["instances"].as_array().unwrap().len(), 1);

    let unknown = ask(&["nobody"]);
    assert_eq!((code(&unknown), out(&unknown).as_str()), (1, ""));
    assert!(
        err(&unknown).contains("no instance or check `nobody`; it has `mail`, `web`"),
        "{}",
        err(&unknown)
    );
}

#[test]
fn an_agent_that_talks_nonsense_or_not_at_all_is_a_failure_with_a_reason() {
    let folder = Folder::new("nonsense");
    for (answer, expected) in
        [(&b"{\"version\":"[..], "makes no sense"), (b"", "without a word"), (b"\xff\xfe", "broke off")]
    {
        let answering = agent(&folder, answer);
        let output = status(&folder, &[]);
        answering.join().unwrap();
        assert_eq!((code(&output), out(&output).as_str()), (1, ""), "{answer:?}");
        assert!(err(&output).contains(expected), "{}", err(&output));
    }
    let path = folder.0.join("status.sock");
    fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    let output = status(&folder, &[]);
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains("does not answer"), "{}", err(&output));
    let (mut asked, _) = listener.accept().unwrap();
    assert_eq!(asked.read(&mut [0; 1]).unwrap(), 0, "status asks by connecting, and says nothing");
}

#[test]
fn import_prints_the_configuration_and_tells_what_became_of_the_lines() {
    let folder = Folder::new("import");
    let conf = folder
        .file("keepalived.conf", "@lb1 $ID=51\n@lb2 $ID=52\ninclude conf.d/*.{conf,inc}\ninclude missing\n");
    fs::create_dir(folder.0.join("conf.d")).unwrap();
    folder.file("conf.d/b.inc", "vrrp_script b { script \"/bin/true\" }\n");
    folder.file("conf.d/c.txt", "nonsense\n");
    folder.file(
        "conf.d/a.conf",
        "vrrp_instance a {\n  interface eth0\n  include ../id\n  virtual_ipaddress { 192.0.2.1 }\n}\n",
    );
    folder.file("id", "virtual_router_id $ID\n");
    for (id, number) in [("lb1", "51"), ("lb2", "52")] {
        let output = failover(&["import", &conf, "--config-id", id]);
        assert_eq!(code(&output), 0, "{}", err(&output));
        let text = out(&output);
        assert!(
            text.contains(&format!("[instance.a]\ninterface = \"eth0\"\nvirtual_router_id = {number}\n")),
            "{text}"
        );
        // The first pattern of the braces comes first.
        assert!(text.find("[instance.a]") < text.find("[check.b]"), "{text}");
        assert!(
            text.contains("# keepalived.conf:3: `include conf.d/*.{conf,inc}`: 2 files follow"),
            "{text}"
        );
        assert!(!text.contains("nonsense"), "{text}");
        let said = err(&output);
        assert!(said.contains("warning[F0302]") && said.contains(&format!("--> {conf}:4:1")), "{said}");
        let summary = "9 lines translated, 0 changed, 0 without equivalent, 1 that keepalived ignores too\n";
        assert!(said.ends_with(&format!("failover: {conf}: {summary}")), "{said}");
    }
}

#[test]
fn import_says_what_cannot_be_read_and_prints_nothing() {
    let folder = Folder::new("import-bad");
    let bad = folder.file("bad.conf", "vrrp_instance a {\n");
    let missing = folder.0.join("missing.conf").display().to_string();
    let strict = folder.file("strict.conf", "includem none.conf\n");
    let looping = folder.file("loop.conf", "include loop.conf\n");
    for (file, expected) in [
        (&bad, "error[F0300]: a block does not end"),
        (&missing, "error[F0001]: cannot read"),
        (&strict, "error[F0302]: an included file cannot be had: no file matches `none.conf`"),
        (&looping, "error[F0302]: an included file cannot be had: more than 16 files include one another"),
    ] {
        let output = failover(&["import", file]);
        assert_eq!((code(&output), out(&output).as_str()), (78, ""), "{file}");
        assert!(err(&output).contains(expected), "{}", err(&output));
    }
    // What can be executed is left out, as keepalived does.
    let script = folder.file("script.inc", "nonsense\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode).unwrap();
    let conf = folder.file("keepalived.conf", "include *.inc\n");
    let output = failover(&["import", &conf]);
    assert_eq!(code(&output), 0);
    assert!(
        err(&output).contains("it can be executed") && !out(&output).contains("nonsense"),
        "{}",
        err(&output)
    );
    assert_eq!(code(&failover(&["import"])), 2);
}

#[test]
fn probe_runs_one_check_and_says_what_it_saw() {
    let folder = Folder::new("probe");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let file = folder.file(
        "checks.toml",
        &format!(
            "[check.open]\ntcp = {{ address = \"127.0.0.1:{port}\" }}\n\
             [check.silent]\ntimeout = \"50ms\"\ntcp = {{ address = \"127.0.0.1:{port}\", expect = \"hunter2\" }}\n{GOOD}"
        ),
    );
    let output = failover(&["probe", "open", &file]);
    assert_eq!((code(&output), err(&output).as_str()), (0, ""), "untracked checks are no trouble here");
    let said = out(&output);
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("connect ") && lines[0].ends_with(&format!(" ms  127.0.0.1:{port}")),
        "{said}"
    );
    assert!(lines[1].starts_with("passed in ") && lines[1].ends_with(" ms: connected"), "{said}");

    let output = failover(&["probe", "silent", &file, "--json"]);
    assert_eq!((code(&output), err(&output).as_str()), (1, ""));
    let document: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(document["check"], "silent");
    assert_eq!((&document["probe"], &document["result"]), (&"tcp".into(), &"failed".into()), "{document}");
    assert_eq!(document["text"], "no answer within 50 ms (first byte)");
    assert!(document["took_seconds"].as_f64().is_some_and(|took| took >= 0.05), "{document}");
    assert_eq!(document["phases"][0]["name"], "connect");
    assert_eq!(document["weight"], serde_json::Value::Null);

    let output = failover(&["probe", "opne", &file]);
    assert_eq!((code(&output), out(&output).as_str()), (2, ""));
    let expected =
        format!("failover: there is no check `opne` in {file}; did you mean `open`?\nchecks: open, silent\n");
    assert_eq!(err(&output), expected);
    let none = folder.file("none.toml", GOOD);
    let output = failover(&["probe", "open", &none]);
    let expected = format!("failover: there is no check `open`: {none} has no [check.NAME] at all\n");
    assert_eq!((code(&output), err(&output)), (2, expected));
    let bad = folder.file("bad.toml", BAD);
    let output = failover(&["probe", "open", &bad]);
    assert_eq!((code(&output), out(&output).as_str()), (78, ""));
    assert_eq!(code(&failover(&["probe"])), 2);
}
