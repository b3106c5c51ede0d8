//! Why TLS failed, in words: which of the many things is wrong with a certificate.
//!
//! Names in a certificate are a stranger's text and are shown as such.

use std::io;

use jiff::Timestamp;
use tokio_rustls::rustls::pki_types::{ServerName, UnixTime};
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

use super::shown;

/// Most names of a certificate that are told.
const MOST_NAMES: usize = 4;

/// The words for an error of a connection, if it is one of TLS.
pub(super) fn of_io(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?.downcast_ref::<Error>()?;
    Some(of_tls(inner))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library adds errors; each has words of its own")]
pub(super) fn of_tls(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::InvalidMessage(_) => "the server does not speak TLS here".to_owned(),
        Error::PeerIncompatible(_) => "the server and this client have no form of TLS in common".to_owned(),
        Error::InconsistentKeys(_) => "the client's key does not belong to its certificate".to_owned(),
        error => shown(&format!("TLS failed: {error}")),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most alerts are about messages, and their name says all")]
fn of_alert(alert: AlertDescription) -> String {
    let why = match alert {
        AlertDescription::CertificateRequired => "it wants a client certificate",
        AlertDescription::UnknownCA => "it does not trust the client certificate",
        AlertDescription::CertificateExpired => "the client certificate has expired",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRevoked => "it does not accept the client certificate",
        AlertDescription::UnrecognisedName => "it does not know the name",
        AlertDescription::HandshakeFailure => "handshake failure; perhaps it wants a client certificate",
        AlertDescription::ProtocolVersion => "it wants another version of TLS than 1.2 and 1.3",
        other => return shown(&format!("the server refused TLS: alert {other:?}")),
    };
    format!("the server refused TLS: {why}")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library adds errors; each has words of its own")]
fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the certificate expired at {}", moment(*not_after))
        }
        CertificateError::Expired => "the certificate has expired".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the certificate is not valid before {}", moment(*not_before))
        }
        CertificateError::NotValidYet => "the certificate is not valid yet".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("the certificate is not for {}, but for {}", wanted(expected), names(presented))
        }
        CertificateError::NotValidForName => "the certificate is for another name".to_owned(),
        CertificateError::UnknownIssuer => "the certificate is signed by nobody who is trusted".to_owned(),
        CertificateError::BadSignature => "the certificate's signature is wrong".to_owned(),
        CertificateError::Revoked => "the certificate was revoked".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the certificate is not for servers".to_owned()
        }
        error if is_authority_as_server(error) => {
            "the certificate is an authority's (CA:TRUE), not a server's".to_owned()
        }
        error => shown(&format!("the certificate cannot be used: {error}")),
    }
}

/// Whether a certificate was refused as a server's because it calls itself an authority's.
pub(super) fn is_authority_as_server(error: &CertificateError) -> bool {
    // The type of the inner error is another library's; its name is all that is needed.
    matches!(error, CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity"))
}

fn moment(time: UnixTime) -> String {
    let timestamp = i64::try_from(time.as_secs()).ok().and_then(|second| Timestamp::from_second(second).ok());
    timestamp.map_or_else(|| "a time far away".to_owned(), |timestamp| timestamp.to_string())
}

fn wanted(name: &ServerName<'_>) -> String {
    shown(&name.to_str())
}

/// The names as rustls gives them, such as `DnsName("a.example")`.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name at all".to_owned();
    }
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        shown(inner.trim_matches('"'))
    };
    let mut texts: Vec<String> = presented.iter().take(MOST_NAMES).map(bare).collect();
    if presented.len() > MOST_NAMES {
        texts.push("others".to_owned());
    }
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_exactly() {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000));
        let said = |error| of_tls(&Error::InvalidCertificate(error));
        assert_eq!(
            said(CertificateError::ExpiredContext { time, not_after: time }),
            "the certificate expired at 2023-11-14T22:13:20Z"
        );
        assert_eq!(
            said(CertificateError::NotValidYetContext { time, not_before: time }),
            "the certificate is not valid before 2023-11-14T22:13:20Z"
        );
        let expected = ServerName::try_from("www.example.net").unwrap();
        let presented = vec!["DnsName(\"a\u{1b}.example\")".to_owned(), "IpAddress(192.0.2.1)".to_owned()];
        assert_eq!(
            said(CertificateError::NotValidForNameContext { expected, presented }),
            "the certificate is not for www.example.net, but for a\\u{1b}.example, 192.0.2.1"
        );
        assert!(said(CertificateError::UnknownIssuer).contains("nobody who is trusted"));
    }

    #[test]
    fn only_errors_of_tls_are_taken_for_such() {
        assert_eq!(of_io(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
        let error = io::Error::other(Error::AlertReceived(AlertDescription::CertificateRequired));
        assert_eq!(of_io(&error).as_deref(), Some("the server refused TLS: it wants a client certificate"));
    }
}
