//! The life of a package on a host: installed, configured, upgraded, removed, purged; the `.deb` and the `.rpm`.

use std::collections::BTreeSet;

use super::{Administered, NEXT, packages, text};
use crate::lab::machine::Machine;
use crate::lab::wait;

/// Without a lease: what is gone was taken away.
const CONFIG: &str = "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.50/24\"]\n\
    advert_interval = \"100ms\"\naddress_lease = \"off\"\n";

/// Every file that has our name, but for what the test itself put there and what systemd remembers of a unit until the
/// host goes.
fn files(machine: &Machine) -> BTreeSet<String> {
    let found = machine
        .sh("find /etc /usr /var /run /home /srv -xdev -iname '*failover*' -not -path '/run/systemd/*' \
         -not -path '/var/log/*' 2>/dev/null || true");
    found.lines().map(str::to_owned).collect()
}

fn host() -> Machine {
    let machine = Machine::boot_with_a_link();
    machine.is_a_usual_host();
    machine
}

fn state(machine: &Machine) -> (String, String) {
    let ask = |what| machine.try_sh(&format!("systemctl {what} failover.service")).1;
    (ask("is-enabled"), ask("is-active"))
}

fn is(machine: &Machine, enabled: &str, active: &str) {
    assert_eq!(state(machine), (enabled.to_owned(), active.to_owned()));
}

/// The configuration is edited and taken without a restart.
fn configure(machine: &Machine) {
    machine.sh("systemctl --quiet enable --now failover");
    is(machine, "enabled", "active");
    assert!(!machine.holds(), "the sample is inert");
    machine.write("/etc/failover.toml", CONFIG);
    let pid = machine.pid();
    machine.sh("systemctl reload failover");
    machine.becomes_master();
    assert_eq!(machine.pid(), pid);
}

/// After `upgrade` another program runs by the same configuration.
fn upgraded(machine: &Machine, upgrade: impl FnOnce()) {
    let pid = machine.pid();
    upgrade();
    wait("another program runs", super::LIMIT, || {
        let new = machine.pid();
        (new != 0 && new != pid).then_some(())
    });
    machine.becomes_master();
    assert_eq!(machine.sh("cat /etc/failover.toml"), CONFIG.trim_end());
    is(machine, "enabled", "active");
}

#[test]
fn installed_upgraded_removed() {
    let [this, later] = packages();
    let machine = host();
    let before = files(&machine);

    machine.apt_install(&this.deb, "");
    is(&machine, "disabled", "inactive");
    machine.sh("id failover");
    assert!(machine.sh("failover validate").contains("no instances are configured"));
    configure(&machine);
    upgraded(&machine, || machine.apt_install(&later.deb, ""));
    assert!(machine.sh("dpkg --status failover").contains(&format!("\nVersion: {NEXT}-1\n")));

    // What does not run is not started.
    machine.sh("systemctl stop failover");
    assert!(!machine.holds());
    machine.apt_install(&this.deb, "--allow-downgrades");
    is(&machine, "enabled", "inactive");

    machine.sh("systemctl start failover");
    machine.becomes_master();
    machine.sh("apt-get remove -y failover");
    assert!(!machine.holds(), "a removal leaves no address");
    assert_eq!(machine.try_sh("pgrep -x failover").0, Some(1));
    assert_eq!(machine.sh("cat /etc/failover.toml"), CONFIG.trim_end());

    // It comes back as it was, and leaves an address that its removal finds.
    machine.apt_install(&this.deb, "");
    is(&machine, "enabled", "inactive");
    machine.sh("systemctl start failover");
    machine.becomes_master();
    // Its address stays, for want of a lease.
    machine.is_left_dead();
    machine.sh("apt-get purge -y failover");
    assert!(!machine.holds(), "a removal leaves no address");
    let left: Vec<String> = files(&machine).difference(&before).cloned().collect();
    assert_eq!(left, Vec::<String>::new(), "a purge leaves no file");
    machine.sh("id failover");
    assert_eq!(machine.sh("systemctl show --property=LoadState --value failover.service"), "not-found");

    // Debian's rpm knows nothing of what dpkg has installed.
    machine.sh("systemctl reset-failed failover.service");
    machine.install(text(&this.rpm), "/opt/this.rpm");
    machine.install(text(&later.rpm), "/opt/later.rpm");
    machine.sh("rpm --install --nodeps /opt/this.rpm");
    is(&machine, "disabled", "inactive");
    configure(&machine);
    upgraded(&machine, || {
        machine.sh("rpm --upgrade --nodeps /opt/later.rpm");
    });
    assert!(machine.sh("rpm --query failover").contains(NEXT));
    machine.sh("rpm --erase --nodeps failover");
    assert!(!machine.holds(), "a removal leaves no address");
    assert_eq!(machine.sh("cat /etc/failover.toml.rpmsave"), CONFIG.trim_end());
    assert_eq!(machine.try_sh("pgrep -x failover").0, Some(1));
}
