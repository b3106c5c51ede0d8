//! What an administrator does to a service on two hosts, and what may happen to it there; with a client that counts.

use std::time::Duration;

use failover::agent::snapshot::VrState;

use super::site::{HICCUP, Site, configuration, look_on, web};
use super::{Administered, LIMIT, packages};
use crate::lab::absence::Absence;
use crate::lab::machine::Machine;
use crate::lab::wait;
use crate::lab::wire::now;

/// How long the kernel holds an address that nobody renews, with adverts every second, and what it may be late.
const LEASE: Duration = Duration::from_secs(6 + 2);

/// What an address may be away when somebody else takes it away.
const BACK: Duration = Duration::from_millis(50);

/// The boot of two hosts is dear: one test, in the order of a day at work.
#[test]
fn a_pair_with_the_package() {
    let mut site = Site::new();
    sandbox(&site);
    roles(&site);
    bus(&site);
    reloads(&site);
    others(&site);
    flushed(&site);
    killed(&site);
    hung(&site);
    restarted(&site);
    stopped(&site);
    upgraded(&site);
    drained(&mut site);
    killed_for_good(&site);
    removed(&site);
}

/// What systemd thinks of the unit as it is installed.
fn sandbox(site: &Site) {
    let said = site.b.sh("systemd-analyze verify --man=no /usr/lib/systemd/system/failover.service");
    assert_eq!(said, "");
    println!(
        "{}",
        site.b.sh("systemd-analyze security --no-pager --threshold=20 failover.service | tail -1")
    );
    site.b.sh("systemd-analyze security --no-pager --threshold=20 failover.service");
}

fn target(machine: &Machine) -> String {
    machine.try_sh("systemctl is-active failover-master@web.target").1
}

/// The role's target is where the address is, and the journal has the story by instance.
fn roles(site: &Site) {
    wait("the role's target is active", LIMIT, || (target(&site.a) == "active").then_some(()));
    assert_eq!(target(&site.b), "inactive");
    let story = site.a.sh("journalctl --output=cat FAILOVER_INSTANCE=web");
    assert!(story.contains("(web) Entering MASTER state"), "{story}");
    let explained = site.a.sh("journalctl --catalog FAILOVER_INSTANCE=web FAILOVER_STATE=MASTER");
    assert!(explained.contains(" Subject: web is MASTER"), "{explained}");
}

/// Everybody may look, by D-Bus; a plain user may not have anything done.
fn bus(site: &Site) {
    let look = "busctl introspect org.failover1 /org/failover1/instance/web";
    let seen = site.a.sh(&format!("setpriv --reuid=nobody --clear-groups {look}"));
    assert!(seen.contains("org.failover1.Instance") && seen.contains("\"MASTER\""), "{seen}");
    let reload = "busctl call org.failover1 /org/failover1 org.failover1.Manager Reload";
    let (code, said) = site.a.try_sh(&format!("setpriv --reuid=nobody --clear-groups {reload}"));
    assert_ne!(code, Some(0), "{said}");
    println!("a plain user hears: {said}");
    site.a.sh(reload);
}

/// `systemctl reload` takes a good file, and fails with the diagnostics of a bad one.
fn reloads(site: &Site) {
    let pid = site.a.pid();
    site.a.write("/etc/failover.toml", &configuration(210));
    site.a.sh("systemctl reload failover");
    assert_eq!(web(&site.a).map(|web| (web.state, web.effective_priority)), Some((VrState::Master, 210)));

    site.a.write("/etc/failover.toml", &configuration(210).replace("192.0.2.50/24", "192.0.2.500/24"));
    let (code, said) = site.a.try_sh("systemctl reload failover");
    assert_eq!(code, Some(1), "{said}");
    let journal = site.a.sh("journalctl --output=cat --unit=failover.service");
    assert!(journal.contains("192.0.2.500/24"), "{journal}");
    let web = web(&site.a).expect("the agent goes on");
    assert_eq!((web.state, web.effective_priority), (VrState::Master, 210));
    assert_eq!(site.a.pid(), pid);
    site.a.write("/etc/failover.toml", &configuration(200));
    site.a.sh("systemctl reload failover");
}

/// Others take the address away, and it is back before anybody could notice.
fn others(site: &Site) {
    let watch = Absence::watch(&site.a.space, site.address);
    let served = site.nothing_moves(|| {
        site.a.sh("ip address del 192.0.2.50/24 dev eth0");
        // It takes away again what is put back, and may fail for that.
        site.a.try_sh("ip address flush dev eth0 to 192.0.2.50");
    });
    let away = watch.stop();
    assert!(away.len() > 1 && away.iter().all(|away| *away < BACK * 10), "{away:?}");
    assert!(served.lost <= HICCUP, "{served:?}");
}

