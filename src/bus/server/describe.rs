//! What objects say of themselves (`org.freedesktop.DBus.Introspectable`). Pure and total.
//!
//! The text of our own interfaces is that of the file that is shipped, so the two cannot differ.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::objects::{Kind, Tree};
use super::{path, standard};

/// The shipped description.
pub(super) const SHIPPED: &str = include_str!("../../../systemd/org.failover1.xml");

/// How every description begins.
const HEAD: &str = "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n \
    \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n";

/// What every path has.
const COMMON: &str = r#" <interface name="org.freedesktop.DBus.Introspectable">
  <method name="Introspect">
   <arg name="data" type="s" direction="out"/>
  </method>
 </interface>
 <interface name="org.freedesktop.DBus.Peer">
  <method name="Ping"/>
  <method name="GetMachineId">
   <arg name="machine_uuid" type="s" direction="out"/>
  </method>
 </interface>
"#;

/// What every object has.
const PROPERTIES: &str = r#" <interface name="org.freedesktop.DBus.Properties">
  <method name="Get">
   <arg name="interface_name" type="s" direction="in"/>
   <arg name="property_name" type="s" direction="in"/>
   <arg name="value" type="v" direction="out"/>
  </method>
  <method name="GetAll">
   <arg name="interface_name" type="s" direction="in"/>
   <arg name="properties" type="a{sv}" direction="out"/>
  </method>
  <method name="Set">
   <arg name="interface_name" type="s" direction="in"/>
   <arg name="property_name" type="s" direction="in"/>
   <arg name="value" type="v" direction="in"/>
  </method>
  <signal name="PropertiesChanged">
   <arg name="interface_name" type="s"/>
   <arg name="changed_properties" type="a{sv}"/>
   <arg name="invalidated_properties" type="as"/>
  </signal>
 </interface>
"#;

/// What the agent's own object has beside that.
const OBJECT_MANAGER: &str = r#" <interface name="org.freedesktop.DBus.ObjectManager">
  <method name="GetManagedObjects">
   <arg name="objects" type="a{oa{sa{sv}}}" direction="out"/>
  </method>
  <signal name="InterfacesAdded">
   <arg name="object" type="o"/>
   <arg name="interfaces" type="a{sa{sv}}"/>
  </signal>
  <signal name="InterfacesRemoved">
   <arg name="object" type="o"/>
   <arg name="interfaces" type="as"/>
  </signal>
 </interface>
"#;

/// Paths that are there even with no object below them.
const FOLDERS: [&str; 2] = ["/org/failover1/instance", "/org/failover1/check"];

/// The lines of the shipped file about an interface.
fn shipped(interface: &str) -> &'static str {
    let begins = format!(" <interface name=\"{interface}\">\n");
    let Some(begin) = SHIPPED.find(&begins) else { return "" };
    let rest = SHIPPED.get(begin..).unwrap_or_default();
    let end = rest.find(" </interface>\n").map_or(0, |end| end + " </interface>\n".len());
    rest.get(..end).unwrap_or_default()
}

/// The description of what is at `path`; none where there is nothing.
pub(super) fn describe(tree: &Tree, path: &str) -> Option<String> {
    let below = if path == "/" { "/".to_owned() } else { format!("{path}/") };
    let paths = tree.0.keys().map(String::as_str).chain(FOLDERS);
    let children: BTreeSet<&str> =
        paths.filter_map(|other| other.strip_prefix(&below)?.split('/').next()).collect();
    let object = tree.0.get(path);
    if object.is_none() && children.is_empty() && !FOLDERS.contains(&path) {
        return None;
    }
    let mut text = HEAD.to_owned() + COMMON;
    if let Some(object) = object {
        text.push_str(PROPERTIES);
        text.push_str(shipped(object.kind.interface()));
    }
    if path == path::ROOT {
        text.push_str(OBJECT_MANAGER);
    }
    for child in children {
        let _ = writeln!(text, " <node name=\"{child}\"/>");
    }
    text.push_str("</node>\n");
    Some(text)
}

/// Whether an interface is one that an object of this kind has, the standard ones included.
pub(super) fn has(kind: Kind, path: &str, interface: &str) -> bool {
    let standard = ["Introspectable", "Peer", "Properties"];
    interface == kind.interface()
        || (path == path::ROOT && interface == standard::OBJECT_MANAGER)
        || interface.strip_prefix("org.freedesktop.DBus.").is_some_and(|name| standard.contains(&name))
}
