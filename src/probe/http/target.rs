//! What a URL or a redirect says is to be asked: scheme, host, port and path.
//!
//! Fails: on a `Location` that cannot be followed, without showing more of it than its kind.

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};

use crate::config::model::Host;
use crate::probe::net::Trouble;

/// Longest `Location` that is followed, in bytes.
const LONGEST: usize = 8 << 10;

/// What to ask whom.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) https: bool,
    /// Names in lower case.
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) path: PathAndQuery,
}

impl Target {
    /// An absolute URI of http or https.
    pub(super) fn of_uri(uri: &Uri) -> Option<Self> {
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = host(uri.host()?)?;
        let port = uri.port_u16().unwrap_or(standard_port(https));
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Some(Target { https, host, port, path })
    }

    /// Where `location`, from an answer of this, leads (RFC 3986, section 5.2).
    pub(super) fn redirected(&self, location: &HeaderValue) -> Result<Self, Trouble> {
        let cannot = |why: &str| Trouble::failed(format!("the redirect cannot be followed: {why}"));
        let text = location.to_str().map_err(|_| cannot("its address is not ASCII"))?;
        if text.len() > LONGEST {
            return Err(cannot("its address is too long"));
        }
        let text = text.split('#').next().unwrap_or_default();
        let (https, rest) = match scheme(text) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some(_) => return Err(cannot("it is neither to http nor to https")),
            None => (self.https, text),
        };
        let Some(rest) = rest.strip_prefix("//") else {
            if scheme(text).is_some() {
                return Err(cannot("its address has no host"));
            }
            let path = self.path_from(text).ok_or_else(|| cannot("its path makes no sense"))?;
            return Ok(Target { path, ..self.clone() });
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(cannot("its address holds a user name"));
        }
        let uri: Uri = format!("{}://{authority}", if https { "https" } else { "http" })
            .parse()
            .map_err(|_| cannot("its address makes no sense"))?;
        let target = Target::of_uri(&uri).filter(|target| target.port != 0 && has_good_port(authority));
        let target = target.ok_or_else(|| cannot("its address makes no sense"))?;
        let path = if path.starts_with('?') { format!("/{path}") } else { without_dots(path) };
        let path = PathAndQuery::try_from(path).map_err(|_| cannot("its path makes no sense"))?;
        Ok(Target { path, ..target })
    }

    /// A reference without a host.
    fn path_from(&self, reference: &str) -> Option<PathAndQuery> {
        let path = if reference.is_empty() {
            self.path.as_str().to_owned()
        } else if reference.starts_with('?') {
            format!("{}{reference}", self.path.path())
        } else if reference.starts_with('/') {
            without_dots(reference)
        } else {
            let base = self.path.path();
            let folder = base.rfind('/').and_then(|at| base.get(..=at)).unwrap_or("/");
            without_dots(&format!("{folder}{reference}"))
        };
        PathAndQuery::try_from(path).ok()
    }

    /// Whether scheme, host and port are the same.
    pub(super) fn is_same_server(&self, other: &Target) -> bool {
        self.https == other.https && self.port == other.port && self.is_of_same_host(other)
    }

    /// Whether the host is the same.
    pub(super) fn is_of_same_host(&self, other: &Target) -> bool {
        self.host == other.host
    }

    /// What stands in the `Host` header.
    pub(super) fn authority(&self) -> String {
        let host = match &self.host {
            Host::Address(address) if address.is_ipv6() => format!("[{address}]"),
            host @ (Host::Address(_) | Host::LinkLocal(..) | Host::Name(_)) => host.to_string(),
        };
        if self.port == standard_port(self.https) { host } else { format!("{host}:{}", self.port) }
    }
}

fn standard_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

/// A scheme and what follows its colon, if the text begins with one (RFC 3986, section 3.1).
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(legal);
    named.then_some((scheme, rest))
}

/// Whether what follows the host is a port or nothing; a library takes what is none for nothing.
fn has_good_port(authority: &str) -> bool {
    let after = authority.rsplit(']').next().unwrap_or(authority);
    after.rsplit_once(':').is_none_or(|(_, port)| port.is_empty() || port.parse::<u16>().is_ok())
}