/// All addresses of the link go, the host's own, too, and that one is put back, as a network manager does it that configures
/// the interface anew. The last time the kernel promotes no secondaries, and stays so for all that follows: the host's own
/// address must outlive each hand-over.
fn flushed(site: &Site) {
    for promote in ["1", "0"] {
        site.lab.a.space.sysctl("ipv4/conf/eth0/promote_secondaries", promote);
        let watch = Absence::watch(&site.a.space, site.address);
        let served = site.nothing_moves(|| {
            for _ in 0..3 {
                site.a.sh("ip -4 address flush dev eth0; ip address add 192.0.2.1/24 dev eth0");
                wait("it is back", LIMIT, || site.lab.a.serves(site.address).then_some(()));
            }
        });
        let away = watch.stop();
        assert!(away.len() > 2 && away.iter().all(|away| *away < BACK * 10), "{away:?}");
        println!("{} requests lost while all addresses were flushed three times", served.lost);
        assert!(served.lost <= HICCUP * 3, "{served:?}");
        own_address_is_first(&site.a);
    }
}

/// The host connects from its own address, which does not go with the virtual one.
fn own_address_is_first(machine: &Machine) {
    let shown = machine.sh("ip -4 -oneline address show dev eth0");
    let first = shown.lines().find(|line| !line.contains("secondary")).expect("an address");
    assert!(first.contains("192.0.2.1/24"), "{shown}");
}

/// SIGKILL, and systemd starts it again: nobody notices.
fn killed(site: &Site) {
    let pid = site.a.pid();
    let served = site.nothing_moves(|| {
        site.a.sh("systemctl kill --signal=KILL failover");
        wait("it is back", LIMIT, || {
            let new = site.a.pid();
            (new != 0 && new != pid).then_some(())
        });
    });
    assert!(served.lost <= HICCUP, "{served:?}");
}

/// An agent that hangs is ended by the watchdog and started again; meanwhile the other takes over, for it is too late.
fn hung(site: &Site) {
    let (start, pid) = (now(), site.a.pid());
    site.a.sh("systemctl kill --signal=STOP failover");
    wait("it is started again", LIMIT, || {
        let new = site.a.pid();
        (new != 0 && new != pid).then_some(())
    });
    println!("started again after {:?}", now().saturating_sub(start));
    let journal = site.a.sh("journalctl --output=cat --unit=failover.service");
    assert!(journal.contains("Watchdog timeout"), "{journal}");
    site.held_by_a();
}

/// The other takes over without a gap, and gives way without a gap.
fn restarted(site: &Site) {
    let served = site.served(|| {
        site.a.sh("systemctl restart failover");
        site.held_by_a();
    });
    assert!(served.lost <= HICCUP, "{served:?}");
}

fn stopped(site: &Site) {
    let served = site.served(|| {
        site.a.sh("systemctl stop failover");
        assert!(!site.a.holds(), "left after the stop");
        own_address_is_first(&site.a);
        site.held_by_b();
    });
    assert!(served.lost <= HICCUP, "{served:?}");
    assert_eq!(target(&site.a), "inactive");
    wait("the role is with the other", LIMIT, || (target(&site.b) == "active").then_some(()));
    site.a.sh("systemctl start failover");
    site.held_by_a();
}

fn upgraded(site: &Site) {
    let [_, later] = packages();
    let pid = site.a.pid();
    let served = site.served(|| {
        site.a.apt_install(&later.deb, "");
        assert_ne!(site.a.pid(), pid);
        site.held_by_a();
    });
    assert!(served.lost <= HICCUP, "{served:?}");
}

/// Drained, it stays so across a reboot.
fn drained(site: &mut Site) {
    let served = site.served(|| {
        site.a.sh("failover drain web --wait");
        assert!(site.lab.b.serves(site.address), "the successor is in place");
        site.held_by_b();
    });
    assert!(served.lost <= HICCUP, "{served:?}");
    site.a.reboot();
    // These hosts boot no further than basic.target.
    assert_eq!(site.a.sh("systemctl is-enabled failover"), "enabled");
    site.a.sh("systemctl start failover");
    wait("the agent is back", LIMIT, || web(&site.a).map(drop));
    assert!(web(&site.a).is_some_and(|web| web.drained), "forgotten over the reboot");
    look_on();
    site.held_by_b();
    let served = site.served(|| {
        site.a.sh("failover undrain web");
        site.held_by_a();
    });
    assert!(served.lost <= HICCUP, "{served:?}");
}

/// SIGKILL without anybody to start it again: the address goes by itself, and the client is served.
fn killed_for_good(site: &Site) {
    let start = now();
    let served = site.served(|| {
        site.a.is_left_dead();
        wait("the address is gone", LEASE, || (!site.a.holds()).then_some(()));
        println!("gone after {:?}", now().saturating_sub(start));
        site.held_by_b();
    });
    assert!(served.lost <= HICCUP, "{served:?}");
    site.a.sh("systemctl start failover");
    site.held_by_a();
}

/// What is removed hands over, too.
fn removed(site: &Site) {
    let served = site.served(|| {
        site.a.sh("apt-get purge -y failover");
        assert!(!site.a.holds(), "a removal leaves no address");
        site.held_by_b();
    });
    assert!(served.lost <= HICCUP, "{served:?}");
    site.b.sh("apt-get purge -y failover");
    assert!(!site.b.holds(), "a removal leaves no address");
}
