//! What can be read and is not done yet: each use of it is an error, so that nobody believes that it works.

use failover::config::{self, Diagnostics};

use super::secret;

const INSTANCE: &str =
    "[instance.web]\ninterface = \"eth0\"\nvirtual_router_id = 51\naddresses = [\"192.0.2.1/24\"]\n";

fn errors(text: &str) -> Vec<String> {
    let said = |diagnostics: Diagnostics| {
        let codes = diagnostics.list().iter().map(|diagnostic| {
            let place = diagnostic.place.as_ref().map(|place| text[place.span.clone()].to_owned());
            format!("{} {}: {}", diagnostic.code, place.unwrap_or_default(), diagnostic.message)
        });
        codes.collect()
    };
    match config::parse_with(text, "test.toml", &mut secret) {
        Ok(loaded) => said(loaded.warnings),
        Err(diagnostics) => said(diagnostics),
    }
}

#[test]
fn each_use_of_what_is_not_done_yet_is_an_error_where_it_stands() {
    let text = format!(
        "[check.api]\ntcp = {{ address = \"127.0.0.1:80\" }}\n\
        {INSTANCE}track = {{ api = \"fault\" }}\nnotify = {{ any = [\"/bin/true\"] }}\nunits = {{ master = [\"a.service\"] }}\n\
        [instance.mail]\ninterface = \"eth0\"\nvirtual_router_id = 52\naddresses = [\"192.0.2.2/24\"]\n\
        [group.all]\nmembers = [\"web\", \"mail\"]\n"
    );
    assert_eq!(
        errors(&text),
        [
            "F0012 notify: `notify` is read, but this version does not run commands yet",
            "F0012 units: `units` is read, but this version does not start units yet",
            "F0012 all: `[group.all]` is read, but this version does not move instances together yet",
        ]
    );
    let all = config::parse_all(&text, "test.toml", &mut secret).unwrap();
    assert_eq!(all.warnings.render(false), "");
    assert_eq!((all.config.checks.len(), all.config.groups.len()), (1, 1));
}

#[test]
fn what_all_instances_inherit_is_one_use() {
    let other = INSTANCE.replace("web", "mail").replace("51", "52").replace("192.0.2.1", "192.0.2.2");
    let text = format!("[defaults]\nnotify = {{ any = [\"/bin/true\"] }}\n{INSTANCE}{other}");
    assert_eq!(errors(&text), ["F0012 notify: `notify` is read, but this version does not run commands yet"]);
}

#[test]
fn everything_else_that_is_wrong_is_told_too() {
    let text = format!("[check.api]\n{INSTANCE}track = {{ apo = 0 }}\nprioritty = 1\n");
    let errors = errors(&text);
    let codes: Vec<&str> = errors.iter().map(|error| &error[..5]).collect();
    assert_eq!(codes, ["F0115", "F0204", "F0116", "F0015", "F0011"], "{errors:#?}");
}

#[test]
fn who_is_read_for_later_alone_is_no_error() {
    assert_eq!(errors(&format!("[agent]\nscript_user = \"checks\"\n{INSTANCE}track = {{}}\n")), [""; 0]);
}
