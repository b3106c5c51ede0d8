//! Calls, understood and not.

use super::*;
use crate::bus::server::stamps::{Stamps, Taken};
use crate::bus::server::value::Value;
use crate::time::Instant;

fn tree() -> Tree {
    let object = |kind, properties| Object { kind, properties };
    Tree(BTreeMap::from([
        (path::ROOT.to_owned(), object(Kind::Manager, vec![("Version", Value::text("1"))])),
        (path::instance("web"), object(Kind::Instance, vec![("State", Value::text("MASTER"))])),
    ]))
}

fn call(path: &str, interface: &str, member: &str, body: &(impl serde::Serialize + DynamicType)) -> Message {
    let call = Message::method_call(path, member);
    if interface.is_empty() {
        call.build(body).unwrap()
    } else {
        call.interface(interface).build(body).unwrap()
    }
}

/// The error that a look is answered with.
fn fault(call: &Message) -> String {
    let answer = look(&tree(), call).unwrap();
    answer.header().error_name().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn actions_are_understood_with_their_arguments_alone() {
    let act = |member: &str, body| wish(&body, false).map(|wish| (member.to_owned(), wish));
    let drain = call(path::ROOT, MANAGER, "Drain", &(vec!["web"], true));
    let wanted = Action::Drain { names: vec!["web".to_owned()], force: true };
    assert_eq!(act("Drain", drain).unwrap().1, Wish::Act(wanted));
    assert_eq!(wish(&call(path::ROOT, "", "Reload", &()), false), Ok(Wish::Act(Action::Reload)));
    let plan = call(path::ROOT, MANAGER, "Plan", &"");
    assert_eq!(wish(&plan, false), Ok(Wish::Act(Action::Plan { file: None })));
    for wrong in [
        call(path::ROOT, MANAGER, "Plan", &"relative.toml"),
        call(path::ROOT, MANAGER, "Drain", &"web"),
        call(path::ROOT, MANAGER, "Reload", &7_u8),
    ] {
        assert_eq!(wish(&wrong, false).unwrap_err().name, "org.freedesktop.DBus.Error.InvalidArgs");
    }
    for unknown in [
        call("/org/failover1/instance/web", MANAGER, "Reload", &()),
        call(path::ROOT, MANAGER, "Explode", &()),
        call(path::ROOT, BUS, "Hello", &()),
    ] {
        assert_eq!(wish(&unknown, false).unwrap_err().name, "org.freedesktop.DBus.Error.UnknownMethod");
    }
    assert_eq!(wish(&call("/", BUS, "Hello", &()), true), Ok(Wish::Said(Said::Name)));
    let set = call(path::ROOT, PROPERTIES, "Set", &(MANAGER, "Version", Variant::new("2")));
    assert_eq!(wish(&set, false).unwrap_err().name, "org.freedesktop.DBus.Error.PropertyReadOnly");
}

#[test]
fn properties_are_read_one_by_one_and_together() {
    let web = path::instance("web");
    let one = look(&tree(), &call(&web, PROPERTIES, "Get", &("org.failover1.Instance", "State"))).unwrap();
    assert_eq!(one.body().signature().to_string(), "v");
    assert_eq!(one.body().deserialize::<Variant<'_>>().unwrap(), Variant::new("MASTER"));
    for interface in ["org.failover1.Instance", ""] {
        let all = look(&tree(), &call(&web, PROPERTIES, "GetAll", &interface)).unwrap();
        let body = all.body();
        let all: BTreeMap<&str, Variant<'_>> = body.deserialize().unwrap();
        assert_eq!(all["State"], Variant::new("MASTER"));
    }
    let none = look(&tree(), &call(&web, PROPERTIES, "GetAll", &PROPERTIES)).unwrap();
    assert_eq!(none.body().deserialize::<BTreeMap<String, zbus::OwnedVariant>>().unwrap().len(), 0);
    let managed = look(&tree(), &call(path::ROOT, OBJECT_MANAGER, "GetManagedObjects", &())).unwrap();
    assert_eq!(managed.body().signature().to_string(), "a{oa{sa{sv}}}");
}

#[test]
fn what_is_not_there_is_said_to_be_not_there() {
    let web = path::instance("web");
    let error = |name: &str| format!("org.freedesktop.DBus.Error.{name}");
    let get =
        |path: &str, interface: &str, name: &str| fault(&call(path, PROPERTIES, "Get", &(interface, name)));
    assert_eq!(get(&web, "org.failover1.Instance", "Colour"), error("UnknownProperty"));
    assert_eq!(get(&web, PROPERTIES, "State"), error("UnknownProperty"));
    assert_eq!(get(&web, "org.failover1.Check", "State"), error("UnknownInterface"));
    assert_eq!(get("/org/failover1/instance", "org.failover1.Instance", "State"), error("UnknownObject"));
    assert_eq!(fault(&call("/nowhere", INTROSPECTABLE, "Introspect", &())), error("UnknownObject"));
    assert_eq!(fault(&call(&web, OBJECT_MANAGER, "GetManagedObjects", &())), error("UnknownMethod"));
    assert_eq!(fault(&call(&web, PROPERTIES, "GetAll", &7_u8)), error("InvalidArgs"));
}

#[test]
fn refusals_have_names_of_ours_and_the_text_of_the_command_line() {
    let call = call(path::ROOT, MANAGER, "Drain", &(vec!["web"], false));
    let answer = refuse(&call, &Refusal::Refused("no peer was heard of".to_owned()).into()).unwrap();
    assert_eq!(answer.header().error_name().unwrap().as_str(), "org.failover1.Error.Refused");
    assert_eq!(answer.body().deserialize::<String>().unwrap(), "no peer was heard of");
    let origin = Taken { from: Instant::ZERO, until: Instant::ZERO, wall: 0 };
    assert_eq!(Stamps::default().at("/", "Since", 1.0, origin), 0);
}
