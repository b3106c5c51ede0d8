//! What checks, tracking, commands, units and groups become: the legal values, with every default.

use std::time::Duration;

use failover::config;
use failover::config::model::{
    CheckConfig, Endpoint, FileWant, Host, Initial, Probe, ProcessProbe, StatusRange, Track, UnitState,
};

use super::{read, root, secret, whole};

fn every_check() -> config::Config {
    read(&root().join("tests/config/every-check.toml")).unwrap().config
}

/// The one check of a configuration that has `probe` and nothing else that matters.
fn check(probe: &str) -> CheckConfig {
    let config = whole(&format!("[check.one]\n{probe}\n"));
    config.checks.into_values().next().unwrap()
}

fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint { host: Host::Address(host.parse().unwrap()), port }
}

#[test]
fn a_check_has_the_documented_defaults() {
    let polled = check("tcp = { address = \"db:5432\" }");
    assert_eq!((polled.interval, polled.timeout), (Duration::from_secs(1), Duration::from_secs(1)));
    assert_eq!((polled.fall, polled.rise, polled.initial), (3, 2, Initial::Unknown));
    let flap = polled.flap.unwrap();
    assert_eq!((flap.changes, flap.within), (6, Duration::from_mins(2)));
    assert_eq!((flap.hold, flap.max_hold), (Duration::from_secs(10), Duration::from_mins(5)));
    assert_eq!(check("tcp = { address = \"db:5432\" }\nflap = { changes = 0 }").flap, None);
    for probe in
        ["systemd = { unit = \"a.service\" }", "interface = { name = \"a\" }", "file = { path = \"/a\" }"]
    {
        let driven = check(probe);
        assert_eq!((driven.fall, driven.rise, driven.probe.driven()), (1, 1, true), "{probe}");
        assert_eq!(check(&format!("{probe}\nfall = 3\nrise = 2")).fall, 3, "{probe}");
    }
    let quick = check("interval = \"200ms\"\ntcp = { address = \"db:5432\" }");
    assert_eq!(quick.timeout, Duration::from_millis(200), "the time limit is at most the interval");
}

#[test]
fn an_http_probe_is_whole() {
    let Probe::Http(web) = &every_check().checks["web"].probe else { panic!("not http") };
    assert_eq!(web.url.path_and_query().unwrap().as_str(), "/health?full=1");
    assert_eq!(web.endpoint, endpoint("2001:db8::1", 8443));
    assert_eq!((web.method.as_str(), web.max_body, web.max_redirects), ("POST", 64 << 10, 3));
    let headers: Vec<&str> = web.headers.iter().map(|header| header.name.as_str()).collect();
    assert_eq!(headers, ["host", "authorization"]);
    assert!(web.headers.iter().all(|header| header.value.is_sensitive()));
    assert_eq!(web.status, [StatusRange { low: 200, high: 200 }, StatusRange { low: 204, high: 206 }]);
    assert!(web.status[1].contains(206) && !web.status[1].contains(207) && !web.status[1].contains(203));
    assert_eq!(web.body.as_ref().unwrap().0, "ping");
    assert_eq!(web.body_contains.as_ref().unwrap().0, "ok");
    assert!(web.body_regex.as_ref().unwrap().is_match(b"{\"status\": \"fine\"}"));
    let tls = web.tls.as_ref().unwrap();
    assert_eq!((tls.verify, tls.server_name.to_string().as_str()), (true, "www.example.net"));
    assert_eq!(tls.ca_file.as_ref().unwrap().to_str(), Some("/etc/ssl/ca.pem"));
    assert_eq!(tls.client.as_ref().unwrap().key.to_str(), Some("/etc/ssl/client.key"));
    assert!(!format!("{web:?}").contains("aHVudGVyOg"), "a credential is printed: {web:?}");

    let Probe::Http(plain) = check("http = { url = \"https://www.example.net/\" }").probe else {
        panic!("not http")
    };
    assert_eq!(plain.endpoint, Endpoint { host: Host::Name("www.example.net".to_owned()), port: 443 });
    assert_eq!(plain.status, [StatusRange { low: 200, high: 299 }]);
    assert_eq!((plain.method.as_str(), plain.max_body, plain.max_redirects), ("GET", 1 << 20, 0));
    assert!(plain.headers.is_empty() && plain.body.is_none() && plain.body_regex.is_none());
    let tls = plain.tls.unwrap();
    assert!(tls.verify && tls.ca_file.is_none() && tls.client.is_none());
    assert_eq!(tls.server_name, Host::Name("www.example.net".to_owned()));

    let probe =
        check("http = { url = \"http://www.example.net:81/\", connect_address = \"fe80::1%eth0\" }").probe;
    let Probe::Http(elsewhere) = probe else { panic!("not http") };
    assert_eq!((elsewhere.endpoint.host.to_string().as_str(), elsewhere.endpoint.port), ("fe80::1%eth0", 81));
    assert_eq!(elsewhere.tls, None);
}

