//! Strings with an inner form: paths, users, units, hosts, host and port, commands. Each is read into a legal value, and
//! a mistake is shown at the very part of the string that it is in.
//!
//! Fails: with a [`Fault`], which [`complain`] turns into a diagnostic.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;
use std::path::PathBuf;

use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::keys::Key;
use super::model::{Command, Host, UnitName, UserName};
use super::reader::{self, At};
use super::texts::{self, Text};
use super::tree::{Node, Value};
use crate::net::{LinkName, is_link_local};

/// What is wrong in a string.
pub(super) struct Fault {
    /// Where in it, in bytes; empty for all of it.
    part: Range<usize>,
    label: String,
    hint: Option<String>,
}

impl Fault {
    /// About all of the string.
    pub(super) fn whole(label: impl Into<String>) -> Self {
        Fault { part: 0..0, label: label.into(), hint: None }
    }

    /// About a part of it.
    pub(super) fn at(part: Range<usize>, label: impl Into<String>) -> Self {
        Fault { part, label: label.into(), hint: None }
    }

    /// With how to mend it.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, when the string begins `offset` bytes into another one.
    pub(super) fn after(mut self, offset: usize) -> Self {
        if !self.part.is_empty() {
            self.part = self.part.start + offset..self.part.end + offset;
        }
        self
    }
}

/// What a reader of strings answers.
pub(super) type Read<T> = Result<T, Fault>;

/// Says that `text`, the string at `node`, has `fault`.
pub(super) fn complain(message: String, node: &Node, text: &str, fault: Fault, problems: &mut Diagnostics) {
    let place = within(node, text, fault.part, problems);
    let diagnostic = Diagnostic::error(Code::BadValue, &place, message).label(fault.label);
    problems.push(match fault.hint {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    });
}

/// The place of the bytes `part` of `text`, the string at `node`: exact where the file has the string as it is, and all of
/// it where there are escapes.
fn within(node: &Node, text: &str, part: Range<usize>, problems: &Diagnostics) -> Place {
    let all = node.place.clone();
    let Some(source) = problems.sources().get(all.source) else { return all };
    let Some(written) = source.text.get(all.span.clone()) else { return all };
    if part.is_empty() || text.get(part.clone()).is_none() {
        return all;
    }
    let plain = |quotes: &usize| written.get(*quotes..written.len().saturating_sub(*quotes)) == Some(text);
    match [3, 1, 0].iter().find(|quotes| plain(quotes)) {
        Some(quotes) => {
            let start = all.span.start + quotes;
            Place { source: all.source, span: start + part.start..start + part.end }
        }
        None => all,
    }
}

/// What `read` makes of the string at `node`, which is no longer than `row` allows; `what` it should be is said when it
/// is not.
pub(super) fn read<T>(
    row: &Key,
    what: &str,
    node: &Node,
    problems: &mut Diagnostics,
    read: impl FnOnce(&str) -> Read<T>,
) -> Option<At<T>> {
    let key = row.name;
    let text = reader::string(key, node, problems)?;
    match within_bounds(row, text.value).and_then(|()| read(text.value)) {
        Ok(value) => Some(At { value, place: text.place }),
        Err(fault) => {
            complain(format!("`{key}` {what}"), node, text.value, fault, problems);
            None
        }
    }
}

fn within_bounds(row: &Key, text: &str) -> Read<()> {
    let (least, most) = row.kind.text().map_or((0, usize::MAX), |rule| (rule.least, rule.most));
    if text.is_empty() && least > 0 {
        Err(Fault::whole("empty"))
    } else if text.len() > most {
        Err(Fault::whole(format!("longer than {most} bytes")))
    } else {
        Ok(())
    }
}

/// A string as long as its row says.
pub(super) fn text<'t>(row: &Key, node: &'t Node, problems: &mut Diagnostics) -> Option<At<&'t str>> {
    match row.kind.text() {
        Some(rule) => bounded(row.name, rule, node, problems),
        None => reader::string(row.name, node, problems),
    }
}

