//! The `http` probe: what is asked, of whom, and which answer passes.
//!
//! Never: shows the value of a header, a body, or a URL that holds credentials.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue, Method, Uri};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::super::formats::{self, Fault, Read};
use super::super::keys::{self, Key};
use super::super::model::{Endpoint, Header, Host, HttpProbe, Pattern, Probe, StatusRange, Text, Tls};
use super::super::reader::{self, At, Table};
use super::super::texts;
use super::super::tree::{Entry, Node, Value};
use super::super::words;
use super::network;

/// Largest compiled form of a regular expression, in bytes.
const LARGEST_REGEX: usize = 1 << 20;

/// Headers that belong to the connection and are set by the client.
const OURS: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a URL says.
struct Target {
    uri: Uri,
    https: bool,
    endpoint: Endpoint,
}

/// What of the answer passes, and where that is said.
struct Wanted {
    status: Option<Vec<StatusRange>>,
    contains: Option<Text>,
    regex: Option<Pattern>,
    /// The keys that look into the body.
    body_keys: Vec<Place>,
}

/// `http`.
pub(super) fn read(check: &str, mut table: Table<'_>, problems: &mut Diagnostics) -> Option<Probe> {
    let row = table.row("url");
    let target = table.require("url", problems).and_then(|entry| url(row, entry, problems));
    let method = table.word("method", &words::METHODS, problems);
    let headers = table.take("headers").map(|entry| headers(check, entry, problems)).unwrap_or_default();
    let body_key = table.take("body").map(|entry| entry.key.clone());
    let body = network::some_text(&mut table, "body", problems);
    let wanted = wanted(&mut table, problems);
    let max_body_key = table.take("max_body").map(|entry| entry.key.clone());
    let max_body = table.size("max_body", problems);
    let max_redirects = table.number("max_redirects", problems);
    let tls_entry = table.take("tls");
    let connect = table
        .take("connect_address")
        .and_then(|entry| connect_address(table.row("connect_address"), entry, problems));
    table.finish(problems);
    if let Some(method) = &method {
        answer_has_a_body(method, &wanted, problems);
        request_has_a_body(method, body_key.as_ref(), problems);
    }
    if let Some(place) = max_body_key.filter(|_| wanted.body_keys.is_empty()) {
        let message = "`max_body` has no effect here";
        let diagnostic = Diagnostic::warning(Code::NoEffect, &place, message)
            .label("without `body_contains` or `body_regex` no body is read");
        problems.push(diagnostic);
    }
    let tls = tls(check, tls_entry, target.as_ref(), problems);
    let target = target?;
    let Endpoint { host, port } = target.value.endpoint;
    let endpoint = match connect.map(|connect| connect.value) {
        Some((host, other)) => Endpoint { host, port: other.unwrap_or(port) },
        None => Endpoint { host, port },
    };
    let probe = HttpProbe {
        url: target.value.uri,
        endpoint,
        tls,
        method: method?.value,
        headers,
        body,
        status: wanted.status?,
        body_contains: wanted.contains,
        body_regex: wanted.regex,
        max_body: max_body?.value,
        max_redirects: max_redirects?.value,
    };
    Some(Probe::Http(Box::new(probe)))
}

fn wanted(table: &mut Table<'_>, problems: &mut Diagnostics) -> Wanted {
    let row = table.row("status");
    let status = match table.take("status") {
        Some(entry) => statuses(row, entry, problems),
        None => preset_statuses(row),
    };
    let keys = [table.take("body_contains"), table.take("body_regex")];
    let contains = network::some_text(table, "body_contains", problems);
    let row = table.row("body_regex");
    let regex = table.take("body_regex").and_then(|entry| {
        let what = "must be a regular expression";
        formats::read(row, what, &entry.node, problems, pattern).map(|at| at.value)
    });
    let body_keys = keys.into_iter().flatten().map(|entry| entry.key.clone()).collect();
    Wanted { status, contains, regex, body_keys }
}

