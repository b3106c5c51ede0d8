//! Two hosts and what runs on them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::lab::process::Process;
use crate::lab::space::Space;
use crate::lab::wait;

/// The server, by either family.
pub(crate) const SERVER: &str = "192.0.2.1";
pub(crate) const SERVER_V6: &str = "2001:db8::1";
/// What makes a configuration of checks one that `failover` takes.
const INSTANCE: &str =
    "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.100/24\"]\n";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The network. Its programs go before its directory does.
pub(crate) struct Stage {
    programs: Vec<Process>,
    pub(crate) server: Space,
    pub(crate) client: Space,
    pub(crate) directory: PathBuf,
}

/// What a run of `failover probe` said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Said { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The verdict, without the time that it took.
    pub(crate) fn verdict(&self) -> (i32, String) {
        let last = self.out.lines().last().unwrap_or(&self.err);
        let (word, rest) = last.split_once(" in ").unwrap_or(("", last));
        let text = rest.split_once(" ms: ").map_or(rest, |(_, text)| text);
        (self.code, format!("{word}: {text}"))
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("failover-probe-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        let (server, client) = (Space::new(), Space::new());
        server.sh(&format!("ip link add eth0 type veth peer name eth0 netns {}", client.path()));
        for (space, number) in [(&server, 1), (&client, 2)] {
            space.sh("ip link set lo up");
            space.sh("ip link set eth0 up");
            space.sh(&format!("ip addr add 192.0.2.{number}/24 dev eth0"));
            space.sh(&format!("ip addr add 2001:db8::{number}/64 dev eth0 nodad"));
            space.sh(&format!("ip addr add fe80::{number}/64 dev eth0 nodad"));
        }
        Stage { programs: Vec::new(), server, client, directory }
    }

    /// Writes a file for the programs; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.directory.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    /// nginx on the server with `servers` in its `http` block, once `port` is open.
    pub(crate) fn nginx(&mut self, servers: &str, port: u16) {
        let at = self.directory.display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};"))
            .join(" ");
        let conf = self.file(
            "nginx.conf",
            &format!(
                "user root; daemon off; worker_processes 1; pid {at}/nginx.pid; error_log stderr;\n\
                 events {{}}\nhttp {{ access_log off; {temporary}\n{servers} }}\n"
            ),
        );
        self.start("nginx", &["nginx", "-e", "stderr", "-c", &conf], port);
    }

    /// haproxy on the server with these sections, once `port` is open.
    pub(crate) fn haproxy(&mut self, sections: &str, port: u16) {
        let times = "timeout connect 5s\ntimeout client 5s\ntimeout server 5s\n";
        let conf = self.file("haproxy.cfg", &format!("global\nmaxconn 100\ndefaults\n{times}{sections}\n"));
        self.start("haproxy", &["haproxy", "-db", "-f", &conf], port);
    }

    fn start(&mut self, name: &str, argv: &[&str], port: u16) {
        let mut program = Process::start(&self.server, name, argv, &self.directory);
        wait(&format!("{name} listens"), Duration::from_secs(10), || {
            assert!(program.runs(), "{name} ended: {}", program.log());
            self.server.run(|| std::net::TcpStream::connect((SERVER, port))).ok()
        });
        self.programs.push(program);
    }

    /// The configuration that consists of `checks`.
    pub(crate) fn checks(&self, checks: &str) -> String {
        self.file("failover.toml", &format!("{checks}\n{INSTANCE}"))
    }

    /// Runs the check `x` of this one table on the client.
    pub(crate) fn probe(&self, table: &str) -> Said {
        let path = self.checks(&format!("[check.x]\ninterval = \"10s\"\ntimeout = \"3s\"\n{table}"));
        let output =
            self.client.command(&[env!("CARGO_BIN_EXE_failover"), "probe", "x", &path]).output().unwrap();
        Said::of(&output)
    }

    /// Connections that the client's kernel keeps for a while after their end.
    pub(crate) fn time_wait(&self) -> usize {
        let table = self.client.sh("cat /proc/net/tcp /proc/net/tcp6");
        table.lines().filter(|line| line.split_whitespace().nth(3) == Some("06")).count()
    }

    /// Asserts how that ends.
    pub(crate) fn expect(&self, table: &str, code: i32, verdict: &str) {
        let said = self.probe(table);
        let word = if code == 0 { "passed" } else { "failed" };
        assert_eq!(said.verdict(), (code, format!("{word}: {verdict}")), "{table}\n{said:?}");
        assert!(said.out.len() < 2000 && said.err.is_empty(), "{said:?}");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.programs.clear();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