/// The string `name`, as long as `rule` says.
pub(super) fn bounded<'t>(
    name: &str,
    rule: &Text,
    node: &'t Node,
    problems: &mut Diagnostics,
) -> Option<At<&'t str>> {
    let text = reader::string(name, node, problems)?;
    let length = text.value.len();
    if (rule.least..=rule.most).contains(&length) {
        return Some(text);
    }
    let message = format!("`{name}` must be {} to {} bytes", rule.least, rule.most);
    let label = if length == 0 { "empty".to_owned() } else { format!("this is {length} bytes") };
    problems.push(Diagnostic::error(Code::BadValue, &text.place, message).label(label));
    None
}

/// Whether an instance, a check or a group can be called so.
pub(super) fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (texts::NAME.least..=texts::NAME.most).contains(&text.len())
        && text.chars().all(legal)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

/// The path of a file from the root.
pub(super) fn path(row: &Key, node: &Node, problems: &mut Diagnostics) -> Option<At<PathBuf>> {
    read(row, "must be an absolute path", node, problems, path_text)
}

fn path_text(text: &str) -> Read<PathBuf> {
    if let Some(at) = text.find('\0') {
        Err(Fault::at(at..at + 1, "a zero byte"))
    } else if text.is_empty() {
        Err(Fault::whole("empty"))
    } else if !text.starts_with('/') {
        Err(Fault::whole("does not begin with a slash"))
    } else if text.ends_with('/') {
        Err(Fault::whole("a directory, not a file"))
    } else {
        Ok(PathBuf::from(text))
    }
}

/// A user of this host.
pub(super) fn user(row: &Key, node: &Node, problems: &mut Diagnostics) -> Option<At<UserName>> {
    read(row, "must be the name of a user", node, problems, |text| {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name = text.strip_suffix('$').unwrap_or(text);
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            Err(Fault::whole("a number").hint("id -un NUMBER tells the name"))
        } else if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(legal) {
            Ok(UserName(text.to_owned()))
        } else {
            Err(Fault::whole("no user can have this name"))
        }
    })
}

/// The types of units, as their suffixes.
const UNIT_TYPES: [&str; 11] = [
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
];

/// The name of a unit, whole, as `unit_name_is_valid` of systemd has it, but for templates.
pub(super) fn unit(row: &Key, node: &Node, problems: &mut Diagnostics) -> Option<At<UnitName>> {
    read(row, "must be the name of a unit", node, problems, unit_text)
}