/// A URL, whole.
fn url(row: &Key, entry: &Entry, problems: &mut Diagnostics) -> Option<At<Target>> {
    let text = reader::string("url", &entry.node, problems)?;
    if holds_credentials(text.value) {
        let message = "the URL holds a user name or a password";
        let diagnostic = Diagnostic::error(Code::SecretInUrl, &text.place, message)
            .label("it would be shown in status and logs")
            .hint("as a header: headers = { Authorization = \"Basic …\" }");
        problems.push(diagnostic);
        return None;
    }
    formats::read(row, "must be an absolute http or https URL", &entry.node, problems, url_text)
}

/// Whether something stands before an @ where the host begins.
fn holds_credentials(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

fn url_text(text: &str) -> Read<Target> {
    if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_whitespace() || c.is_control()) {
        return Err(Fault::at(at..at + c.len_utf8(), "white space; in a URL it is written %20"));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        let rest = text.trim_start_matches("https:").trim_start_matches("http:").trim_start_matches('/');
        let fault = Fault::whole("the scheme is missing");
        // What stands before an @ may be a password.
        return Err(if rest.contains('@') {
            fault
        } else {
            fault.hint(format!("such as \"http://{rest}\""))
        });
    };
    let https = scheme.eq_ignore_ascii_case("https");
    if !https && !scheme.eq_ignore_ascii_case("http") {
        return Err(Fault::at(0..scheme.len(), "only http and https can be asked"));
    }
    if let Some(at) = text.find('#') {
        return Err(Fault::at(at..text.len(), "this part is never sent to a server"));
    }
    let offset = scheme.len() + 3;
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let (host, port) = formats::endpoint_text(authority).map_err(|fault| fault.after(offset))?;
    let of_authority = offset..offset + authority.len();
    if let Host::Address(IpAddr::V6(address)) = &host
        && !authority.starts_with('[')
    {
        let hint = format!("write [{address}]");
        return Err(Fault::at(of_authority, "an IPv6 address in a URL needs brackets").hint(hint));
    }
    if let Host::LinkLocal(address, link) = &host {
        let link = link.as_str().strip_prefix("25").unwrap_or(link.as_str());
        let fault = Fault::at(of_authority, "no interface can stand in a URL");
        return Err(fault.hint(format!("with another host here: connect_address = \"[{address}%{link}]\"")));
    }
    if let Some((at, c)) = text.char_indices().find(|(_, c)| !c.is_ascii()) {
        let mut bytes = [0; 4];
        let escaped: Vec<String> =
            c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect();
        let label = format!("not ASCII; in a URL it is written {}", escaped.concat());
        return Err(Fault::at(at..at + c.len_utf8(), label));
    }
    let uri = text.parse::<Uri>().map_err(|error| Fault::whole(error.to_string()))?;
    let port = port.unwrap_or(if https { 443 } else { 80 });
    Ok(Target { uri, https, endpoint: Endpoint { host, port } })
}

fn connect_address(row: &Key, entry: &Entry, problems: &mut Diagnostics) -> Option<At<(Host, Option<u16>)>> {
    let what = "must be a host, with or without a port";
    formats::read(row, what, &entry.node, problems, formats::endpoint_text)
}

fn tls(
    check: &str,
    entry: Option<&Entry>,
    target: Option<&At<Target>>,
    problems: &mut Diagnostics,
) -> Option<Tls> {
    let host = target.map(|target| &target.value.endpoint.host);
    let Some(entry) = entry else {
        let target = target.filter(|target| target.value.https)?;
        let server_name = target.value.endpoint.host.clone();
        return Some(Tls { verify: true, ca_file: None, server_name, client: None });
    };
    if let Some(target) = target.filter(|target| !target.value.https) {
        let message = "`tls` is for https URLs";
        let diagnostic = Diagnostic::error(Code::ProbeContradiction, &entry.key, message)
            .label("nothing of this would be done")
            .related(&target.place, "plain http")
            .hint("write https:// in the URL, or leave `tls` out");
        problems.push(diagnostic);
    }
    network::tls(check, entry, host, problems)
}

/// No answer to HEAD has a body, so none could pass.
fn answer_has_a_body(method: &At<Method>, wanted: &Wanted, problems: &mut Diagnostics) {
    if method.value != Method::HEAD {
        return;
    }
    for key in &wanted.body_keys {
        let message = "the answer to HEAD has no body to look into";
        let diagnostic = Diagnostic::error(Code::ProbeContradiction, key, message)
            .label("cannot pass")
            .related(&method.place, "with this method")
            .hint("leave `method` out for GET");
        problems.push(diagnostic);
    }
}

