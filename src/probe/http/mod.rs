//! The answer to an HTTP request: asked over a connection of its own, redirects followed where that is wanted, and judged.
//!
//! Owns: nothing between runs but the TLS configuration. Never: sends a header or a body that is meant for one server to
//! another, follows from https to http, or shows a header, a body or a path. Fails: with an outcome that says what was seen
//! and what was wanted.

mod exchange;
mod target;

use std::rc::Rc;
use std::time::Duration;

use http::header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

use super::Shared;
use super::net::connect::connect;
use super::net::stream::Stream;
use super::net::tls::TlsClient;
use super::net::{Needle, Trouble};
use super::trace::Trace;
use crate::config::model::{Endpoint, Host, HttpProbe, StatusRange, Tls};
use crate::health::outcome::Outcome;
use exchange::{Answer, Body};
use target::Target;

/// How it calls itself.
const AGENT: &str = concat!("failover/", env!("CARGO_PKG_VERSION"));
/// What is spoken inside TLS (RFC 7301).
const ALPN: &[u8] = b"http/1.1";
/// Headers that say nothing of whom they are meant for, and so go to other servers too.
const HARMLESS: [HeaderName; 3] = [ACCEPT, http::header::ACCEPT_LANGUAGE, USER_AGENT];
/// Bodies longer than this are matched on another thread.
const LONG: usize = 32 << 10;

#[derive(Debug)]
pub(super) struct Http {
    probe: HttpProbe,
    first: Option<Target>,
    contains: Option<Needle>,
    tls: Option<TlsClient>,
    /// Towards the host that the last redirect led to, when it is another one or https for the first time.
    elsewhere: Option<(Host, TlsClient)>,
    limit: Duration,
    shared: Rc<Shared>,
}

/// What is asked next.
struct Question {
    target: Target,
    method: Method,
    with_body: bool,
}

impl Http {
    pub(super) fn new(probe: &HttpProbe, limit: Duration, shared: &Rc<Shared>) -> Self {
        Http {
            first: Target::of_uri(&probe.url),
            contains: probe.body_contains.as_ref().map(Needle::new),
            tls: probe.tls.clone().map(|tls| TlsClient::new(tls, Some(ALPN))),
            elsewhere: None,
            probe: probe.clone(),
            limit,
            shared: Rc::clone(shared),
        }
    }

    pub(super) async fn run(&mut self, trace: &Trace) -> Outcome {
        match self.look(trace).await {
            Ok(text) => Outcome::passed(text),
            Err(trouble) => trouble.into(),
        }
    }

    async fn look(&mut self, trace: &Trace) -> Result<String, Trouble> {
        let Some(target) = self.first.clone() else {
            return Err(Trouble::unknown("the URL cannot be asked"));
        };
        let mut question = Question { target, method: self.probe.method.clone(), with_body: true };
        let mut followed = 0;
        loop {
            let stream = self.open(&question.target, trace).await?;
            let request = self.request(&question)?;
            let answer = exchange::ask(stream, request, trace, |status, location| {
                let follows = self.probe.max_redirects > 0 && is_redirect(status) && location;
                !follows && self.passes(status) && self.looks_into_bodies()
            });
            // What is read of a body depends on what is wanted of it.
            let only_needle = self.probe.body_regex.is_none();
            let open = answer.await?;
            let (answer, body) =
                open.body(self.probe.max_body, self.contains.as_ref(), only_needle, trace).await?;
            let location = answer.headers.get(LOCATION).filter(|_| is_redirect(answer.status));
            match location.filter(|_| self.probe.max_redirects > 0) {
                Some(_) if followed == self.probe.max_redirects => {
                    return Err(Trouble::failed(format!("more than {followed} redirects")));
                }
                Some(location) => {
                    followed += 1;
                    question = self.next(&question, answer.status, location)?;
                }
                None => return self.judge(&answer, body, trace).await,
            }
        }
    }

    /// A connection to `target`.
    async fn open(&mut self, target: &Target, trace: &Trace) -> Result<Stream, Trouble> {
        let endpoint = self.endpoint(target);
        let net = &self.shared.net;
        let stream = connect(&endpoint, self.limit, net, trace).await?;
        let stream = if target.https {
            trace.enter("tls");
            let stream = {
                let shared = Rc::clone(&self.shared);
                self.client(target).handshake(stream, &shared.net).await?
            };
            Stream::Tls(Box::new(stream))
        } else {
            Stream::Plain(stream)
        };
        // Either the whole answer is there when it ends, or nobody wants the rest.
        stream.end_by_reset();
        Ok(stream)
    }

    /// Where to connect for `target`: `connect_address` stands for the host of the URL, and for no other.
    fn endpoint(&self, target: &Target) -> Endpoint {
        let Some(first) = self.first.as_ref().filter(|first| first.is_of_same_host(target)) else {
            return Endpoint { host: target.host.clone(), port: target.port };
        };
        let port = if first.port == target.port { self.probe.endpoint.port } else { target.port };
        Endpoint { host: self.probe.endpoint.host.clone(), port }
    }