fn unit_text(text: &str) -> Read<UnitName> {
    if let Some((_, file)) = text.rsplit_once('/') {
        return Err(Fault::whole("a path").hint(format!("the unit's name alone: \"{file}\"")));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@');
    if let Some((at, c)) = text.char_indices().find(|(_, c)| !legal(*c)) {
        return Err(Fault::at(at..at + c.len_utf8(), "not in a unit's name"));
    }
    let Some((name, suffix)) = text.rsplit_once('.').filter(|(_, suffix)| UNIT_TYPES.contains(suffix)) else {
        let typo = text.rsplit_once('.').and_then(|(name, suffix)| {
            reader::closest(suffix, UNIT_TYPES.into_iter()).map(|suffix| format!("{name}.{suffix}"))
        });
        let whole = typo.unwrap_or_else(|| format!("{text}.service"));
        return Err(Fault::whole("the type of unit is missing").hint(format!("with its suffix: \"{whole}\"")));
    };
    if name.is_empty() || name.starts_with('@') {
        return Err(Fault::whole("there is no name before the suffix"));
    }
    if name.find('@') == Some(name.len() - 1) {
        let hint = format!("with the instance: \"{name}NAME.{suffix}\"");
        return Err(Fault::whole("a template, of which no instance is named").hint(hint));
    }
    Ok(UnitName(text.to_owned()))
}

/// A host by name or address, perhaps with an interface behind a link-local one.
pub(super) fn host_text(text: &str) -> Read<Host> {
    if text.is_empty() {
        return Err(Fault::whole("the host is missing"));
    }
    if let Some((address, link)) = text.split_once('%') {
        return scoped(address, link);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return match usable(address) {
            Ok(()) => Ok(Host::Address(address)),
            Err(fault) => Err(fault),
        };
    }
    match (text.find(':'), text.rfind(':')) {
        (Some(first), Some(last)) if first == last => {
            Err(Fault::at(first..text.len(), "a port cannot follow here"))
        }
        (Some(_), _) => Err(Fault::at(0..text.len(), "not an IPv6 address")),
        (None, _) => name_text(text),
    }
}

fn scoped(address: &str, link: &str) -> Read<Host> {
    let Some(address) = address.parse::<Ipv6Addr>().ok().filter(|address| is_link_local(*address)) else {
        let label = "only a link-local IPv6 address has an interface behind it";
        return Err(Fault::at(0..address.len(), label));
    };
    match LinkName::new(link) {
        Some(link) => Ok(Host::LinkLocal(address, link)),
        None => Err(Fault::whole("no interface can have this name")),
    }
}

fn usable(address: IpAddr) -> Read<()> {
    let why = match address {
        _ if address.is_unspecified() => "this is the unspecified address",
        _ if address.is_multicast() => "this is a multicast address",
        IpAddr::V4(v4) if v4.is_broadcast() => "this is the broadcast address",
        IpAddr::V6(v6) if is_link_local(v6) => {
            let fault = Fault::at(0..0, "a link-local address needs its interface");
            return Err(fault.hint(format!("such as \"{v6}%eth0\"")));
        }
        IpAddr::V4(_) | IpAddr::V6(_) => return Ok(()),
    };
    Err(Fault::whole(why))
}

/// A name that can be looked up (RFC 1123, section 2.1; underscores as people have them).
fn name_text(text: &str) -> Read<Host> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > texts::HOST.most {
        return Err(Fault::whole(format!("a name is {} bytes long at most", texts::HOST.most)));
    }
    if let Some((at, c)) =
        name.char_indices().find(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
    {
        let hint =
            (!c.is_ascii()).then_some("a name of other letters has an ASCII form that begins with xn--");
        let fault = Fault::at(at..at + c.len_utf8(), "not in a host's name");
        return Err(hint.into_iter().fold(fault, Fault::hint));
    }
    let mut at = 0;
    for label in name.split('.') {
        let bad = match label {
            "" => Some("an empty part"),
            _ if label.len() > 63 => Some("longer than 63 bytes"),
            _ if label.starts_with('-') || label.ends_with('-') => Some("begins or ends with a hyphen"),
            _ => None,
        };
        if let Some(bad) = bad {
            return Err(Fault::at(at..at + label.len(), bad));
        }
        at += label.len() + 1;
    }
    if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(Fault::whole("not an IPv4 address"));
    }
    Ok(Host::Name(name.to_owned()))
}

/// A host, and a port where there is one.
pub(super) fn endpoint_text(text: &str) -> Read<(Host, Option<u16>)> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let bare = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let fault = Fault::at(0..scheme.len() + 3, "a URL, where a host and a port belong");
        // What stands before an @ may be a password.
        let bare = bare.rsplit('@').next().unwrap_or(bare);
        return Err(fault.hint(format!("without the scheme: \"{bare}\"")));
    }
    if let Some(at) = text.find('/') {
        return Err(Fault::at(at..text.len(), "a host and a port alone belong here"));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let Some((inside, after)) = rest.split_once(']') else {
            return Err(Fault::whole("the closing bracket is missing"));
        };
        let host = match host_text(inside) {
            Ok(host @ (Host::Address(IpAddr::V6(_)) | Host::LinkLocal(..))) => host,
            Ok(Host::Address(_) | Host::Name(_)) => {
                return Err(Fault::at(1..1 + inside.len(), "brackets are for IPv6 addresses"));
            }
            Err(fault) => return Err(fault.after(1)),
        };
        let offset = inside.len() + 2;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port_text(port, offset + 1)?))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(Fault::at(offset..text.len(), "a colon and a port can follow the bracket")),
        };
    }
    let plain = text.split('%').next().unwrap_or(text);
    if plain.parse::<Ipv6Addr>().is_ok() {
        return Ok((host_text(text)?, None));
    }
    match text.rsplit_once(':') {
        Some((host, port)) => {
            let port_at = host.len() + 1;
            Ok((host_text(host)?, Some(port_text(port, port_at)?)))
        }
        None => Ok((host_text(text)?, None)),
    }
}

