//! Probes over the network against servers that do odd things, each a thread of the test on 127.0.0.1.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::config;
use crate::health::outcome::Finding;

/// What is in no text, whatever happens.
const SECRET: &str = "hunter2";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The outcome of the check whose table holds `text`.
fn outcome(text: &str) -> Outcome {
    let instance =
        "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.1/24\"]\n";
    let text = format!("[check.x]\ninterval = \"10s\"\n{text}\n{instance}track = {{ x = 1 }}\n");
    let loaded = config::parse_with(&text, "test", &mut |_| Err(config::SecretProblem::new("none")));
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let shared = Rc::new(Shared::new(loaded.config.agent.script_user.clone()));
    let outcome = runtime.block_on(Runner::new("x", &loaded.config.checks["x"], &shared).run());
    let all = format!("{outcome:?}");
    assert!(!all.contains(SECRET), "{all}");
    assert!(!outcome.text.chars().any(char::is_control), "{all}");
    outcome
}

/// A server that treats each connection by the next of `acts`, which gets what was asked first; and what was asked.
fn serve(acts: Vec<Act>) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for act in acts {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            let length = if act.0 { stream.read(&mut asked).unwrap_or(0) } else { 0 };
            let _ = sender.send(String::from_utf8_lossy(&asked[..length]).into_owned());
            (act.1)(stream);
        }
    });
    (port, receiver)
}

/// Whether something is read first, and what is done then.
struct Act(bool, Box<dyn FnOnce(TcpStream) + Send>);

/// Writes `text` and closes.
fn say(text: impl Into<String>) -> Act {
    let text = text.into();
    Act(true, Box::new(move |mut stream| drop(stream.write_all(text.as_bytes()))))
}

/// Writes `head`, then `piece` again and again until the other side has enough; `pause` in between.
fn endless(head: &'static str, piece: impl Into<String>, pause: u64) -> Act {
    let piece = piece.into();
    let act = move |mut stream: TcpStream| {
        let mut result = stream.write_all(head.as_bytes());
        while result.is_ok() {
            thread::park_timeout(Duration::from_millis(pause));
            result = stream.write_all(piece.as_bytes());
        }
    };
    Act(true, Box::new(act))
}

/// The outcome of an HTTP check with `keys` and a time limit of 400 ms at a server that does `act`, and the server.
fn http(keys: &str, act: Act) -> (Outcome, String) {
    let (port, _) = serve(vec![act]);
    let found = outcome(&format!(
        "timeout = \"400ms\"\nhttp = {{ url = \"http://127.0.0.1:{port}/a?{SECRET}\", {keys} }}"
    ));
    (found, format!("127.0.0.1:{port}"))
}

#[test]
fn limits_are_said_as_people_write_them() {
    let texts = [10, 999, 1000, 1500, 60_000].map(|limit| span(Duration::from_millis(limit)));
    assert_eq!(texts, ["10 ms", "999 ms", "1 s", "1.5 s", "60 s"]);
}

