//! TCP, plain and with TLS, by haproxy and a server that speaks a little of redis.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::stage::{SERVER, Stage};

/// Answers PING as redis does, and complains of everything else.
fn redis(stage: &Stage) {
    let listener = stage.server.run(|| TcpListener::bind((SERVER, 6379)).unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().filter_map(Result::ok) {
            let mut asked = [0; 64];
            let length = stream.read(&mut asked).unwrap_or(0);
            let answer: &[u8] =
                if &asked[..length] == b"PING\r\n" { b"+PONG\r\n" } else { b"-NOAUTH hunter2\r\n" };
            let _ = stream.write_all(answer);
            // Waits for the other side, as redis does.
            let _ = stream.read(&mut asked);
        }
    });
}

#[test]
fn an_expected_answer_passes_plain_and_over_tls() {
    let mut stage = Stage::new();
    stage.authority("ours");
    stage.certificate("good", "ours", "IP:192.0.2.1", (2020, 2049));
    stage.certificate("client", "ours", "DNS:client", (2020, 2049));
    redis(&stage);
    let (both, ours) = (stage.path("good.both"), stage.path("ours.pem"));
    let sections = format!(
        "listen plain\nmode tcp\nbind {SERVER}:7000\nserver a {SERVER}:6379\n\
         listen tls\nmode tcp\nbind {SERVER}:7001 ssl crt {both}\nserver a {SERVER}:6379\n\
         listen strict\nmode tcp\nbind {SERVER}:7002 ssl crt {both} ca-file {ours} verify required\nserver a {SERVER}:6379\n\
         listen down\nmode http\nbind {SERVER}:7003\nhttp-request return status 503\n"
    );
    stage.haproxy(&sections, 7000);
    let ping = "send = \"PING\\r\\n\", expect = \"+PONG\"";
    let tcp = |port: u16, keys: &str| format!("tcp = {{ address = \"{SERVER}:{port}\"{keys} }}");
    stage.expect(&tcp(6379, &format!(", {ping}")), 0, "the expected answer");
    stage.expect(&tcp(7000, &format!(", {ping}")), 0, "the expected answer");
    stage.expect(&tcp(7000, ""), 0, "connected");
    stage.expect(&tcp(7999, ""), 1, "connection refused by 192.0.2.1:7999");
    assert_eq!(stage.time_wait(), 0);
    let ca = format!("ca_file = \"{ours}\"");
    stage.expect(&tcp(7001, &format!(", {ping}, tls = {{ {ca} }}")), 0, "the expected answer");
    stage.expect(&tcp(7001, &format!(", tls = {{ {ca} }}")), 0, "connected");
    stage.expect(&tcp(7001, ", tls = {}"), 1, "the certificate is signed by nobody who is trusted");
    stage.expect(&tcp(7000, ", tls = {}, send = \"x\""), 1, "the server does not speak TLS here");
    let strict = format!(", {ping}, tls = {{ {ca} }}");
    stage.expect(&tcp(7002, &strict), 1, "the server refused TLS: it wants a client certificate");
    let (cert, key) = (stage.path("client.pem"), stage.path("client.key"));
    let shown = format!(", {ping}, tls = {{ {ca}, client_cert = \"{cert}\", client_key = \"{key}\" }}");
    stage.expect(&tcp(7002, &shown), 0, "the expected answer");
    stage.expect(&format!("http = {{ url = \"http://{SERVER}:7003/\" }}"), 1, "status 503, wanted 200-299");

    let said = stage
        .probe(&format!("{}\n", tcp(6379, ", send = \"hunter2\", expect = \"+PONG\"")).replace("3s", "1s"));
    assert!(said.code == 1 && !said.out.contains("hunter2"), "{said:?}");
    assert!(
        said.out.contains("no answer within 3 s (match: after 17 bytes without what is expected)"),
        "{said:?}"
    );
}
