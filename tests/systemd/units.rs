//! Units of states and role targets: what systemd does when states are entered.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use failover::agent::message::{Entered, Whose};
use failover::agent::snapshot::VrState;
use failover::agent::snapshot::VrState::{Backup, Init, Master};
use failover::bus::Bus;
use failover::hook::units::{UnitDone, UnitOutcome, Units, role_target};
use failover::os::clock;

use crate::inside::{LASTING, SOON, config, on_a_host, sh, unit};

struct Rig {
    units: Units,
    done: Rc<RefCell<Vec<UnitDone>>>,
    hooks: Option<Arc<failover::config::model::Hooks>>,
}

impl Rig {
    fn new(units: &str) -> Self {
        let done = Rc::new(RefCell::new(Vec::new()));
        let tell = Rc::clone(&done);
        let config = config(&format!("units = {{ {units} }}\n"));
        let units = Units::new(&Bus::default(), move |value| {
            println!("{value:?}");
            tell.borrow_mut().push(value);
        });
        Rig { units, done, hooks: config.instances["web"].hooks.clone() }
    }

    fn enter(&self, name: &str, state: VrState, leaving: bool) {
        self.units.entered(Entered {
            whose: Whose::Instance,
            name: Arc::from(name),
            previous: Init,
            state,
            leaving,
            priority: 100,
            reason: Arc::from("a test"),
            hooks: self.hooks.clone(),
        });
    }

    /// Waits until `unit` is in `state`.
    async fn is(&self, unit: &str, state: &str) {
        let end = clock::now().after(SOON);
        loop {
            let now = sh(&format!("systemctl is-active '{unit}' || true"));
            if now == state {
                return;
            }
            assert!(clock::now() < end, "{unit} is {now}, not {state}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The failure that is told of `unit`.
    async fn failure(&self, unit: &str) -> String {
        let end = clock::now().after(SOON);
        loop {
            let found = self.done.borrow().iter().find_map(|done| match &done.outcome {
                UnitOutcome::Failed { why, .. } if done.unit == unit => Some(why.clone()),
                UnitOutcome::Failed { .. } | UnitOutcome::Done | UnitOutcome::NotInstalled => None,
            });
            match found {
                Some(why) => return why,
                None => assert!(clock::now() < end, "no failure of {unit}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[test]
fn units_follow_the_state_and_stop_at_the_end() {
    on_a_host("units::units_follow_the_state_and_stop_at_the_end", async {
        for name in ["m.service", "b.service", "both.service"] {
            unit(name, LASTING);
        }
        // A crash left one running that another state names.
        sh("systemctl daemon-reload; systemctl start m.service");
        let rig = Rig::new(
            "master = [\"m.service\", \"both.service\"], backup = [\"b.service\", \"both.service\"]",
        );
        rig.enter("web", Backup, false);
        rig.is("b.service", "active").await;
        rig.is("both.service", "active").await;
        rig.is("m.service", "inactive").await;
        let pid = sh("systemctl show -P MainPID both.service");
        rig.enter("web", Master, false);
        rig.is("m.service", "active").await;
        rig.is("b.service", "inactive").await;
        assert_eq!(sh("systemctl show -P MainPID both.service"), pid, "it goes on running");
        rig.enter("web", Init, true);
        assert_eq!(rig.units.finish(Duration::from_secs(10)).await, Vec::<String>::new());
        for name in ["m.service", "b.service", "both.service"] {
            assert_eq!(sh(&format!("systemctl is-active {name} || true")), "inactive");
        }
    });
}

#[test]
fn a_state_entered_while_the_bus_is_away_is_applied_when_it_is_back() {
    on_a_host("units::a_state_entered_while_the_bus_is_away_is_applied_when_it_is_back", async {
        unit("m.service", LASTING);
        unit("b.service", LASTING);
        sh("systemctl daemon-reload");
        let rig = Rig::new("master = [\"m.service\"], backup = [\"b.service\"]");
        rig.enter("web", Backup, false);
        rig.is("b.service", "active").await;
        sh("systemctl stop dbus.socket dbus.service");
        rig.enter("web", Master, false);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(sh("systemctl is-active b.service || true"), "active");
        sh("systemctl start dbus.socket");
        rig.is("m.service", "active").await;
        rig.is("b.service", "inactive").await;
        // systemd executed afresh: nothing moves, and it still obeys.
        sh("systemctl daemon-reexec");
        rig.enter("web", Backup, false);
        rig.is("b.service", "active").await;
        rig.is("m.service", "inactive").await;
        // At the end, one that does not come back is waited for a moment only.
        sh("systemctl stop dbus.socket dbus.service");
        let began = clock::now();
        let left = rig.units.finish(Duration::from_secs(30)).await;
        assert!(left.contains(&"b.service".to_owned()), "{left:?}");
        let took = clock::now().since(began);
        assert!(took < Duration::from_secs(10), "{took:?}");
    });
}

#[test]
fn a_start_that_hangs_is_replaced_and_a_failure_is_told() {
    on_a_host("units::a_start_that_hangs_is_replaced_and_a_failure_is_told", async {
        unit("slow.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\n");
        unit("bad.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n");
        unit("b.service", LASTING);
        sh("systemctl daemon-reload");
        let rig = Rig::new(
            "master = [\"bad.service\", \"none.service\", \"slow.service\"], backup = [\"b.service\"]",
        );
        rig.enter("web", Master, false);
        rig.is("slow.service", "activating").await;
        assert_eq!(rig.failure("bad.service").await, "the job failed");
        assert!(rig.failure("none.service").await.contains("not found"));
        rig.enter("web", Backup, false);
        // That is what systemd calls a start which was not let finish.
        rig.is("slow.service", "failed").await;
        rig.is("b.service", "active").await;
        let began = clock::now();
        rig.enter("web", Init, true);
        assert!(rig.units.finish(Duration::from_secs(10)).await.is_empty());
        println!("all stopped in {:?}", clock::now().since(began));
    });
}

#[test]
fn role_targets_take_their_units_along() {
    on_a_host("units::role_targets_take_their_units_along", async {
        // Without the target's unit nothing happens and nothing is complained of.
        let rig = Rig::new("");
        rig.enter("a-b.c", Master, false);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let outcomes: Vec<_> = rig.done.borrow().iter().map(|done| done.outcome.clone()).collect();
        assert_eq!(outcomes, [UnitOutcome::NotInstalled]);
        rig.enter("a-b.c", Backup, false);
        unit("failover-master@.target", include_str!("../../systemd/failover-master@.target"));
        let target = role_target("a-b.c");
        assert_eq!(target, format!("failover-master@{}.target", sh("systemd-escape a-b.c")));
        unit(
            "app.service",
            &format!("[Unit]\nPartOf={target}\nAfter={target}\n{LASTING}[Install]\nWantedBy={target}\n"),
        );
        sh("systemctl daemon-reload; systemctl enable app.service");
        rig.enter("a-b.c", Master, false);
        rig.is(&target, "active").await;
        rig.is("app.service", "active").await;
        rig.enter("a-b.c", Backup, false);
        rig.is(&target, "inactive").await;
        rig.is("app.service", "inactive").await;
    });
}