#[test]
fn odd_answers_fail_with_what_is_wrong_with_them() {
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let closed = "connection closed by SERVER before the head of an answer was whole";
    let long = "the head of the answer has more than 32 KiB or 200 headers";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhunter2\r\n\u{1b}[31m\r\n";
    for (keys, act, expected) in [
        ("", say("hello\r\n\r\n"), "the answer is not HTTP/1.1"),
        ("", say("\u{1b}[31m\0"), "the answer is not HTTP/1.1"),
        ("", say("HTTP/1.1 20 OK\r\n\r\n"), "the answer is not HTTP/1.1"),
        ("", say("HTTP/2 200 OK\r\n\r\n"), "the answer is not HTTP/1.1"),
        ("", say("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n"), "the answer is not HTTP/1.1"),
        ("", say(""), closed),
        ("", say("HTTP/1.1 200 OK\r\nA"), closed),
        ("", say(large), long),
        ("", endless("HTTP/1.1 200 OK\r\n", "A: b\r\n".repeat(100), 0), long),
        ("", endless("HTTP/1.1 200 OK\r\nA: ", "a".repeat(1000), 0), long),
        ("", say("HTTP/1.1 503 \u{7}hunter2\r\nContent-Length: 0\r\n\r\n"), "the answer is not HTTP/1.1"),
        ("", say("HTTP/1.1 503 hunter2\r\nContent-Length: 0\r\n\r\n"), "status 503, wanted 200-299"),
        ("status = [200, \"204-206\"]", say("HTTP/1.1 404 No\r\n\r\n"), "status 404, wanted 200, 204-206"),
        (
            "",
            say("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            "status 101, wanted 200-299",
        ),
        ("", say("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"), "status 302, wanted 200-299"),
        (
            "body_contains = \"hunter2\"",
            say(OK),
            "status 200, but the body of 2 bytes does not contain the text that is wanted",
        ),
        (
            "body_regex = \"^k\"",
            say(OK),
            "status 200, but the body of 2 bytes does not match the regular expression",
        ),
        (
            "max_body = \"1KiB\", body_regex = \"b\"",
            endless("HTTP/1.1 200 OK\r\n\r\n", "a".repeat(100), 0),
            "status 200, but the first 1024 bytes of the body does not match the regular expression",
        ),
        (
            "body_contains = \"x\"",
            say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
            "connection closed by SERVER before the end of the body",
        ),
        (
            "body_contains = \"x\"",
            say(chunked),
            "the body cannot be read: Invalid chunk size line: missing size digit",
        ),
        ("", endless("HTTP/1.1 2", "", 10), "no answer within 400 ms (head)"),
        ("", endless("", "", 10), "no answer within 400 ms (first byte)"),
        ("", endless("", "HTTP/1.1 100 Continue\r\n\r\n", 10), "no answer within 400 ms (head)"),
    ] {
        let (found, server) = http(keys, act);
        assert_eq!(
            (found.finding, found.text),
            (Finding::Failed, expected.replace("SERVER", &server)),
            "{keys}"
        );
    }
    let (slow, _) = http("body_regex = \"b\"", endless("HTTP/1.1 200 OK\r\n\r\n", "aaaa", 30));
    assert!(
        slow.text.starts_with("no answer within 400 ms (body: ") && slow.text.ends_with(" bytes)"),
        "{}",
        slow.text
    );
}

#[test]
fn what_is_as_wanted_passes_without_waiting_for_more() {
    let never = |head: &'static str| endless(head, "", 10);
    for (keys, act, expected) in [
        (
            "",
            say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 204 No\r\n\r\n"),
            "status 204",
        ),
        ("", say("HTTP/1.0 200 OK\r\n\r\n"), "status 200"),
        ("", never("HTTP/1.1 200 OK\r\n\r\nbody"), "status 200"),
        (
            "body_contains = \"hunter2\"",
            never("HTTP/1.1 200 OK\r\n\r\nxhunter2"),
            "status 200, the body is as wanted",
        ),
        ("body_contains = \"ok\", body_regex = \"^o.$\"", say(OK), "status 200, the body is as wanted"),
        ("method = \"HEAD\"", say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"), "status 200"),
        ("body_regex = \"a{70000}\"", say(format!("HTTP/1.1 200 OK\r\n\r\n{}", "a".repeat(70_000))), ""),
    ] {
        if expected.is_empty() {
            // A long body is matched elsewhere.
            let (found, _) = http("body_regex = \"^a+$\"", act);
            assert_eq!(found.text, "status 200, the body is as wanted");
            continue;
        }
        let (found, _) = http(keys, act);
        assert_eq!((found.finding, found.text.as_str()), (Finding::Passed, expected), "{keys}");
        assert!(found.took < Duration::from_millis(350), "{keys}: {:?}", found.took);
    }
}

#[test]
fn a_request_is_what_the_configuration_says() {
    let (port, asked) = serve(vec![say(OK), say(OK)]);
    let url = format!("url = \"http://127.0.0.1:{port}/health?full=1\"");
    outcome(&format!("http = {{ {url} }}"));
    let plain = asked.recv().unwrap().to_lowercase();
    assert!(plain.starts_with("get /health?full=1 http/1.1\r\n"), "{plain}");
    for line in
        [format!("host: 127.0.0.1:{port}"), "connection: close".into(), "user-agent: failover/0.1.0".into()]
    {
        assert!(plain.contains(&format!("\r\n{line}\r\n")), "{plain}");
    }
    let headers =
        "headers = { Host = \"www.example.net\", Authorization = \"Basic hunter2\", User-Agent = \"x\" }";
    let found = outcome(&format!("http = {{ {url}, method = \"POST\", body = \"hunter2\", {headers} }}"));
    assert_eq!(found.text, "status 200");
    let full = asked.recv().unwrap();
    assert!(full.starts_with("POST /health?full=1 HTTP/1.1\r\n"), "{full}");
    let lower = full.to_lowercase();
    for line in
        ["host: www.example.net", "authorization: basic hunter2", "user-agent: x", "content-length: 7"]
    {
        assert!(lower.contains(&format!("\r\n{line}\r\n")), "{full}");
    }
    assert_eq!(
        (lower.matches("\r\nhost:").count(), lower.matches("\r\nuser-agent:").count()),
        (1, 1),
        "{full}"
    );
}

fn redirect(status: u16, to: &str) -> Act {
    say(format!("HTTP/1.1 {status} Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
}

#[test]
fn redirects_are_followed_as_far_as_allowed() {
    let (port, asked) = serve(vec![redirect(302, "/there"), say(OK)]);
    let keys =
        format!("url = \"http://127.0.0.1:{port}/\", max_redirects = 1, headers = {{ X-Key = \"hunter2\" }}");
    assert_eq!(
        outcome(&format!("http = {{ {keys}, method = \"POST\", body = \"hunter2\" }}")).text,
        "status 200"
    );
    assert!(asked.recv().unwrap().starts_with("POST / "));
    let second = asked.recv().unwrap();
    assert!(
        second.starts_with("GET /there ") && second.to_lowercase().contains("x-key: hunter2"),
        "{second}"
    );
    assert!(!second.contains("\r\n\r\nhunter2"), "{second}");

    let (port, _) = serve(vec![redirect(302, "/a"), redirect(301, "/b"), redirect(303, "/c")]);
    let found = outcome(&format!("http = {{ url = \"http://127.0.0.1:{port}/\", max_redirects = 2 }}"));
    assert_eq!((found.finding, found.text.as_str()), (Finding::Failed, "more than 2 redirects"));

    let (port, _) = serve(vec![redirect(302, "http://u:hunter2@a/")]);
    let found = outcome(&format!("http = {{ url = \"http://127.0.0.1:{port}/\", max_redirects = 2 }}"));
    assert_eq!(found.text, "the redirect cannot be followed: its address holds a user name");

    // Without an address it is an answer like any other.
    let (port, _) = serve(vec![say("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")]);
    let keys = format!("url = \"http://127.0.0.1:{port}/\", max_redirects = 2, status = [302]");
    assert_eq!(outcome(&format!("http = {{ {keys} }}")).text, "status 302");
}

#[test]
fn a_redirect_to_another_server_takes_no_secret_along() {
    let (other, asked) = serve(vec![say(OK)]);
    let (port, _) = serve(vec![redirect(307, &format!("http://127.0.0.2:{other}/x"))]);
    let refused = outcome(&format!(
        "http = {{ url = \"http://127.0.0.1:{port}/\", max_redirects = 1, method = \"PUT\", body = \"hunter2\" }}"
    ));
    assert_eq!(refused.text, "status 307: the body is not sent to another server");
    let (port, _) = serve(vec![redirect(302, &format!("http://127.0.0.1:{other}/x"))]);
    let headers = "headers = { Authorization = \"hunter2\", Host = \"a.example\", Accept = \"text/plain\" }";
    let keys = format!("url = \"http://127.0.0.1:{port}/\", max_redirects = 1, {headers}");
    assert_eq!(outcome(&format!("http = {{ {keys} }}")).text, "status 200");
    let second = asked.recv().unwrap().to_lowercase();
    assert!(
        !second.contains("hunter2") && second.contains(&format!("host: 127.0.0.1:{other}\r\n")),
        "{second}"
    );
    assert!(second.contains("accept: text/plain\r\n"), "{second}");
}

#[test]
fn connect_address_stands_for_the_host_of_the_url_alone() {
    let (port, asked) = serve(vec![redirect(302, "http://www.example.invalid/x"), say(OK)]);
    let keys = format!("connect_address = \"127.0.0.1:{port}\", max_redirects = 1");
    let found = outcome(&format!("http = {{ url = \"http://www.example.invalid/\", {keys} }}"));
    assert_eq!(found.text, "status 200");
    assert!(asked.recv().unwrap().to_lowercase().contains("host: www.example.invalid\r\n"));
    let (port, _) = serve(vec![redirect(302, "http://other.invalid/x")]);
    let keys = format!("connect_address = \"127.0.0.1:{port}\", max_redirects = 1");
    let found = outcome(&format!("http = {{ url = \"http://www.example.invalid/\", {keys} }}"));
    assert!(found.text.starts_with("cannot look up other.invalid: "), "{}", found.text);
}

fn tcp(keys: &str, act: Act) -> (Outcome, String) {
    let (port, _) = serve(vec![act]);
    let found = outcome(&format!("timeout = \"400ms\"\ntcp = {{ address = \"127.0.0.1:{port}\", {keys} }}"));
    (found, format!("127.0.0.1:{port}"))
}

#[test]
fn tcp_waits_for_what_is_expected_and_shows_only_what_nobody_sent() {
    let banner = |text: &'static str| Act(false, Box::new(move |mut s| drop(s.write_all(text.as_bytes()))));
    let hold = |text: &'static str| {
        let act = move |mut stream: TcpStream| {
            let _ = stream.write_all(text.as_bytes());
            let _ = stream.read(&mut [0; 64]);
        };
        Act(false, Box::new(act))
    };
    let sent = "send = \"AUTH hunter2\\r\\n\", expect = \"+OK\"";
    for (keys, act, finding, expected) in [
        ("", hold(""), Finding::Passed, "connected"),
        ("send = \"x\"", hold(""), Finding::Passed, "connected"),
        ("expect = \"220 \"", hold("220 mail\r\n"), Finding::Passed, "the expected answer"),
        (sent, say("+OK\r\n"), Finding::Passed, "the expected answer"),
        (
            sent,
            say("-ERR hunter2\r\n"),
            Finding::Failed,
            "the connection was closed after 14 bytes without what is expected",
        ),
        (sent, say(""), Finding::Failed, "the connection was closed without a byte"),
        (
            "expect = \"220 \"",
            banner("554 \u{1b}[31mno\r\nmore"),
            Finding::Failed,
            "the connection was closed after 17 bytes without what is expected, beginning \"554 \\u{1b}[31mno\"",
        ),
        (
            "expect = \"220 \"",
            hold("554 no\r\n"),
            Finding::Failed,
            "no answer within 400 ms (match: after 8 bytes without what is expected, beginning \"554 no\")",
        ),
        ("expect = \"b\"", hold(""), Finding::Failed, "no answer within 400 ms (first byte)"),
        (
            "send = \"x\", expect = \"b\"",
            endless("", "a".repeat(1000), 0),
            Finding::Failed,
            "the first 64 KiB do not contain what is expected",
        ),
    ] {
        let (found, _) = tcp(keys, act);
        assert_eq!((found.finding, found.text.as_str()), (finding, expected), "{keys}");
    }
}

#[test]
fn what_is_not_tls_is_said_to_be_none() {
    let (found, _) = tcp("tls = {}", say("220 mail ready for whoever comes\r\n"));
    assert_eq!(found.text, "the server does not speak TLS here");
    let (found, server) = tcp("tls = { verify = false }", say(""));
    assert_eq!(found.text, format!("connection closed by {server}"));
}

#[test]
fn the_steps_of_a_run_are_told_in_order() {
    let (found, _) = http("body_contains = \"ok\"", say(OK));
    let names: Vec<&str> = found.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(names, ["connect", "send", "first byte", "head", "body", "match"]);
    assert!(found.phases.iter().map(|phase| phase.took).sum::<Duration>() <= found.took);
}
