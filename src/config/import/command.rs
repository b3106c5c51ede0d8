//! Command lines: their words, whether they need a shell, and the well-known ones that a native check does better.
//!
//! A check becomes native only where it is certain that both say the same. Pure.

use std::net::IpAddr;

use super::text;

/// Where a program must stand, if anywhere is said, to be the one of that name.
const DIRECTORIES: [&str; 6] =
    ["/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/"];
/// Words that only a shell knows as commands.
const BUILTINS: [&str; 14] =
    ["!", ".", ":", "[[", "case", "cd", "exit", "export", "for", "if", "source", "ulimit", "until", "while"];
/// Longest name of a process that the kernel keeps, in bytes.
const LONGEST_PROCESS: usize = 15;

/// A check without a program of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Native {
    /// A process of that name runs.
    Process(String),
    /// A unit is active.
    Systemd(String),
    /// A file is there.
    File(String),
    /// A connection can be made, within so many microseconds if that is said.
    Tcp(String, Option<u64>),
    /// An HTTP request is answered.
    Http(Http),
}

impl Native {
    /// The time that the command gave itself, in microseconds.
    pub(super) fn limit(&self) -> Option<u64> {
        match self {
            Native::Tcp(_, limit) => *limit,
            Native::Http(http) => http.timeout,
            Native::Process(_) | Native::Systemd(_) | Native::File(_) => None,
        }
    }
}

/// What `curl` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Http {
    pub(super) url: String,
    /// Whether only answers below 400 are good.
    pub(super) fail: bool,
    /// Whether the certificate is not looked at.
    pub(super) insecure: bool,
    /// Time limit in microseconds.
    pub(super) timeout: Option<u64>,
}

/// A command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// As it was written.
    pub(super) line: String,
    /// The program and its arguments.
    pub(super) argv: Vec<String>,
    /// Whether it is meant for a shell.
    pub(super) shell: bool,
}

impl Command {
    /// Reads `line`; `None` when a quote in it does not end or there is no word.
    pub(super) fn read(line: &str) -> Option<Self> {
        let argv = text::command_words(line, true)?;
        let first = argv.first()?;
        let shell = BUILTINS.contains(&first.as_str()) || needs_shell(line) || is_assignment(first);
        Some(Command { line: line.to_owned(), argv, shell })
    }

    /// The argument list to start, with a shell where one is needed.
    pub(super) fn start(&self) -> Vec<String> {
        if self.shell {
            vec!["/bin/sh".to_owned(), "-c".to_owned(), self.line.clone()]
        } else {
            self.argv.clone()
        }
    }

    /// The native check that says the same.
    pub(super) fn native(&self) -> Option<Native> {
        if let Some(address) = bash_connect(&self.line) {
            return Some(Native::Tcp(address, None));
        }
        if self.shell {
            return None;
        }
        if let [shell, option, line] = self.argv.as_slice()
            && option == "-c"
            && matches!(program(shell), Some("sh" | "bash" | "dash"))
        {
            let inner = Command::read(line)?;
            // A shell in a shell is nothing well-known.
            return if matches!(inner.argv.get(1).map(String::as_str), Some("-c")) {
                None
            } else {
                inner.native()
            };
        }
        let words: Vec<&str> = self.argv.iter().map(String::as_str).collect();
        let (first, arguments) = words.split_first()?;
        match program(first)? {
            "killall" => killall(arguments).map(Native::Process),
            "pidof" => pidof(arguments).map(Native::Process),
            "pgrep" => pgrep(arguments).map(Native::Process),
            "systemctl" => systemctl(arguments).map(Native::Systemd),
            "test" => exists(arguments).map(Native::File),
            "[" => exists(arguments.strip_suffix(&["]"])?).map(Native::File),
            "curl" => curl(arguments).map(Native::Http),
            "nc" | "ncat" | "netcat" => netcat(arguments),
            _ => None,
        }
    }
}

/// The name of the program, unless it stands in some other directory than usual.
fn program(path: &str) -> Option<&str> {
    if !path.contains('/') {
        return Some(path);
    }
    DIRECTORIES.iter().find_map(|directory| path.strip_prefix(directory)).filter(|name| !name.contains('/'))
}

/// Whether something in `line` is for a shell: operators, variables, patterns, outside of the quotes that hold them.
fn needs_shell(line: &str) -> bool {
    let mut quote = None;
    let mut before = ' ';
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let blank = |c: char| c.is_whitespace();
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => drop(chars.next()),
            (_, '$' | '`') => return true,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '|' | '&' | ';' | '<' | '>' | '(' | ')' | '*' | '?') => return true,
            (None, '~' | '#') if blank(before) => return true,
            // `[` before a blank is the program test.
            (None, '[') if !chars.peek().is_none_or(|next| blank(*next)) => return true,
            (None, _) => {}
        }
        before = c;
    }
    false
}

/// `NAME=value` before a command.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| super::define::is_name(name))
}