/// A host of a URI: an address, in brackets if it is IPv6, or a name.
fn host(text: &str) -> Option<Host> {
    if let Some(inner) = text.strip_prefix('[') {
        return Some(Host::Address(inner.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok()?.into()));
    }
    if let Ok(address) = text.parse::<std::net::Ipv4Addr>() {
        return Some(Host::Address(address.into()));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let named = (1..=253).contains(&text.len()) && text.bytes().all(legal);
    named.then(|| Host::Name(text.to_ascii_lowercase()))
}

/// A path without its segments `.` and `..` (RFC 3986, section 5.2.4); what follows a `?` stays as it is.
fn without_dots(text: &str) -> String {
    let (path, query) = match text.find('?') {
        Some(at) => text.split_at_checked(at).unwrap_or((text, "")),
        None => (text, ""),
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::outcome::Outcome;

    fn from(base: &str, location: &str) -> Result<String, String> {
        let base = Target::of_uri(&base.parse().unwrap()).unwrap();
        let location = HeaderValue::from_bytes(location.as_bytes()).unwrap();
        match base.redirected(&location) {
            Ok(target) => {
                let scheme = if target.https { "https" } else { "http" };
                Ok(format!("{scheme}://{}{}", target.authority(), target.path))
            }
            Err(trouble) => Err(Outcome::from(trouble).text),
        }
    }

    #[test]
    fn references_are_resolved_as_the_rfc_has_it() {
        for (location, expected) in [
            ("/x", "http://a:8080/x"),
            ("x", "http://a:8080/b/x"),
            ("./x", "http://a:8080/b/x"),
            ("../../x/", "http://a:8080/x/"),
            ("..", "http://a:8080/"),
            (".", "http://a:8080/b/"),
            ("", "http://a:8080/b/c?q"),
            ("?r=..", "http://a:8080/b/c?r=.."),
            ("x?r=/../", "http://a:8080/b/x?r=/../"),
            ("#part", "http://a:8080/b/c?q"),
            ("//other/x", "http://other/x"),
            ("HTTPS://Other:443", "https://other/"),
            ("http://other?x", "http://other/?x"),
            ("https://[2001:db8::1]:8443/x#y", "https://[2001:db8::1]:8443/x"),
            ("http://192.0.2.1:80/", "http://192.0.2.1/"),
            ("http://other:/x", "http://other/x"),
        ] {
            assert_eq!(from("http://a:8080/b/c?q", location).as_deref(), Ok(expected), "{location}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_said_without_showing_it() {
        for (location, why) in [
            ("ftp://a/", "it is neither to http nor to https"),
            ("javascript:alert(1)", "it is neither to http nor to https"),
            ("http:x", "its address has no host"),
            ("http://user:hunter2@a/", "its address holds a user name"),
            ("http://a b/", "its address makes no sense"),
            ("http://a:99999/", "its address makes no sense"),
            ("http://a:0/", "its address makes no sense"),
            ("http:///x", "its address makes no sense"),
            ("http://[fe80::1%25eth0]/", "its address makes no sense"),
            ("/a b", "its path makes no sense"),
            ("http://\u{e9}/", "its address is not ASCII"),
        ] {
            let expected = format!("the redirect cannot be followed: {why}");
            assert_eq!(from("http://a/", location), Err(expected), "{location}");
        }
        assert!(from("http://a/", &format!("/{}", "x".repeat(LONGEST))).unwrap_err().contains("too long"));
    }

    #[test]
    fn servers_are_told_apart_by_scheme_host_and_port() {
        let target = |text: &str| Target::of_uri(&text.parse().unwrap()).unwrap();
        let base = target("http://a.example/");
        assert!(base.is_same_server(&target("http://A.example:80/x")));
        assert!(!base.is_same_server(&target("https://a.example/")));
        assert!(base.is_of_same_host(&target("https://a.example/")));
        assert!(!base.is_of_same_host(&target("http://b.example/")));
    }
}
