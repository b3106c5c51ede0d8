//! What the systemd probe says when something happens to a unit, to systemd or to the bus.

use std::time::Duration;

use failover::bus::Bus;
use failover::health::outcome::Finding::{Failed, Passed, Unknown};
use failover::os::clock;

use crate::inside::{LASTING, next, on_a_host, only, probe, run, sh, sh_beside, unit, until};

#[test]
fn a_service_that_is_killed_fails_within_milliseconds() {
    on_a_host("probe::a_service_that_is_killed_fails_within_milliseconds", async {
        unit("app.service", LASTING);
        unit("app@.service", LASTING);
        sh("systemctl daemon-reload; systemctl start app.service");
        let mut probe = probe(&Bus::default(), "unit = \"app.service\"");
        assert_eq!(run(&mut probe).await, (Passed, "active (running)".to_owned()));
        let mut took = Vec::new();
        for _ in 0..20 {
            let pid: i32 = sh("systemctl show -P MainPID app.service").parse().expect("a process id");
            let began = clock::now();
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
                .expect("kill");
            let outcome = next(&mut probe).await;
            took.push(clock::now().since(began));
            assert_eq!(outcome.finding, Failed);
            if outcome.text != "failed (signal)" {
                // The reason may follow.
                assert_eq!(outcome.text, "failed (failed)");
                until(&mut probe, Failed, "failed (signal)").await;
            }
            sh("systemctl reset-failed app.service; systemctl start app.service");
            until(&mut probe, Passed, "active (running)").await;
        }
        // One that failed before anybody watched: the reason has to be asked for.
        sh("systemctl start app@a.service; systemctl kill -s KILL app@a.service");
        let mut other = self::probe(&Bus::default(), "unit = \"app@a.service\"");
        assert_eq!(run(&mut other).await, (Failed, "failed (signal)".to_owned()));
        took.sort();
        println!("killed to told: median {:?}, longest {:?}", took[10], took[19]);
        assert!(took[10] < Duration::from_millis(50), "{took:?}");
        sh("systemctl stop app.service");
        until(&mut probe, Failed, "inactive (dead)").await;
        assert_eq!(run(&mut probe).await, (Failed, "inactive (dead)".to_owned()));
    });
}

#[test]
fn a_service_that_is_restarted_fails_until_it_runs_again() {
    on_a_host("probe::a_service_that_is_restarted_fails_until_it_runs_again", async {
        unit("app.service", &format!("{LASTING}Restart=always\nRestartSec=300ms\n"));
        sh("systemctl daemon-reload; systemctl start app.service");
        let mut probe = probe(&Bus::default(), "unit = \"app.service\"");
        run(&mut probe).await;
        sh("systemctl kill -s KILL app.service");
        until(&mut probe, Failed, "activating (auto-restart)").await;
        until(&mut probe, Passed, "active (running)").await;
    });
}

#[test]
fn a_service_that_crashes_again_and_again_fails_while_it_runs() {
    on_a_host("probe::a_service_that_crashes_again_and_again_fails_while_it_runs", async {
        let unit_text = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c 'test -e /run/calm || exec sleep 0.2; \
                         exec sleep infinity'\nRestart=always\nRestartSec=50ms\n";
        unit("app.service", unit_text);
        sh("systemctl daemon-reload; systemctl start app.service");
        let bound = "unit = \"app.service\", max_restarts = { count = 2, within = \"3s\" }";
        let mut probe = probe(&Bus::default(), bound);
        run(&mut probe).await;
        until(&mut probe, Failed, "active (running), restarted more than 2 times within 3s").await;
        sh("touch /run/calm");
        until(&mut probe, Passed, "active (running)").await;
        sh("rm /run/calm; systemctl kill -s KILL app.service");
        until(&mut probe, Failed, "restarted more than 2 times within 3s").await;
        // A start by hand begins anew.
        sh("touch /run/calm; systemctl restart app.service");
        until(&mut probe, Passed, "active (running)").await;
        assert_eq!(run(&mut probe).await, (Passed, "active (running)".to_owned()));
    });
}

#[test]
fn a_unit_that_does_not_exist_fails_until_it_does_and_runs() {
    on_a_host("probe::a_unit_that_does_not_exist_fails_until_it_does_and_runs", async {
        let mut probe = probe(&Bus::default(), "unit = \"app.service\"");
        assert_eq!(run(&mut probe).await, (Failed, "unit app.service does not exist".to_owned()));
        only(&mut probe, Failed, Duration::from_millis(300)).await;
        unit("app.service", LASTING);
        sh("systemctl daemon-reload");
        until(&mut probe, Failed, "inactive (dead)").await;
        sh("systemctl start app.service");
        until(&mut probe, Passed, "active (running)").await;
        sh("systemctl stop app.service; rm /etc/systemd/system/app.service; systemctl daemon-reload");
        until(&mut probe, Failed, "does not exist").await;
        // One that exists only while it runs.
        sh("systemd-run --unit=app.service sleep infinity");
        until(&mut probe, Passed, "active (running)").await;
        sh("systemctl stop app.service");
        until(&mut probe, Failed, "").await;
        // That it is gone and not at rest only is for the next look to say.
        assert_eq!(run(&mut probe).await, (Failed, "unit app.service does not exist".to_owned()));
    });
}

