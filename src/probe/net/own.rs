//! A server's own certificate in `ca_file` that calls itself an authority.
//!
//! Self-signed certificates are made so by default (`openssl req -x509`), and the library takes no authority's certificate
//! for a server's. Whoever lists exactly that certificate trusts it all the same: its name and its time still count. Never:
//! trusts one that is not in the list, byte for byte. Fails: with the library's own errors.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::refusal::is_authority_as_server;

/// Verifies by authorities, or by a certificate that is trusted itself.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) by_authorities: Arc<WebPkiServerVerifier>,
    pub(super) trusted: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Own {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let error = match self.by_authorities.verify_server_cert(certificate, intermediates, name, ocsp, now)
        {
            Err(Error::InvalidCertificate(error)) if is_authority_as_server(&error) => error,
            result => return result,
        };
        if !self.trusted.iter().any(|trusted| trusted.as_ref() == certificate.as_ref()) {
            return Err(Error::InvalidCertificate(error));
        }
        let Some((not_before, not_after)) = validity(certificate.as_ref()) else {
            return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        };
        if now < not_before {
            let error = CertificateError::NotValidYetContext { time: now, not_before };
            return Err(Error::InvalidCertificate(error));
        }
        if now > not_after {
            return Err(Error::InvalidCertificate(CertificateError::ExpiredContext { time: now, not_after }));
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authorities.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authorities.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_authorities.supported_verify_schemes()
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// From when to when a certificate is valid (RFC 5280, section 4.1); nothing else of it is read.
fn validity(certificate: &[u8]) -> Option<(UnixTime, UnixTime)> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if let Some((_, after)) = element(rest, VERSION) {
        rest = after;
    }
    // Serial number, algorithm, issuer.
    for kind in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, rest) = element(rest, kind)?;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let (not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    Some((not_before, not_after))
}

/// The content of the first element, which is of this kind, and what follows it (X.690, sections 8.1 and 10.1).
fn element(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.is_empty() || digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
    };
    let parts = rest.split_at_checked(length)?;
    (found == kind).then_some(parts)
}

/// A point in time, and what follows it (RFC 5280, section 4.1.2.5): years before 2050 in two digits, others in four.
fn time(bytes: &[u8]) -> Option<(UnixTime, &[u8])> {
    let (text, century, rest) = if let Some((text, rest)) = element(bytes, UTC_TIME) {
        (text, None, rest)
    } else {
        let (text, rest) = element(bytes, GENERALIZED_TIME)?;
        let (century, text) = text.split_at_checked(2)?;
        (text, Some(number(century)?), rest)
    };
    let digits = text.strip_suffix(b"Z")?;
    let mut pairs = digits.chunks(2).map(number);
    let mut pair = || pairs.next().flatten();
    let (year, month, day) = (pair()?, pair()?, pair()?);
    let (hour, minute, second) = (pair()?, pair()?, pair()?);
    if digits.len() != 12 {
        return None;
    }
    let century = century.unwrap_or(if year < 50 { 20 } else { 19 });
    let year = i16::from(century) * 100 + i16::from(year);
    let date = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let second = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    // What was before 1970 is long ago.
    let since = Duration::from_secs(u64::try_from(second).unwrap_or(0));
    Some((UnixTime::since_unix_epoch(since), rest))
}

/// Two digits.
fn number(pair: &[u8]) -> Option<i8> {
    let [tens, ones] = pair else { return None };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i8::try_from(byte - b'0').ok()).flatten();
    Some(digit(tens)? * 10 + digit(ones)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        match u8::try_from(content.len()) {
            Ok(length) if length < 0x80 => bytes.push(length),
            Ok(length) => bytes.extend([0x81, length]),
            Err(_) => {
                bytes.push(0x82);
                bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
            }
        }
        bytes.extend(content);
        bytes
    }

    fn certificate(validity: &[u8]) -> Vec<u8> {
        let parts = [
            wrapped(VERSION, &wrapped(INTEGER, &[2])),
            wrapped(INTEGER, &[7]),
            wrapped(SEQUENCE, &[]),
            wrapped(SEQUENCE, &[5; 300]),
            wrapped(SEQUENCE, validity),
        ];
        wrapped(SEQUENCE, &wrapped(SEQUENCE, &parts.concat()))
    }

    #[test]
    fn the_times_of_a_certificate_are_read_in_both_forms() {
        let times =
            [wrapped(UTC_TIME, b"700101000001Z"), wrapped(GENERALIZED_TIME, b"20500101000000Z")].concat();
        let (from, to) = validity(&certificate(&times)).unwrap();
        assert_eq!((from.as_secs(), to.as_secs()), (1, 2_524_608_000));
        let times = [wrapped(UTC_TIME, b"491231235959Z"), wrapped(UTC_TIME, b"500101000000Z")].concat();
        let (from, to) = validity(&certificate(&times)).unwrap();
        assert_eq!((from.as_secs(), to.as_secs()), (2_524_607_999, 0), "1950 is long ago");
    }

    #[test]
    fn no_bytes_are_read_as_what_they_are_not() {
        let good = wrapped(UTC_TIME, b"200101000000Z");
        for bad in [
            &b"200101000000"[..],
            b"20010100000Z",
            b"2001010000000Z",
            b"201301000000Z",
            b"20010100+000Z",
            b"",
        ] {
            let times = [good.clone(), wrapped(UTC_TIME, bad)].concat();
            assert_eq!(validity(&certificate(&times)), None, "{}", String::from_utf8_lossy(bad));
        }
        let whole = certificate(&[good.clone(), good].concat());
        assert!(validity(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(validity(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(element(&[SEQUENCE, 0x80, 0], SEQUENCE), None, "a length that is said later");
        assert_eq!(element(&[SEQUENCE, 0x85, 0, 0, 0, 0, 0], SEQUENCE), None, "a length beyond all bounds");
    }
}
