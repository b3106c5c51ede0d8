//! A certificate that is renewed while the agent runs: the same check goes by the new file.

use std::fs;
use std::rc::Rc;

use failover::config;
use failover::probe::{Runner, Shared};

use crate::stage::{SERVER, Stage};

const ALWAYS: (u16, u16) = (2020, 2049);

#[test]
fn renewed_files_are_used_from_the_next_run_on() {
    let mut stage = Stage::new();
    stage.authority("ours");
    stage.authority("theirs");
    stage.certificate("good", "ours", "IP:192.0.2.1", ALWAYS);
    stage.certificate("client", "ours", "DNS:client", ALWAYS);
    stage.certificate("stranger", "theirs", "DNS:client", ALWAYS);
    let at = stage.directory.display().to_string();
    stage.nginx(
        &format!(
            "server {{ listen 443 ssl; ssl_certificate {at}/good.pem; ssl_certificate_key {at}/good.key;\n\
             ssl_verify_client on; ssl_client_certificate {at}/ours.pem; location / {{ return 200; }} }}\n"
        ),
        443,
    );
    let copy = |from: &str, to: &str| {
        fs::copy(stage.path(from), stage.path(to)).unwrap();
    };
    copy("theirs.pem", "ca");
    copy("stranger.both", "shown");
    let tls = format!("ca_file = \"{at}/ca\", client_cert = \"{at}/shown\", client_key = \"{at}/shown\"");
    let text = fs::read_to_string(
        stage.checks(&format!("[check.x]\nhttp = {{ url = \"https://{SERVER}/\", tls = {{ {tls} }} }}")),
    );
    let said = stage.client.run(|| {
        let mut none = |_: &str| Err(config::SecretProblem::new("none"));
        let config = config::parse_with(&text.unwrap(), "test", &mut none).unwrap().config;
        let shared = Rc::new(Shared::new(config.agent.script_user.clone()));
        let mut runner = Runner::new("x", &config.checks["x"], &shared);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut run = || runtime.block_on(runner.run()).text;
        let mut said = vec![run(), run()];
        copy("ours.pem", "ca");
        said.push(run());
        copy("client.both", "shown");
        said.push(run());
        fs::remove_file(stage.path("ca")).unwrap();
        said.push(run());
        copy("ours.pem", "ca");
        said.push(run());
        said
    });
    let untrusted = "the certificate is signed by nobody who is trusted";
    let gone = format!("cannot read {at}/ca: there is no such file");
    let expected =
        [untrusted, untrusted, "status 400, wanted 200-299", "status 200", gone.as_str(), "status 200"];
    assert_eq!(said, expected);
}
