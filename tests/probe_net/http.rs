//! HTTP and HTTPS, by nginx.

use std::fs;

use crate::stage::{SERVER, SERVER_V6, Stage};

const ALWAYS: (u16, u16) = (2020, 2049);

/// A server of nginx for TLS with the certificate `name`.
fn tls(stage: &Stage, port: u16, name: &str, more: &str) -> String {
    let at = stage.directory.display();
    format!(
        "server {{ listen {port} ssl; ssl_certificate {at}/{name}.pem; ssl_certificate_key {at}/{name}.key; {more} \
         location / {{ return 200 \"secret $ssl_client_s_dn.\"; }} }}\n"
    )
}

#[test]
fn statuses_bodies_and_redirects() {
    let mut stage = Stage::new();
    let servers = "server { listen 80; listen [::]:80; \
        location = /health { return 200 \"state: fine\\n\"; } location = /bad { return 503; } \
        location = /old { return 301 /health; } location = /loop { return 302 /loop; } \
        location = /away { return 302 http://localhost:81/; } \
        location = /host { return 200 \"you asked $host\"; } location = /post { return 200 \"$request_method\"; } }";
    stage.nginx(servers, 80);
    let http = |path: &str, keys: &str| format!("http = {{ url = \"http://{SERVER}/{path}\"{keys} }}");
    stage.expect(&http("health", ""), 0, "status 200");
    stage.expect(&format!("http = {{ url = \"http://[{SERVER_V6}]/health\" }}"), 0, "status 200");
    stage.expect(&http("bad", ""), 1, "status 503, wanted 200-299");
    stage.expect(&http("bad", ", status = [503]"), 0, "status 503");
    stage.expect(&http("old", ""), 1, "status 301, wanted 200-299");
    stage.expect(&http("old", ", max_redirects = 1"), 0, "status 200");
    stage.expect(&http("loop", ", max_redirects = 3"), 1, "more than 3 redirects");
    let away = "connection refused by 127.0.0.1:81";
    let said = stage.probe(&http("away", ", max_redirects = 1"));
    assert!(said.code == 1 && said.out.contains(away), "{said:?}");
    stage.expect(&http("health", ", body_contains = \"fine\""), 0, "status 200, the body is as wanted");
    stage.expect(
        &http("health", ", body_regex = \"^state: (fine|well)\\n$\"").replace("\\n", "\\\\n"),
        0,
        "status 200, the body is as wanted",
    );
    let text = "status 200, but the body of 12 bytes does not contain the text that is wanted";
    stage.expect(&http("health", ", body_contains = \"bad\""), 1, text);
    let host = ", headers = { Host = \"www.example.net\" }, body_contains = \"you asked www.example.net\"";
    stage.expect(&http("host", host), 0, "status 200, the body is as wanted");
    let post = ", method = \"POST\", body = \"x\", body_contains = \"POST\"";
    stage.expect(&http("post", post), 0, "status 200, the body is as wanted");
    stage.expect(&http("health", ", method = \"HEAD\""), 0, "status 200");
    // By the link-local address of the server, behind an interface.
    let local = "http = { url = \"http://www.example.net/host\", connect_address = \"[fe80::1%eth0]\", \
        body_contains = \"you asked www.example.net\" }";
    stage.expect(local, 0, "status 200, the body is as wanted");
    assert_eq!(stage.time_wait(), 0);
    let said = stage.probe(&http("health", ""));
    let steps: Vec<&str> = said.out.lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(steps[..4], ["connect", "send", "first byte", "head"], "{said:?}");
    stage.expect("http = { url = \"http://192.0.2.1:81/\" }", 1, "connection refused by 192.0.2.1:81");
}