    /// The client side of TLS towards `target`.
    fn client(&mut self, target: &Target) -> &mut TlsClient {
        let own = self.first.as_ref().is_some_and(|first| first.is_of_same_host(target));
        let tls = self.tls_elsewhere(&target.host);
        match &mut self.tls {
            Some(client) if own => client,
            Some(_) | None => {
                if self.elsewhere.as_ref().is_none_or(|(host, _)| *host != target.host) {
                    self.elsewhere = None;
                }
                let make = || (target.host.clone(), TlsClient::new(tls, Some(ALPN)));
                &mut self.elsewhere.get_or_insert_with(make).1
            }
        }
    }

    /// TLS towards another host: as strict, but the client certificate is not for it, nor the name.
    fn tls_elsewhere(&self, host: &Host) -> Tls {
        let own = self.probe.tls.as_ref();
        Tls {
            verify: own.is_none_or(|tls| tls.verify),
            ca_file: own.and_then(|tls| tls.ca_file.clone()),
            server_name: host.clone(),
            client: None,
        }
    }

    fn request(&self, question: &Question) -> Result<Request<Full<Bytes>>, Trouble> {
        let own = self.first.as_ref().is_some_and(|first| first.is_same_server(&question.target));
        let body = self.probe.body.as_ref().filter(|_| own && question.with_body);
        let body = body.map(|text| Bytes::copy_from_slice(text.0.as_bytes())).unwrap_or_default();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = question.method.clone();
        *request.uri_mut() = question.target.path.clone().into();
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(&question.target.authority());
        headers.insert(HOST, host.map_err(|_| Trouble::unknown("the URL's host cannot be a header"))?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        for header in self.probe.headers.iter().filter(|header| own || HARMLESS.contains(&header.name)) {
            headers.insert(header.name.clone(), header.value.clone());
        }
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(request)
    }

    /// What a redirect has asked.
    fn next(
        &self,
        asked: &Question,
        status: StatusCode,
        location: &HeaderValue,
    ) -> Result<Question, Trouble> {
        let target = asked.target.redirected(location)?;
        if asked.target.https && !target.https {
            let text = format!("status {}: a redirect from https to http is not followed", status.as_u16());
            return Err(Trouble::failed(text));
        }
        // RFC 9110, section 15.4: what was posted is not posted again, but for 307 and 308.
        let same = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
            || [Method::GET, Method::HEAD].contains(&asked.method)
            || (asked.method != Method::POST && status != StatusCode::SEE_OTHER);
        let method = if same { asked.method.clone() } else { Method::GET };
        let with_body = same && asked.with_body;
        let own = self.first.as_ref().is_some_and(|first| first.is_same_server(&target));
        if with_body && self.probe.body.is_some() && !own {
            let text = format!("status {}: the body is not sent to another server", status.as_u16());
            return Err(Trouble::failed(text));
        }
        Ok(Question { target, method, with_body })
    }

    fn passes(&self, status: StatusCode) -> bool {
        self.probe.status.iter().any(|range| range.contains(status.as_u16()))
    }

    fn looks_into_bodies(&self) -> bool {
        self.contains.is_some() || self.probe.body_regex.is_some()
    }

    async fn judge(&self, answer: &Answer, body: Option<Body>, trace: &Trace) -> Result<String, Trouble> {
        let status = answer.status.as_u16();
        if !self.passes(answer.status) {
            let text = format!("status {status}, wanted {}", ranges(&self.probe.status));
            return Err(Trouble::failed(text));
        }
        let Some(body) = body else { return Ok(format!("status {status}")) };
        trace.enter("match");
        if self.contains.is_some() && !body.found {
            let text =
                format!("status {status}, but {} does not contain the text that is wanted", body.name());
            return Err(Trouble::failed(text));
        }
        if let Some(pattern) = &self.probe.body_regex {
            let name = body.name();
            let matches = if body.bytes.len() > LONG {
                let pattern = pattern.clone();
                let matching = tokio::task::spawn_blocking(move || pattern.is_match(&body.bytes));
                matching.await.map_err(|_| Trouble::unknown("the program is stopping"))?
            } else {
                pattern.is_match(&body.bytes)
            };
            if !matches {
                let text = format!("status {status}, but {name} does not match the regular expression");
                return Err(Trouble::failed(text));
            }
        }
        Ok(format!("status {status}, the body is as wanted"))
    }
}

/// RFC 9110, section 15.4; the others of 300–399 do not name another place to ask by themselves.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn ranges(ranges: &[StatusRange]) -> String {
    let range = |range: &StatusRange| {
        if range.low == range.high { range.low.to_string() } else { format!("{}-{}", range.low, range.high) }
    };
    ranges.iter().map(range).collect::<Vec<String>>().join(", ")
}