/// A name that a process can have and that means nothing else to the program that looks for it.
fn process_name(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@' | '+');
    let fits = (1..=LONGEST_PROCESS).contains(&name.len()) && name.chars().all(plain);
    (fits && !name.starts_with('-')).then(|| name.to_owned())
}

fn killall(arguments: &[&str]) -> Option<String> {
    let mut rest = arguments.iter().filter(|word| !matches!(**word, "-q" | "--quiet" | "-e" | "--exact"));
    let (first, name, end) = (rest.next()?, rest.next(), rest.next());
    let name = match (*first, name) {
        ("-0" | "-s0", Some(name)) => *name,
        ("-s" | "--signal", Some(&"0")) => return process_name(end?),
        _ => return None,
    };
    if end.is_some() { None } else { process_name(name) }
}

fn pidof(arguments: &[&str]) -> Option<String> {
    match arguments {
        [name] | ["-s" | "-q", name] => process_name(name),
        _ => None,
    }
}

/// Without `-x` the name is a pattern that is looked for anywhere in a process's name.
fn pgrep(arguments: &[&str]) -> Option<String> {
    let ["-x" | "--exact", name] = arguments else { return None };
    // A dot or a plus would be a pattern.
    process_name(name).filter(|name| !name.contains(['.', '+']))
}

fn systemctl(arguments: &[&str]) -> Option<String> {
    let mut unit = None;
    for word in arguments.iter().filter(|word| !matches!(**word, "-q" | "--quiet")) {
        match unit {
            None if *word == "is-active" => unit = Some(""),
            Some("") if !word.starts_with('-') => unit = Some(word),
            _ => return None,
        }
    }
    let unit = unit.filter(|unit| !unit.is_empty() && !unit.contains(['*', '?', '[', '/']))?;
    let kinds = [
        ".service", ".socket", ".target", ".mount", ".timer", ".path", ".slice", ".scope", ".device", ".swap",
    ];
    let whole = kinds.iter().any(|kind| unit.ends_with(kind));
    Some(if whole { unit.to_owned() } else { format!("{unit}.service") })
}

fn exists(arguments: &[&str]) -> Option<String> {
    match arguments {
        ["-e" | "-f", path] if path.starts_with('/') => Some((*path).to_owned()),
        _ => None,
    }
}

fn curl(arguments: &[&str]) -> Option<Http> {
    let mut asked = Http { url: String::new(), fail: false, insecure: false, timeout: None };
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        match *word {
            "--fail" => asked.fail = true,
            "--insecure" => asked.insecure = true,
            "--silent" | "--show-error" => {}
            "-o" | "--output" => drop(rest.next().filter(|file| **file == "/dev/null")?),
            "-m" | "--max-time" => asked.timeout = Some(text::micros(rest.next()?)?),
            // A part of the whole, which has its own limit.
            "--connect-timeout" => drop(text::micros(rest.next()?)?),
            "-so" | "-fso" | "-sfo" | "-sSo" | "-fsSo" | "-sSfo" => {
                asked.fail |= word.contains('f');
                rest.next().filter(|file| **file == "/dev/null")?;
            }
            word if word.starts_with("--") => return None,
            word => match word.strip_prefix('-') {
                Some(flags) if !flags.is_empty() && flags.chars().all(|c| "fskS".contains(c)) => {
                    asked.fail |= flags.contains('f');
                    asked.insecure |= flags.contains('k');
                }
                Some(_) => return None,
                None if asked.url.is_empty() => word.clone_into(&mut asked.url),
                None => return None,
            },
        }
    }
    let web = ["http://", "https://"].iter().any(|scheme| asked.url.starts_with(scheme));
    // Braces and brackets are patterns to curl, and a fragment or a user is nothing plain.
    (web && !asked.url.contains(['{', '}', '[', ']', '#', '@'])).then_some(asked)
}

fn netcat(arguments: &[&str]) -> Option<Native> {
    let (mut scan, mut timeout) = (false, None);
    let mut address: Vec<&str> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        match *word {
            "-w" => timeout = Some(text::micros(rest.next()?)?),
            word if word.starts_with("-w") => timeout = Some(text::micros(word.get(2..)?)?),
            word => match word.strip_prefix('-') {
                Some(flags) if !flags.is_empty() && flags.chars().all(|c| "zvn46".contains(c)) => {
                    scan |= flags.contains('z');
                }
                Some(_) => return None,
                None => address.push(word),
            },
        }
    }
    let [host, port] = address.as_slice() else { return None };
    scan.then(|| host_and_port(host, port)).flatten().map(|address| Native::Tcp(address, timeout))
}

/// `</dev/tcp/HOST/PORT`, which bash connects to.
fn bash_connect(line: &str) -> Option<String> {
    let (host, port) =
        line.trim().strip_prefix('<')?.trim_start().strip_prefix("/dev/tcp/")?.split_once('/')?;
    host_and_port(host, port)
}