#[test]
fn the_other_probes_are_whole() {
    let config = every_check();
    let probe = |name: &str| config.checks[name].probe.clone();
    let Probe::Systemd(unit) = probe("unit") else { panic!("not systemd") };
    assert_eq!((unit.unit.as_str(), unit.unit.suffix()), ("haproxy.service", "service"));
    assert_eq!(unit.states, [UnitState::Active]);
    let restarts = unit.max_restarts.unwrap();
    assert_eq!((restarts.count, restarts.within), (3, Duration::from_mins(10)));
    let Probe::Systemd(unit) = check("systemd = { unit = \"a.service\" }").probe else {
        panic!("not systemd")
    };
    assert_eq!((unit.states, unit.max_restarts), (vec![UnitState::Active, UnitState::Reloading], None));

    let Probe::Tcp(redis) = probe("redis") else { panic!("not tcp") };
    assert_eq!(redis.address, endpoint("127.0.0.1", 6379));
    assert_eq!((redis.send.unwrap().0.as_str(), redis.expect.unwrap().0.as_str()), ("PING\r\n", "+PONG"));
    assert_eq!(redis.tls.unwrap().server_name, Host::Address("127.0.0.1".parse().unwrap()));

    let Probe::Script(script) = probe("script") else { panic!("not script") };
    assert_eq!(script.command.program.to_str(), Some("/usr/local/bin/check"));
    assert_eq!((script.command.arguments, script.user.unwrap().as_str()), (vec!["-v".to_owned()], "web"));
    assert_eq!(script.env["LANG"].0, "C");

    assert!(matches!(probe("uplink"), Probe::Interface(name) if name.as_str() == "eth1"));
    let Probe::File(file) = probe("maintenance") else { panic!("not file") };
    assert_eq!((file.path.to_str(), file.expect), (Some("/run/maintenance"), FileWant::Absent));
    assert!(matches!(probe("load"), Probe::File(file) if file.expect == FileWant::Weight));
    assert_eq!(probe("daemon"), Probe::Process(ProcessProbe::Name("haproxy".to_owned())));
    assert_eq!(probe("pid"), Probe::Process(ProcessProbe::PidFile("/run/haproxy.pid".into())));
    let Probe::Ping(ping) = probe("gateway") else { panic!("not ping") };
    assert_eq!((ping.address.to_string().as_str(), ping.count, ping.min_replies), ("192.0.2.254", 3, 2));
    for (name, check) in &config.checks {
        let word = check.probe.word();
        let text = std::fs::read_to_string(root().join("tests/config/every-check.toml")).unwrap();
        let section = text.split(&format!("[check.{name}")).nth(1).unwrap();
        assert!(
            section.starts_with(&format!(".{word}]")) || section.contains(&format!("\n{word} = ")),
            "{name}"
        );
    }
}

#[test]
fn what_is_around_an_instance_and_a_group_is_whole() {
    let config = every_check();
    assert_eq!(config.agent.script_user.as_str(), "checks");
    assert_eq!(whole("").agent.script_user.as_str(), "failover-script");
    let web = &config.instances["web"];
    assert_eq!(web.track.len(), 10);
    assert_eq!(web.track["unit"], Track::Fault);
    assert_eq!(web.track["load"], Track::FileWeight);
    assert!(matches!(web.track["web"], Track::Weight(weight) if weight.number() == -20));
    let hooks = web.hooks.as_ref().unwrap();
    let notify = &hooks.notify;
    let programs = [&notify.master, &notify.backup, &notify.fault, &notify.stop, &notify.any];
    let programs: Vec<_> =
        programs.iter().map(|command| command.as_ref().unwrap().program.to_str()).collect();
    assert_eq!(programs, ["/bin/a", "/bin/b", "/bin/c", "/bin/d", "/bin/e"].map(Some));
    assert_eq!((notify.timeout, notify.is_empty()), (Duration::from_mins(1), false));
    let names = |units: &[config::model::UnitName]| {
        units.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let units = (names(&hooks.units.master), names(&hooks.units.backup), names(&hooks.units.fault));
    assert_eq!(
        units,
        ("floating.service".to_owned(), "standby.target".to_owned(), "alarm.service".to_owned())
    );

    let inside = &config.instances["inside"];
    assert!(inside.track.is_empty() && inside.hooks.is_none());
    let group = &config.groups["all"];
    assert_eq!(group.members, ["web", "inside"]);
    let hooks = group.hooks.as_ref().unwrap();
    assert!(hooks.notify.any.is_some() && hooks.notify.master.is_none());
    assert_eq!(hooks.notify.timeout, Duration::from_secs(30));
    assert_eq!(names(&hooks.units.master), "both.service");
}

#[test]
fn what_is_shown_of_checks_means_the_same_but_for_secrets() {
    let path = root().join("tests/config/every-check.toml");
    let quick = "[check.quick]\ninterval = \"200ms\"\nping = { address = \"192.0.2.1\" }\n";
    let text = std::fs::read_to_string(path).unwrap() + quick;
    let loaded = config::parse_with(&text, "test.toml", &mut secret).unwrap();
    let shown = loaded.show();
    for hidden in ["aHVudGVyOg", "PING", "\"C\"", "body = \"ping\""] {
        assert!(!shown.contains(hidden), "{hidden} in\n{shown}");
    }
    assert!(shown.contains("timeout = \"200ms\""), "{shown}");
    let again = whole(&shown);
    assert_eq!((again.instances, again.groups, again.agent), {
        let config = loaded.config.clone();
        (config.instances, config.groups, config.agent)
    });
    let rest = |check: &CheckConfig| {
        let CheckConfig { probe, interval, timeout, fall, rise, initial, flap } = check;
        (probe.word(), *interval, *timeout, (*fall, *rise), *initial, *flap)
    };
    assert_eq!(again.checks.len(), 11);
    for (name, check) in &loaded.config.checks {
        assert_eq!(rest(check), rest(&again.checks[name]), "{name}");
    }
    assert_eq!(again.checks["unit"], loaded.config.checks["unit"]);
    assert_eq!(again.checks["gateway"], loaded.config.checks["gateway"]);
}
