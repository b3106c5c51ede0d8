//! Probes over the network but for HTTP: TCP and ping; and `tls`, which TCP and HTTP share.

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Diagnostics};
use super::super::formats::{self, Fault};
use super::super::keys::{self, Key};
use super::super::model::{ClientCertificate, Endpoint, Host, PingProbe, Probe, TcpProbe, Text, Tls};
use super::super::reader::{self, At, Table};
use super::super::tree::{Entry, Node};

/// `tcp`.
pub(super) fn tcp(check: &str, mut table: Table<'_>, problems: &mut Diagnostics) -> Option<Probe> {
    let row = table.row("address");
    let address = table.require("address", problems).and_then(|entry| endpoint(row, &entry.node, problems));
    let send = some_text(&mut table, "send", problems);
    let expect = some_text(&mut table, "expect", problems);
    let tls_entry = table.take("tls");
    table.finish(problems);
    let host = address.as_ref().map(|at| &at.value.host);
    let tls = tls_entry.and_then(|entry| tls(check, entry, host, problems));
    Some(Probe::Tcp(TcpProbe { address: address?.value, send, expect, tls }))
}

/// A text that may be there.
pub(super) fn some_text(
    table: &mut Table<'_>,
    key: &'static str,
    problems: &mut Diagnostics,
) -> Option<Text> {
    let row = table.row(key);
    let text =
        |entry: &Entry| formats::text(row, &entry.node, problems).map(|text| Text(text.value.to_owned()));
    table.take(key).and_then(text)
}

/// A host and its port.
fn endpoint(row: &Key, node: &Node, problems: &mut Diagnostics) -> Option<At<Endpoint>> {
    formats::read(row, "must be a host and a port", node, problems, |text| {
        let (host, port) = formats::endpoint_text(text)?;
        match port {
            Some(port) => Ok(Endpoint { host, port }),
            None if matches!(host, Host::Name(_) | Host::Address(std::net::IpAddr::V4(_))) => {
                Err(Fault::whole("the port is missing").hint(format!("with its port: \"{host}:PORT\"")))
            }
            None => {
                Err(Fault::whole("the port is missing").hint(format!("with its port: \"[{host}]:PORT\"")))
            }
        }
    })
}

/// `ping`.
pub(super) fn ping(mut table: Table<'_>, problems: &mut Diagnostics) -> Option<Probe> {
    let row = table.row("address");
    let address = table.require("address", problems).and_then(|entry| {
        formats::read(row, "must be an IP address", &entry.node, problems, |text| {
            if let Some(at) = text.find('/') {
                return Err(Fault::at(at..text.len(), "an address alone belongs here"));
            }
            match formats::host_text(text)? {
                Host::Name(_) => Err(Fault::whole("a name, which would have to be looked up")),
                host @ (Host::Address(_) | Host::LinkLocal(..)) => Ok(host),
            }
        })
    });
    let count: Option<At<u8>> = table.number("count", problems);
    let min_replies: Option<At<u8>> = table.number("min_replies", problems);
    let place = table.place().clone();
    table.finish(problems);
    let (address, count, min_replies) = (address?, count?, min_replies?);
    if min_replies.value > count.value {
        let message = "`min_replies` is greater than `count`";
        let mut diagnostic = Diagnostic::error(Code::ProbeContradiction, &min_replies.place, message)
            .label("more replies than requests: this cannot pass");
        if count.place == place {
            diagnostic = diagnostic.hint(format!("`count` is {} by default", count.value));
        } else {
            diagnostic = diagnostic.related(&count.place, "so many requests");
        }
        problems.push(diagnostic);
    }
    Some(Probe::Ping(PingProbe {
        address: address.value,
        count: count.value,
        min_replies: min_replies.value,
    }))
}

/// `tls` of a probe that connects to `host`, where that could be read.
pub(super) fn tls(
    check: &str,
    entry: &Entry,
    host: Option<&Host>,
    problems: &mut Diagnostics,
) -> Option<Tls> {
    let hint = "such as tls = { ca_file = \"/etc/ssl/ca.pem\" }; or tls = {} for the defaults";
    let entries = reader::table("tls", &entry.node, hint, problems)?;
    let mut table = Table::new(keys::TLS, format!("`tls` of check `{check}`"), entry.key.clone(), entries);
    let verify = table.boolean("verify", problems);
    let ca_entry = table.take("ca_file");
    let name_entry = table.take("server_name");
    let cert = table.take("client_cert");
    let key = table.take("client_key");
    table.finish(problems);
    let ca_file =
        ca_entry.and_then(|entry| formats::path(keys::row(keys::TLS, "ca_file"), &entry.node, problems));
    let server_name = name_entry.and_then(|entry| {
        formats::read(
            keys::row(keys::TLS, "server_name"),
            "must be a host name or an IP address",
            &entry.node,
            problems,
            formats::host_text,
        )
    });
    let client = client_certificate(cert, key, problems);
    let verify = verify?;
    if let Some(entry) = ca_entry.filter(|_| !verify.value) {
        let message = "`ca_file` has no effect here";
        let diagnostic = Diagnostic::warning(Code::NoEffect, &entry.key, message)
            .label("no certificate is held against it")
            .related(&verify.place, "nothing is verified");
        problems.push(diagnostic);
    }
    let server_name = server_name.map(|name| name.value).or_else(|| host.cloned());
    let ca_file = ca_file.map(|path| path.value);
    Some(Tls { verify: verify.value, ca_file, server_name: server_name?, client })
}

fn client_certificate(
    cert: Option<&Entry>,
    key: Option<&Entry>,
    problems: &mut Diagnostics,
) -> Option<ClientCertificate> {
    let (there, lacks) = match (cert, key) {
        (None, None) => return None,
        (Some(cert), Some(key)) => {
            let cert = formats::path(keys::row(keys::TLS, "client_cert"), &cert.node, problems);
            let key = formats::path(keys::row(keys::TLS, "client_key"), &key.node, problems);
            return Some(ClientCertificate { cert: cert?.value, key: key?.value });
        }
        (Some(cert), None) => (cert, "client_key"),
        (None, Some(key)) => (key, "client_cert"),
    };
    let message = format!("`client_cert` and `client_key` belong together: `{lacks}` is missing");
    let diagnostic = Diagnostic::error(Code::MissingKey, &there.key, message)
        .label("of no use alone")
        .hint("where one file holds both, name it twice");
    problems.push(diagnostic);
    None
}