/// The body of a GET or HEAD means nothing (RFC 9110, section 9.3.1).
fn request_has_a_body(method: &At<Method>, body: Option<&Place>, problems: &mut Diagnostics) {
    let (Some(body), true) = (body, [Method::GET, Method::HEAD].contains(&method.value)) else { return };
    let message = format!("servers do not look at the body of a {}", method.value);
    let diagnostic = Diagnostic::warning(Code::NoEffect, body, message)
        .label("most likely without effect")
        .hint("set `method = \"POST\"`, if that is meant");
    problems.push(diagnostic);
}

fn headers(check: &str, entry: &Entry, problems: &mut Diagnostics) -> Vec<Header> {
    let hint = "such as headers = { Host = \"www.example.net\" }";
    let Some(entries) = reader::table("headers", &entry.node, hint, problems) else { return Vec::new() };
    let mut in_order: Vec<(&String, &Entry)> = entries.iter().collect();
    in_order.sort_by_key(|(_, entry)| (entry.key.source, entry.key.span.start));
    let mut seen: Vec<(HeaderName, &Entry)> = Vec::new();
    let mut headers = Vec::new();
    for (text, entry) in in_order {
        let name = match header_name(text) {
            Ok(name) => name,
            Err(label) => {
                let message = format!("`headers` of check `{check}` cannot set this header");
                problems.push(Diagnostic::error(Code::BadValue, &entry.key, message).label(label));
                continue;
            }
        };
        if let Some((_, first)) = seen.iter().find(|(seen, _)| *seen == name) {
            let message = format!("the header `{name}` is set twice");
            let diagnostic = Diagnostic::error(Code::BadValue, &entry.key, message)
                .label("the same name, whatever its case")
                .related(&first.key, "first set here");
            problems.push(diagnostic);
            continue;
        }
        seen.push((name.clone(), entry));
        if let Some(value) = header_value(text, &entry.node, problems) {
            headers.push(Header { name, value });
        }
    }
    headers
}

fn header_name(text: &str) -> Result<HeaderName, &'static str> {
    if text.len() > texts::HEADER.most {
        return Err("this name is too long");
    }
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| "not a name of a header")?;
    if OURS.contains(&name.as_str()) {
        Err("this one belongs to the connection and is set by itself")
    } else {
        Ok(name)
    }
}

fn header_value(name: &str, node: &Node, problems: &mut Diagnostics) -> Option<HeaderValue> {
    let text = formats::bounded(name, texts::HEADER_VALUE, node, problems)?;
    let Ok(mut value) = HeaderValue::from_str(text.value) else {
        let message = "the value of a header must be of visible ASCII characters and blanks";
        problems
            .push(Diagnostic::error(Code::BadValue, &text.place, message).label("something else is in it"));
        return None;
    };
    value.set_sensitive(true);
    Some(value)
}

fn preset_statuses(row: &Key) -> Option<Vec<StatusRange>> {
    let keys::Preset::Words(words) = row.default else { return None };
    words.iter().map(|word| status_text(row, word).ok()).collect()
}

fn statuses(row: &Key, entry: &Entry, problems: &mut Diagnostics) -> Option<Vec<StatusRange>> {
    let what = "status codes and ranges";
    if let Value::Integer(Some(code)) = entry.node.value {
        let message = format!("`status` must be an array of {what}, not a whole number");
        let diagnostic = Diagnostic::error(Code::WrongType, &entry.node.place, message)
            .label("this is a whole number")
            .hint(format!("in brackets: status = [{code}]"));
        problems.push(diagnostic);
        return None;
    }
    let items = reader::array("status", &entry.node, what, problems)?;
    if items.is_empty() {
        let message = "`status` is empty";
        problems.push(
            Diagnostic::error(Code::BadValue, &entry.node.place, message).label("no answer would pass"),
        );
        return None;
    }
    let read = |item| status(row, item, problems);
    let all: Vec<Option<StatusRange>> = items.iter().map(read).collect();
    all.into_iter().collect()
}

