//! From a host and a port to a TCP connection: lookup, and the addresses tried in turn.
//!
//! An address that does not answer must not use up the time limit of a run while the next would: attempts begin one
//! after the other, a part of the limit apart, the families taking turns, and the first connection counts (the idea of
//! RFC 8305). Never: retries an address. Fails: with what each address said.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;

use super::{Net, Trouble, is_shortage, words};
use crate::config::model::{Endpoint, Host};
use crate::probe::trace::Trace;

/// Longest wait for an address before the next is tried beside it (RFC 8305, section 5).
const LONGEST_STAGGER: Duration = Duration::from_millis(250);
/// Most refusals in a text.
const MOST_TOLD: usize = 4;

/// What an address answered.
type Attempt = Pin<Box<dyn Future<Output = (SocketAddr, io::Result<TcpStream>)>>>;
type Refusal = (SocketAddr, io::Error);

/// A connection to `endpoint`; `limit` is that of the whole run.
pub(in crate::probe) async fn connect(
    endpoint: &Endpoint,
    limit: Duration,
    net: &Net,
    trace: &Trace,
) -> Result<TcpStream, Trouble> {
    let addresses = addresses(endpoint, net, trace).await?;
    trace.enter("connect");
    let stream = match addresses.as_slice() {
        [only] => TcpStream::connect(only).await.map_err(|error| vec![(*only, error)]),
        several => {
            let attempts = u32::try_from(several.len()).unwrap_or(u32::MAX).saturating_add(1);
            race(several, LONGEST_STAGGER.min(limit / attempts)).await
        }
    };
    let stream = stream.map_err(|refusals| refused(&refusals))?;
    // Requests are written whole; to wait for more would only delay them.
    let _ = stream.set_nodelay(true);
    trace.close(&stream.peer_addr().map_or_else(|error| words(&error), |address| address.to_string()));
    Ok(stream)
}

/// Where a host is.
async fn addresses(endpoint: &Endpoint, net: &Net, trace: &Trace) -> Result<Vec<SocketAddr>, Trouble> {
    let port = endpoint.port;
    match &endpoint.host {
        Host::Address(address) => Ok(vec![SocketAddr::new(*address, port)]),
        Host::LinkLocal(address, link) => {
            let index = nix::net::if_::if_nametoindex(link.as_str())
                .map_err(|_| Trouble::failed(format!("there is no interface {link}")))?;
            Ok(vec![SocketAddr::V6(SocketAddrV6::new(*address, port, 0, index))])
        }
        Host::Name(name) => {
            trace.enter("lookup");
            let found = net.lookups.find(name).await?;
            let texts: Vec<String> = found.iter().map(IpAddr::to_string).collect();
            trace.close(&texts.join(", "));
            Ok(in_turn(&found).into_iter().map(|address| SocketAddr::new(address, port)).collect())
        }
    }
}

/// The families take turns, beginning with that of the first address.
fn in_turn(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (same, other): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut ordered = Vec::new();
    loop {
        let pair = [same.next(), other.next()];
        if pair == [None, None] {
            return ordered;
        }
        ordered.extend(pair.into_iter().flatten());
    }
}

/// The first connection; the next address is tried when one has failed, or has said nothing for `stagger`.
async fn race(addresses: &[SocketAddr], stagger: Duration) -> Result<TcpStream, Vec<Refusal>> {
    let mut next = addresses.iter().copied();
    let mut running: Vec<Attempt> = Vec::new();
    let mut refusals = Vec::new();
    loop {
        let address = next.next();
        let more = address.is_some();
        if let Some(address) = address {
            running.push(Box::pin(async move { (address, TcpStream::connect(address).await) }));
        }
        if running.is_empty() {
            return Err(refusals);
        }
        let ended = if more && next.len() > 0 {
            tokio::time::timeout(stagger, first_of(&mut running)).await.ok()
        } else {
            Some(first_of(&mut running).await)
        };
        match ended {
            Some((_, Ok(stream))) => return Ok(stream),
            Some((address, Err(error))) => refusals.push((address, error)),
            None => {}
        }
    }
}

/// What the first attempt that ended came to; it is taken out. Waits for ever when there is none.
async fn first_of(running: &mut Vec<Attempt>) -> (SocketAddr, io::Result<TcpStream>) {
    poll_fn(|context| {
        let ended =
            running.iter_mut().enumerate().find_map(|(at, attempt)| match attempt.as_mut().poll(context) {
                Poll::Ready(result) => Some((at, result)),
                Poll::Pending => None,
            });
        ended.map_or(Poll::Pending, |(at, result)| {
            drop(running.swap_remove(at));
            Poll::Ready(result)
        })
    })
    .await
}

fn refused(refusals: &[Refusal]) -> Trouble {
    let mut texts: Vec<String> =
        refusals.iter().take(MOST_TOLD).map(|(address, error)| refusal(*address, error)).collect();
    if let Some(more) = refusals.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
        texts.push(format!("and {more} more"));
    }
    let text = texts.join(", ");
    match refusals.iter().find(|(_, error)| is_shortage(error)) {
        Some((_, error)) => Trouble::kernel(text, error),
        None => Trouble::failed(text),
    }
}

/// Why there is no connection, or no longer.
pub(in crate::probe) fn refusal(address: SocketAddr, error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    let said = |words: &str| format!("{words} {address}");
    // Most of the kinds cannot come from a connection.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the kinds of the standard library are not complete")]
    match error.kind() {
        Kind::ConnectionRefused => said("connection refused by"),
        Kind::ConnectionReset => said("connection reset by"),
        Kind::HostUnreachable => said("no route to"),
        Kind::NetworkUnreachable => said("no network towards"),
        Kind::TimedOut => said("no answer from"),
        _ => format!("cannot connect to {address}: {}", words(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::LinkName;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    #[test]
    fn the_families_take_turns() {
        let addresses =
            |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let found = addresses(&["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"]);
        assert_eq!(in_turn(&found), addresses(&["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"]));
        assert_eq!(in_turn(&[]), Vec::<IpAddr>::new());
    }

    /// An address of this host whose queue of connections is full answers nothing.
    fn black_hole() -> (socket2::Socket, Vec<std::net::TcpStream>, SocketAddr) {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut held = Vec::new();
        while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            held.push(stream);
        }
        (listener, held, address)
    }

    #[test]
    fn an_address_that_says_nothing_does_not_use_up_the_limit() {
        let (_listener, _held, silent) = black_hole();
        let there = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let good = there.local_addr().unwrap();
        let stream = block_on(race(&[silent, good], Duration::from_millis(20))).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    }

    #[test]
    fn every_address_that_refused_is_told() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refusals = block_on(race(&[free, free], Duration::from_millis(20))).unwrap_err();
        let text = format!("connection refused by {free}");
        assert_eq!(crate::health::outcome::Outcome::from(refused(&refusals)).text, format!("{text}, {text}"));
        let many: Vec<Refusal> =
            (0..6).map(|_| (free, io::Error::from(io::ErrorKind::HostUnreachable))).collect();
        assert!(refused(&many).text.ends_with(", and 2 more"));
    }

    #[test]
    fn an_interface_that_is_not_there_is_named() {
        let host = Host::LinkLocal("fe80::1".parse().unwrap(), LinkName::new("nowhere0").unwrap());
        let endpoint = Endpoint { host, port: 1 };
        let trouble =
            block_on(connect(&endpoint, Duration::from_secs(1), &Net::default(), &Trace::new())).unwrap_err();
        assert_eq!(trouble.text, "there is no interface nowhere0");
    }
}