#[test]
fn reloads_are_no_false_alarm() {
    on_a_host("probe::reloads_are_no_false_alarm", async {
        unit("app.service", &format!("{LASTING}ExecReload=/bin/sleep 0.3\n"));
        sh("systemctl daemon-reload; systemctl start app.service");
        let mut probe = probe(&Bus::default(), "unit = \"app.service\"");
        run(&mut probe).await;
        let beside = tokio::task::spawn_local(async {
            for what in [
                "reload app.service",
                "daemon-reload",
                "daemon-reload",
                "daemon-reexec",
                "reload app.service",
            ] {
                sh_beside(&format!("systemctl {what}")).await;
                // Between the requests the probe may hear what it will.
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        });
        only(&mut probe, Passed, Duration::from_secs(5)).await;
        beside.await.expect("reloads");
        assert_eq!(run(&mut probe).await, (Passed, "active (running)".to_owned()));
        // After all that it still hears.
        sh("systemctl stop app.service");
        until(&mut probe, Failed, "inactive (dead)").await;
        sh("systemctl start app.service");
        until(&mut probe, Passed, "active (running)").await;
    });
}

#[test]
fn a_bus_that_is_away_is_unknown_after_a_grace() {
    on_a_host("probe::a_bus_that_is_away_is_unknown_after_a_grace", async {
        unit("app.service", LASTING);
        sh("systemctl daemon-reload; systemctl start app.service");
        let mut probe = probe(&Bus::default(), "unit = \"app.service\"");
        run(&mut probe).await;
        // Killed and started again at once.
        sh("systemctl kill -s KILL dbus.service; systemctl restart dbus.socket dbus.service");
        only(&mut probe, Passed, Duration::from_secs(4)).await;
        assert_eq!(run(&mut probe).await.0, Passed);
        let began = clock::now();
        sh("systemctl stop dbus.socket dbus.service");
        assert_eq!(run(&mut probe).await, (Passed, "active (running)".to_owned()), "within the grace");
        let outcome = next(&mut probe).await;
        let took = clock::now().since(began);
        assert_eq!(outcome.finding, Unknown);
        assert!(outcome.text.starts_with("systemd cannot be asked for 3 s: "), "{}", outcome.text);
        assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(5), "{took:?}");
        assert_eq!(run(&mut probe).await.0, Unknown);
        // What happens meanwhile is known as soon as the bus is back.
        sh("systemctl stop app.service; systemctl start dbus.socket");
        until(&mut probe, Failed, "inactive (dead)").await;
    });
}

#[test]
fn units_of_every_kind() {
    on_a_host("probe::units_of_every_kind", async {
        unit("app@.service", LASTING);
        unit(
            "app.service",
            &format!("{LASTING}[Install]\nAlias=other.service\nWantedBy=multi-user.target\n"),
        );
        unit("app.timer", "[Timer]\nOnActiveSec=1h\n");
        unit("app.socket", "[Socket]\nListenStream=/run/app.sock\n");
        unit("app.target", "[Unit]\nDescription=a target\n");
        unit("mnt.mount", "[Mount]\nWhat=tmpfs\nWhere=/mnt\nType=tmpfs\n");
        sh("systemctl daemon-reload; systemctl enable app.service");
        for (name, started) in [
            ("app@a.service", "active (running)"),
            ("app.timer", "active (waiting)"),
            ("app.socket", "active (listening)"),
            ("app.target", "active (active)"),
            ("mnt.mount", "active (mounted)"),
            ("other.service", "active (running)"),
        ] {
            let mut probe = probe(&Bus::default(), &format!("unit = \"{name}\""));
            assert_eq!(run(&mut probe).await, (Failed, "inactive (dead)".to_owned()), "{name}");
            let real = if name == "other.service" { "app.service" } else { name };
            sh(&format!("systemctl start {real}"));
            until(&mut probe, Passed, started).await;
            sh(&format!("systemctl stop {real}"));
            until(&mut probe, Failed, "inactive (dead)").await;
        }
        sh("systemctl mask app@b.service; systemctl start app@a.service");
        let mut masked = probe(&Bus::default(), "unit = \"app@b.service\"");
        assert_eq!(run(&mut masked).await, (Failed, "inactive (dead), masked".to_owned()));
        let mut inactive = probe(&Bus::default(), "unit = \"app@a.service\", states = [\"inactive\"]");
        assert_eq!(run(&mut inactive).await, (Failed, "active (running)".to_owned()));
        sh("systemctl stop app@a.service");
        until(&mut inactive, Passed, "inactive (dead)").await;
    });
}