fn status(row: &Key, node: &Node, problems: &mut Diagnostics) -> Option<StatusRange> {
    match &node.value {
        Value::Integer(_) => {
            let code = reader::number(row, node, problems)?.value;
            Some(StatusRange { low: code, high: code })
        }
        Value::String(_) => {
            let what = "must hold codes such as \"200\" and ranges such as \"200-299\"";
            formats::read(row, what, node, problems, |text| status_text(row, text)).map(|at| at.value)
        }
        Value::Float(_) | Value::Boolean(_) | Value::Datetime | Value::Array(_) | Value::Table(_) => {
            reader::wrong_type("status", node, "an array of status codes and ranges", problems);
            None
        }
    }
}

fn status_text(row: &Key, text: &str) -> Read<StatusRange> {
    if let Some(hundred) = text.strip_suffix("xx").filter(|hundred| hundred.len() == 1) {
        return Err(Fault::whole("not a range").hint(format!("write \"{hundred}00-{hundred}99\"")));
    }
    let (least, most) = row.kind.integers().unwrap_or_default();
    let code = |part: &str| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        let fits = |code: &u16| (least..=most).contains(&i64::from(*code));
        part.parse::<u16>().ok().filter(|code| digits && fits(code))
    };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    match (code(low), code(high)) {
        (Some(low), Some(high)) if low <= high => Ok(StatusRange { low, high }),
        (Some(low), Some(high)) => {
            Err(Fault::whole("backwards").hint(format!("the lower one first: \"{high}-{low}\"")))
        }
        _ => Err(Fault::whole(format!("codes of an answer are {least} to {most}"))),
    }
}

/// A regular expression that compiles to something small.
fn pattern(text: &str) -> Read<Pattern> {
    let parsed = regex_syntax::ParserBuilder::new().utf8(false).build().parse(text);
    if let Err(error) = parsed {
        return Err(syntax(&error));
    }
    match regex::bytes::RegexBuilder::new(text).size_limit(LARGEST_REGEX).build() {
        Ok(regex) => Ok(Pattern(regex)),
        Err(_) => Err(Fault::whole("too large: its repetitions multiply")),
    }
}

fn syntax(error: &regex_syntax::Error) -> Fault {
    let (span, why) = if let regex_syntax::Error::Parse(error) = error {
        (error.span(), error.kind().to_string())
    } else if let regex_syntax::Error::Translate(error) = error {
        (error.span(), error.kind().to_string())
    } else {
        return Fault::whole("cannot be read");
    };
    Fault::at(span.start.offset..span.end.offset, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_expression_is_bounded_and_matches_bytes() {
        assert!(pattern("((\\w{100}){100}){100}").is_err(), "too large");
        assert!(pattern("(a").is_err());
        let regex = pattern("ok\\b|(?-u:\\xff)").ok().unwrap();
        assert!(regex.is_match(b"it is ok") && !regex.is_match(b"okay") && regex.is_match(b"x\xff"));
        assert_eq!(regex, pattern("ok\\b|(?-u:\\xff)").ok().unwrap());
    }

    #[test]
    fn a_url_says_where_to_connect() {
        for (text, host, port, https) in [
            ("http://localhost", "localhost", 80, false),
            ("http://localhost?x", "localhost", 80, false),
            ("HTTPS://192.0.2.1/", "192.0.2.1", 443, true),
            ("https://[2001:db8::1]:8443/a?b=c", "2001:db8::1", 8443, true),
        ] {
            let target = url_text(text).ok().unwrap();
            assert_eq!(
                (target.endpoint.host.to_string().as_str(), target.endpoint.port),
                (host, port),
                "{text}"
            );
            assert_eq!(target.https, https, "{text}");
            assert_eq!(
                target.uri.scheme_str().map(str::to_ascii_lowercase).as_deref(),
                Some(if https { "https" } else { "http" })
            );
        }
    }

    #[test]
    fn status_codes_are_single_or_in_ranges() {
        let row = keys::row(keys::HTTP, "status");
        let read = |text| status_text(row, text).ok().map(|range| (range.low, range.high));
        assert_eq!(read("200"), Some((200, 200)));
        assert_eq!(read("200-599"), Some((200, 599)));
        for bad in
            ["", "199", "600", "299-200", "200-", "-299", "2xx", " 200", "200 - 299", "+200", "200-300-400"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(preset_statuses(row).map(|ranges| ranges.len()), Some(1));
    }
}
