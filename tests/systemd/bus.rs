//! The agent's objects on the bus of a host, with its own user, its sandbox and polkit: who may look, and who may have
//! something done.

use std::time::Duration;

use crate::lab::machine::Machine;
use crate::lab::wait;

/// Longest time for anything to happen: an order of magnitude more than it takes.
const LIMIT: Duration = Duration::from_secs(30);

const CONFIG: &str = "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.50/24\"]\n\
    advert_interval = \"100ms\"\n";

/// What is shipped, and where it goes.
const SHIPPED: [(&str, &str); 4] = [
    ("failover.service", "/usr/lib/systemd/system/failover.service"),
    ("failover.sysusers", "/usr/lib/sysusers.d/failover.conf"),
    ("org.failover1.conf", "/usr/share/dbus-1/system.d/org.failover1.conf"),
    ("org.failover1.policy", "/usr/share/polkit-1/actions/org.failover1.policy"),
];

/// Whether the agent says to systemd when it is ready is another test's matter.
const SIMPLE: &str = "[Service]\nType=simple\nWatchdogSec=0\n";

/// One action, for one user, as an administrator would allow it.
const RULE: &str = "polkit.addRule(function (action, subject) {\n\
    if (action.id == \"org.failover1.drain\" && subject.user == \"nobody\") { return polkit.Result.YES; }\n});\n";

const STATE: &str = "get-property org.failover1 /org/failover1/instance/web org.failover1.Instance State";
const CALL: &str = "call org.failover1 /org/failover1 org.failover1.Manager";

struct Host(Machine);

impl Host {
    fn boot() -> Self {
        let host = Host(Machine::boot_with_a_link());
        host.0.install(env!("CARGO_BIN_EXE_failover"), "/usr/bin/failover");
        for (from, to) in SHIPPED {
            host.sh(&format!("mkdir -p $(dirname {to})"));
            host.0.install(&format!("{}/systemd/{from}", env!("CARGO_MANIFEST_DIR")), to);
        }
        host.sh("mkdir -p /etc/systemd/system/failover.service.d /etc/polkit-1/rules.d");
        host.write("/etc/systemd/system/failover.service.d/simple.conf", SIMPLE);
        host.write("/etc/failover.toml", CONFIG);
        host.sh("systemd-sysusers && systemctl daemon-reload");
        host
    }

    /// How a line of shell ended, and what it said.
    fn try_sh(&self, line: &str) -> (bool, String) {
        let output = self.0.output(&["sh", "-c", &format!("exec 2>&1; {line}")]);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Runs a line of shell, which must go well.
    fn sh(&self, line: &str) -> String {
        let (well, said) = self.try_sh(line);
        assert!(well, "`{line}`: {said}");
        said
    }

    fn write(&self, path: &str, text: &str) {
        let output = self.0.output(&["sh", "-c", "printf %s \"$1\" >\"$2\"", "sh", text, path]);
        assert!(output.status.success(), "{path}");
    }

    /// The same as a plain user.
    fn as_nobody(&self, arguments: &str) -> (bool, String) {
        self.try_sh(&format!("setpriv --reuid=nobody --regid=nogroup --clear-groups busctl {arguments}"))
    }

    /// Waits until the instance is in `state`, as a plain user sees it on the bus.
    fn is(&self, state: &str) {
        wait(&format!("web is {state}"), LIMIT, || {
            (self.as_nobody(STATE) == (true, format!("s \"{state}\""))).then_some(())
        });
    }

    fn refuses(&self, call: &str, why: &str) {
        let (well, said) = self.as_nobody(call);
        assert!(!well && said.contains(why), "{call}: {said}");
    }
}

#[test]
fn everybody_may_look_and_polkit_says_who_may_do_more() {
    let host = Host::boot();
    host.sh("systemctl start failover.service");
    host.is("MASTER");
    let owner = host.sh("busctl status org.failover1 | grep ^UID=");
    assert_eq!(owner, format!("UID={}", host.sh("id -u failover")), "the agent's own user");
    let xml = host.sh("busctl introspect --xml-interface org.failover1 /org/failover1/instance/web");
    assert!(xml.contains("<property name=\"EffectivePriority\" type=\"y\" access=\"read\"/>"), "{xml}");

    // Nobody is asked who they are where nobody can answer.
    host.refuses(
        &format!("--allow-interactive-authorization=no {CALL} Reload"),
        "polkit wants to ask who you are",
    );
    host.refuses(&format!("{CALL} Plan s /etc/shadow"), "Access denied");
    host.refuses(&format!("{CALL} Drain asb 0 true"), "Access denied");
    host.refuses(&format!("--address=unix:path=/run/failover/bus {CALL} Drain asb 0 true"), "denied");
    host.is("MASTER");

    // The agent, without being root, may ask polkit on behalf of others.
    host.write("/etc/polkit-1/rules.d/10-failover-test.rules", RULE);
    host.sh("systemctl restart polkit.service");
    let (well, said) = host.as_nobody(&format!("{CALL} Drain asb 1 web true"));
    assert!(well && said.starts_with("ast 1 \"web\" "), "{said}");
    host.is("BACKUP");
    host.refuses(&format!("{CALL} Undrain as 0"), "Access denied");

    // Without polkit only root may, and it needs nobody's word.
    host.sh("systemctl mask --runtime --now --quiet polkit.service");
    host.refuses(&format!("{CALL} Drain asb 0 true"), "Access denied");
    assert_eq!(host.sh(&format!("busctl {CALL} Undrain as 0")), "as 1 \"web\"");
    host.is("MASTER");

    // The bus goes and comes back; nothing moves.
    host.sh("systemctl stop dbus.socket dbus.service && systemctl start dbus.socket");
    host.is("MASTER");
    let journal = host.sh("journalctl --no-pager --output=cat --unit=failover.service");
    assert_eq!(journal.matches("the system bus was lost").count(), 1, "{journal}");
    assert_eq!(journal.matches("Entering MASTER").count(), 2, "{journal}");
}