/// A port, which begins `offset` bytes into the string.
fn port_text(port: &str, offset: usize) -> Read<u16> {
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if digits && number > 0 => Ok(number),
        _ if port.is_empty() => Err(Fault::whole("the port is missing")),
        _ => Err(Fault::at(offset..offset + port.len(), "a port is a number from 1 to 65535")),
    }
}

/// A program and its arguments.
pub(super) fn command(row: &Key, node: &Node, problems: &mut Diagnostics) -> Option<Command> {
    let key = row.name;
    if let Value::String(text) = &node.value {
        let message = format!("`{key}` must be an array of the program and its arguments, not a string");
        let diagnostic = Diagnostic::error(Code::WrongType, &node.place, message).label("this is a string");
        problems.push(diagnostic.hint(format!("no shell reads it: {key} = {}", as_array(text))));
        return None;
    }
    let items = reader::array(key, node, "strings", problems)?;
    let Some((program, arguments)) = items.split_first() else {
        let message = format!("`{key}` is empty");
        problems
            .push(Diagnostic::error(Code::BadCommand, &node.place, message).label("there is nothing to run"));
        return None;
    };
    if let Some(beyond) = items.get(row.kind.most()) {
        let message = format!("`{key}` has {} words; at most {} are possible", items.len(), row.kind.most());
        problems.push(
            Diagnostic::error(Code::BadCommand, &beyond.place, message).label("the first one too many"),
        );
    }
    let errors = problems.errors();
    let program = program_of(row, program, problems);
    let arguments: Vec<String> = arguments.iter().filter_map(|node| argument(row, node, problems)).collect();
    program.filter(|_| problems.errors() == errors).map(|program| Command { program, arguments })
}

fn program_of(row: &Key, node: &Node, problems: &mut Diagnostics) -> Option<PathBuf> {
    let key = row.name;
    let text = text(row, node, problems)?;
    match path_text(text.value) {
        Ok(path) => {
            if text.value.contains(char::is_whitespace) {
                let message = format!("the path of the program of `{key}` holds white space");
                let diagnostic = Diagnostic::warning(Code::OddCommand, &text.place, message)
                    .label("taken as the name of one file")
                    .hint(each_word(key, text.value));
                problems.push(diagnostic);
            }
            Some(path)
        }
        Err(fault) => {
            let message = format!("the program of `{key}` must be an absolute path");
            let place = within(node, text.value, fault.part, problems);
            let diagnostic = Diagnostic::error(Code::BadCommand, &place, message).label(fault.label);
            let words = text.value.split_whitespace().count();
            problems.push(match words {
                _ if text.value.starts_with('/') => diagnostic,
                0 => diagnostic,
                1 => diagnostic.hint("nothing is looked up in $PATH"),
                _ => diagnostic.hint(each_word(key, text.value)),
            });
            None
        }
    }
}

fn each_word(key: &str, text: &str) -> String {
    format!("each word is a string of its own: {key} = {}", as_array(text))
}

fn argument(row: &Key, node: &Node, problems: &mut Diagnostics) -> Option<String> {
    let text = text(row, node, problems)?;
    if text.value.contains('\0') {
        let message = format!("an argument of `{}` holds a zero byte", row.name);
        problems.push(Diagnostic::error(Code::BadCommand, &text.place, message).label("would end it"));
        return None;
    }
    Some(text.value.to_owned())
}

/// The command line `text` as it is to be written: word by word where that means the same, else for a shell.
fn as_array(text: &str) -> String {
    let quoted = |word: &str| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""));
    if text.contains(|c: char| "\"'`$&|;<>(){}[]*?~#\\".contains(c) || c.is_control()) {
        return format!("[\"/bin/sh\", \"-c\", {}]", quoted(text));
    }
    let words: Vec<String> = text.split_whitespace().map(quoted).collect();
    format!("[{}]", words.join(", "))
}

#[cfg(test)]
mod tests;