#[test]
fn a_certificate_is_refused_for_what_is_wrong_with_it() {
    let mut stage = Stage::new();
    stage.authority("ours");
    stage.authority("theirs");
    let names = "DNS:www.example.net,IP:192.0.2.1";
    stage.certificate("good", "ours", names, ALWAYS);
    stage.certificate("expired", "ours", names, (2020, 2021));
    stage.certificate("early", "ours", names, (2040, 2049));
    stage.certificate("other", "ours", "DNS:mail.example.net", ALWAYS);
    stage.certificate("stranger", "theirs", names, ALWAYS);
    stage.certificate("client", "ours", "DNS:client.example.net", ALWAYS);
    let wants_client =
        format!("ssl_verify_client on; ssl_client_certificate {}/ours.pem;", stage.directory.display());
    let servers = [
        tls(&stage, 443, "good", ""),
        tls(&stage, 444, "expired", ""),
        tls(&stage, 445, "early", ""),
        tls(&stage, 446, "other", ""),
        tls(&stage, 447, "stranger", ""),
        tls(&stage, 448, "good", &wants_client),
        tls(&stage, 449, "good", "ssl_protocols TLSv1.2;"),
        format!("server {{ listen 80; return 302 https://{SERVER}/; }}\n"),
    ];
    stage.nginx(&servers.concat(), 443);
    let ca = format!("ca_file = \"{}\"", stage.path("ours.pem"));
    let https =
        |port: u16, tls: &str| format!("http = {{ url = \"https://{SERVER}:{port}/\", tls = {{ {tls} }} }}");
    stage.expect(&https(443, &ca), 0, "status 200");
    stage.expect(&https(449, &ca), 0, "status 200");
    stage.expect(&https(444, &ca), 1, "the certificate expired at 2021-01-01T00:00:00Z");
    stage.expect(&https(445, &ca), 1, "the certificate is not valid before 2040-01-01T00:00:00Z");
    stage.expect(&https(446, &ca), 1, "the certificate is not for 192.0.2.1, but for mail.example.net");
    stage.expect(&https(446, &format!("{ca}, server_name = \"mail.example.net\"")), 0, "status 200");
    stage.expect(&https(447, &ca), 1, "the certificate is signed by nobody who is trusted");
    for port in [444, 445, 446, 447] {
        stage.expect(&https(port, "verify = false"), 0, "status 200");
    }
    let by_name = format!(
        "http = {{ url = \"https://www.example.net/\", connect_address = \"{SERVER}\", tls = {{ {ca} }} }}"
    );
    stage.expect(&by_name, 0, "status 200");
    stage.expect(&https(448, &ca), 1, "status 400, wanted 200-299");
    let (cert, key) = (stage.path("client.pem"), stage.path("client.key"));
    let shown = format!("{ca}, client_cert = \"{cert}\", client_key = \"{key}\"");
    stage.expect(&https(448, &shown), 0, "status 200");
    let both = stage.path("client.both");
    let in_one = format!("{ca}, client_cert = \"{both}\", client_key = \"{both}\"");
    stage.expect(&https(448, &in_one), 0, "status 200");
    files_that_cannot_be_used(&stage, &https, &ca);
    // From http to https, which is nobody's that this system knows.
    let up = format!("http = {{ url = \"http://{SERVER}/\", max_redirects = 1 }}");
    stage.expect(&up, 1, "the certificate is signed by nobody who is trusted");
}

fn files_that_cannot_be_used(stage: &Stage, https: &dyn Fn(u16, &str) -> String, ca: &str) {
    let (cert, key, empty) =
        (stage.path("client.pem"), stage.path("client.key"), stage.file("empty", "nothing\n"));
    let client = |cert: &str, key: &str| format!("{ca}, client_cert = \"{cert}\", client_key = \"{key}\"");
    let fails = |tls: &str, text: &str| stage.expect(&https(448, tls), 1, text);
    fails(&client(&cert, &stage.path("good.key")), "the client's key does not belong to its certificate");
    fails(&client(&cert, &empty), &format!("there is no private key without a passphrase in {empty}"));
    fails(&client(&empty, &key), &format!("there is no certificate in {empty}"));
    fails("ca_file = \"/nowhere/ca.pem\"", "cannot read /nowhere/ca.pem: there is no such file");
    fails("ca_file = \"/dev/zero\"", "/dev/zero is no regular file");
    fails(&format!("ca_file = \"{empty}\""), &format!("there is no certificate in {empty}"));
    let broken = stage.file("broken", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    assert_eq!(stage.probe(&https(448, &format!("ca_file = \"{broken}\""))).code, 1);
    fs::remove_file(empty).unwrap();
}

#[test]
fn a_servers_own_certificate_may_be_listed_as_trusted() {
    let mut stage = Stage::new();
    stage.self_signed("own", "IP:192.0.2.1", "30");
    stage.self_signed("twin", "IP:192.0.2.1", "30");
    stage.self_signed("named", "DNS:mail.example.net", "30");
    stage.nginx(&[tls(&stage, 443, "own", ""), tls(&stage, 444, "named", "")].concat(), 443);
    let https = |port: u16, file: &str| {
        let file = stage.path(file);
        format!("http = {{ url = \"https://{SERVER}:{port}/\", tls = {{ ca_file = \"{file}\" }} }}")
    };
    stage.expect(&https(443, "own.pem"), 0, "status 200");
    let authority = "the certificate is an authority's (CA:TRUE), not a server's";
    stage.expect(&https(443, "twin.pem"), 1, authority);
    stage.expect(
        &https(444, "named.pem"),
        1,
        "the certificate is not for 192.0.2.1, but for mail.example.net",
    );
}