fn host_and_port(host: &str, port: &str) -> Option<String> {
    let number: u16 = port.parse().ok().filter(|port| *port > 0)?;
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(std::net::SocketAddr::new(address, number).to_string());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    (!host.is_empty() && host.chars().all(plain)).then(|| format!("{host}:{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(line: &str) -> String {
        match Command::read(line).and_then(|command| command.native()) {
            None => "-".to_owned(),
            Some(Native::Process(name)) => format!("process {name}"),
            Some(Native::Systemd(unit)) => format!("systemd {unit}"),
            Some(Native::File(path)) => format!("file {path}"),
            Some(Native::Tcp(address, timeout)) => format!("tcp {address} {timeout:?}"),
            Some(Native::Http(http)) => {
                format!("http {} {} {} {:?}", http.url, http.fail, http.insecure, http.timeout)
            }
        }
    }

    #[test]
    fn well_known_checks_are_recognised() {
        for (line, expected) in [
            ("killall -0 haproxy", "process haproxy"),
            ("/usr/bin/killall -q -0 nginx", "process nginx"),
            ("killall -s 0 x", "process x"),
            ("pidof haproxy", "process haproxy"),
            ("/sbin/pidof -s sshd", "process sshd"),
            ("pgrep -x nginx", "process nginx"),
            ("sh -c 'pidof haproxy'", "process haproxy"),
            ("/bin/bash -c \"killall -0 mysqld\"", "process mysqld"),
            ("systemctl is-active haproxy", "systemd haproxy.service"),
            ("/usr/bin/systemctl -q is-active nginx.service", "systemd nginx.service"),
            ("systemctl is-active --quiet db@main", "systemd db@main.service"),
            ("test -f /etc/ok", "file /etc/ok"),
            ("/usr/bin/[ -e /run/ok ]", "file /run/ok"),
            ("curl http://127.0.0.1:80/health", "http http://127.0.0.1:80/health false false None"),
            ("curl -fsS -m 2 -o /dev/null https://a/b?c=d", "-"),
            (
                "curl -fsS -m 2 -o /dev/null 'https://a/b?c=d'",
                "http https://a/b?c=d true false Some(2000000)",
            ),
            ("curl -skf --max-time 0.5 https://a/", "http https://a/ true true Some(500000)"),
            ("nc -z 127.0.0.1 80", "tcp 127.0.0.1:80 None"),
            ("nc -zv -w 3 db.example 5432", "tcp db.example:5432 Some(3000000)"),
            ("nc -z -w2 2001:db8::1 80", "tcp [2001:db8::1]:80 Some(2000000)"),
            ("</dev/tcp/127.0.0.1/80", "tcp 127.0.0.1:80 None"),
            ("bash -c '</dev/tcp/127.0.0.1/80'", "tcp 127.0.0.1:80 None"),
        ] {
            assert_eq!(native(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_certain_stays_a_command() {
        for line in [
            "killall haproxy",
            "killall -0 haproxy nginx",
            "killall -0 a-name-of-17-bytes",
            "killall -9 haproxy",
            "/opt/bin/killall -0 haproxy",
            "pgrep nginx",
            "pgrep -x ng.nx",
            "pgrep -f 'java -jar x'",
            "pidof a b",
            "systemctl is-active a b",
            "systemctl is-failed a",
            "systemctl status a",
            "systemctl is-active 'a*'",
            "test ! -f /etc/maintenance",
            "test -f relative",
            "[ -f /etc/ok",
            "curl -L http://a/",
            "curl -X POST http://a/",
            "curl -H 'Host: x' http://a/",
            "curl http://a/ http://b/",
            "curl a.example",
            "curl http://a/[1-9]",
            "nc 127.0.0.1 80",
            "nc -zu 127.0.0.1 53",
            "nc -z 127.0.0.1 80-90",
            "pidof haproxy || exit 1",
            "pidof $NAME",
            "/usr/local/bin/check.sh",
            "sh -c 'sh -c \"pidof x\"'",
        ] {
            assert_eq!(native(line), "-", "{line}");
        }
    }

    #[test]
    fn shells_are_for_what_only_they_can_do() {
        for (line, shell) in [
            ("/usr/local/bin/check.sh -a 'b c' \"d e\"", false),
            ("/bin/sh -c 'a && b | c $D'", false),
            ("[ ! -f /etc/maintenance ]", false),
            ("a\\&b 'x;y' \"*\"", false),
            ("a && b", true),
            ("a | b", true),
            ("a > /dev/null", true),
            ("a $B", true),
            ("a \"$B\"", true),
            ("a `b`", true),
            ("ls /tmp/*.ok", true),
            ("ls ~/x", true),
            ("X=1 a", true),
            ("! a", true),
            ("exit 0", true),
        ] {
            assert_eq!(Command::read(line).unwrap().shell, shell, "{line}");
        }
        assert_eq!(Command::read("a 'b"), None);
        assert_eq!(Command::read("  "), None);
        assert_eq!(Command::read("a && b").unwrap().start(), ["/bin/sh", "-c", "a && b"]);
    }
}
