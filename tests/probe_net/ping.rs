//! ICMP echo, with every privilege that does and the one that does not.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::stage::{SERVER, SERVER_V6, Said, Stage};

#[test]
fn who_answers_passes_and_who_does_not_fails() {
    let stage = Stage::new();
    for address in [SERVER, SERVER_V6, "fe80::1%eth0", "127.0.0.1", "::1"] {
        let text = format!("1 reply from {address}");
        stage.expect(&format!("ping = {{ address = \"{address}\" }}"), 0, &text);
    }
    let three = format!("ping = {{ address = \"{SERVER}\", count = 3, min_replies = 3 }}");
    stage.expect(&three, 0, "3 replies from 192.0.2.1");
    let silent = "ping = { address = \"192.0.2.9\", count = 2, min_replies = 1 }";
    let said = stage.probe(silent);
    assert!(said.code == 1, "{said:?}");
    // Neighbour discovery gives up after three seconds, about when the time is over.
    let (late, refused) =
        ("no answer within 3 s (reply: 0 of 2 came, 1 wanted)", "no reply from 192.0.2.9: ");
    assert!(said.out.contains(late) || said.out.contains(refused), "{said:?}");
    let nowhere = stage.probe("ping = { address = \"203.0.113.1\" }");
    assert_eq!(nowhere.verdict(), (1, "failed: no route to 203.0.113.1: Network is unreachable".to_owned()));
    let no_link = stage.probe("ping = { address = \"fe80::1%eth7\" }");
    assert_eq!(no_link.verdict(), (1, "failed: there is no interface eth7".to_owned()));
    // A host that drops requests is as silent as none.
    stage.server.sysctl("ipv4/icmp_echo_ignore_all", "1");
    let said = stage.probe(&format!("ping = {{ address = \"{SERVER}\" }}"));
    let text = "failed: no answer within 3 s (reply: 0 of 1 came, 1 wanted)";
    assert_eq!(said.verdict(), (1, text.to_owned()));
}

#[test]
fn without_privileges_it_takes_the_kernels_leave() {
    let stage = Stage::new();
    let program = stage.directory.join("failover");
    fs::copy(env!("CARGO_BIN_EXE_failover"), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = stage.checks(&format!("[check.x]\nping = {{ address = \"{SERVER}\" }}"));
    let nobody = |range: &str| {
        stage.client.sysctl("ipv4/ping_group_range", range);
        let drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"];
        let probe = ["--inh-caps=-all", "--", program.to_str().unwrap(), "probe", "x", &path];
        Said::of(&stage.client.command(&[&drop[..], &probe[..]].concat()).output().unwrap()).verdict()
    };
    assert_eq!(nobody("65534 65534"), (0, "passed: 1 reply from 192.0.2.1".to_owned()));
    let refused = "unknown: this user may not ping: it needs CAP_NET_RAW, \
        or a group in the range of net.ipv4.ping_group_range";
    assert_eq!(nobody("1 0"), (1, refused.to_owned()));
}
