//! TLS of a check: whom it trusts, what it shows, and the handshake.
//!
//! Owns: the client configuration of a check, made again when one of its files has changed, and the system's authorities,
//! read once an hour at most and shared by all checks. Files are read on threads where that may block. Never: resumes a
//! session, since each run is to see the certificate; logs or shows anything of a key. Fails: with a [`Trouble`] that names
//! the file or says what is wrong with the certificate.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::own::Own;
use super::{Job, Net, Trouble, refusal, shown, stream, words};
use crate::config::model::{Host, Tls};
use crate::os::clock;
use crate::time::Instant;

/// How long the system's authorities count as read; they change when the system is updated.
const FRESH: Duration = Duration::from_hours(1);
/// Largest file of certificates or keys that is read, in bytes.
const LARGEST_FILE: u64 = 8 << 20;

/// The algorithms, shared by all.
static ALGORITHMS: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));

type Verifier = Arc<dyn ServerCertVerifier>;

/// The client side of TLS of one check.
#[derive(Debug)]
pub(in crate::probe) struct TlsClient {
    tls: Tls,
    /// What is spoken inside, as ALPN has it.
    protocol: Option<&'static [u8]>,
    built: Option<Built>,
    reading: Job<Result<Option<Material>, String>>,
}

/// A configuration, and what it was made of.
#[derive(Debug)]
struct Built {
    stamps: Vec<Stamp>,
    system: Option<Instant>,
    config: Arc<ClientConfig>,
}

/// What the files of a check hold.
#[derive(Debug)]
struct Material {
    stamps: Vec<Stamp>,
    authorities: Option<Vec<CertificateDer<'static>>>,
    client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// Another stamp means that the file may hold something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl TlsClient {
    /// `protocol` is spoken inside.
    pub(in crate::probe) fn new(tls: Tls, protocol: Option<&'static [u8]>) -> Self {
        TlsClient { tls, protocol, built: None, reading: Job::default() }
    }

    /// The handshake over `stream`.
    pub(in crate::probe) async fn handshake(
        &mut self,
        stream: TcpStream,
        net: &Net,
    ) -> Result<TlsStream<TcpStream>, Trouble> {
        let name = name(&self.tls.server_name)?;
        let config = self.config(net).await?;
        let peer = stream.peer_addr().ok();
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| stream::broken(peer, &error))
    }

    async fn config(&mut self, net: &Net) -> Result<Arc<ClientConfig>, Trouble> {
        let system = if self.tls.verify && self.tls.ca_file.is_none() {
            Some(net.authorities.get().await?)
        } else {
            None
        };
        let read_at = system.as_ref().map(|(read_at, _)| *read_at);
        let known = self.built.as_ref().filter(|built| built.system == read_at);
        let material = if files(&self.tls).is_empty() {
            match known {
                Some(built) => return Ok(Arc::clone(&built.config)),
                None => Material { stamps: Vec::new(), authorities: None, client: None },
            }
        } else {
            let (tls, stamps) = (self.tls.clone(), known.map(|built| built.stamps.clone()));
            let read = self.reading.result(move || read(&tls, stamps.as_deref())).await?;
            match (read.map_err(Trouble::failed)?, known) {
                (Some(material), _) => material,
                (None, Some(built)) => return Ok(Arc::clone(&built.config)),
                // Asked by a run that ended early, and the configuration has been thrown away since.
                (None, None) => {
                    return Err(Trouble::unknown("the files of `tls` have changed while they were read"));
                }
            }
        };
        let stamps = material.stamps.clone();
        let config = Arc::new(self.build(material, system.map(|(_, verifier)| verifier))?);
        self.built = Some(Built { stamps, system: read_at, config: Arc::clone(&config) });
        Ok(config)
    }

    fn build(&self, material: Material, system: Option<Verifier>) -> Result<ClientConfig, Trouble> {
        let verifier = match (system, material.authorities) {
            (Some(system), _) => system,
            (None, Some(trusted)) => of_file(trusted)?,
            (None, None) => Arc::new(Anybody),
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&ALGORITHMS))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match material.client {
            Some((certificates, key)) => {
                builder.with_client_auth_cert(certificates, key).map_err(|error| unusable(&error))?
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        config.alpn_protocols = self.protocol.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }
}

fn unusable(error: &Error) -> Trouble {
    Trouble::failed(refusal::of_tls(error))
}

/// The name to ask for and to find in the certificate.
fn name(host: &Host) -> Result<ServerName<'static>, Trouble> {
    match host {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::LinkLocal(address, _) => Ok(ServerName::from(IpAddr::V6(*address))),
        Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
            .map_err(|_| Trouble::failed(format!("{} cannot be the name in a certificate", shown(name)))),
    }
}

/// The system's certificate authorities.
#[derive(Debug, Default)]
pub(in crate::probe) struct Authorities(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    verifier: Option<(Instant, Verifier)>,
    reading: Job<Result<RootCertStore, String>>,
}

impl Authorities {
    /// The verifier by them, and when they were read.
    async fn get(&self) -> Result<(Instant, Verifier), Trouble> {
        let mut known = self.0.lock().await;
        let now = clock::now();
        if let Some((read_at, verifier)) = known.verifier.as_ref().filter(|(at, _)| now.since(*at) < FRESH) {
            return Ok((*read_at, Arc::clone(verifier)));
        }
        let store = known.reading.result(of_the_system).await?.map_err(Trouble::failed)?;
        let verifier: Verifier = verifier(store)?;
        known.verifier = Some((now, Arc::clone(&verifier)));
        Ok((now, verifier))
    }
}

fn of_the_system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // Some systems hold certificates that nobody can use; the others count.
    store.add_parsable_certificates(found.certs);
    if !store.is_empty() {
        return Ok(store);
    }
    let why =
        found.errors.first().map(|error| format!(" ({})", shown(&error.to_string()))).unwrap_or_default();
    Err(format!(
        "this system has no certificate authorities{why}: install ca-certificates, or set `ca_file` or `verify = false`"
    ))
}

/// Trusts the certificates of a `ca_file`.
fn of_file(trusted: Vec<CertificateDer<'static>>) -> Result<Verifier, Trouble> {
    let mut store = RootCertStore::empty();
    for certificate in &trusted {
        store.add(certificate.clone()).map_err(|error| {
            Trouble::failed(shown(&format!("a certificate of `ca_file` cannot be used: {error}")))
        })?;
    }
    Ok(Arc::new(Own { by_authorities: verifier(store)?, trusted }))
}

fn verifier(store: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, Trouble> {
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&ALGORITHMS)).build();
    built.map_err(|error| Trouble::failed(shown(&format!("the authorities cannot be used: {error}"))))
}

/// The files of a check, in a fixed order.
fn files(tls: &Tls) -> Vec<&PathBuf> {
    let client = tls.client.iter().flat_map(|client| [&client.cert, &client.key]);
    tls.ca_file.iter().filter(|_| tls.verify).chain(client).collect()
}

/// What the files hold; `None` if their stamps are those that are `known`.
fn read(tls: &Tls, known: Option<&[Stamp]>) -> Result<Option<Material>, String> {
    // Stamped before they are read: what changes in between is read again the next time.
    let stamps = files(tls).into_iter().map(|path| stamp(path)).collect::<Result<Vec<Stamp>, String>>()?;
    if known == Some(stamps.as_slice()) {
        return Ok(None);
    }
    let mut authorities = None;
    if let Some(path) = tls.ca_file.as_ref().filter(|_| tls.verify) {
        authorities = Some(certificates(path)?);
    }
    let mut client = None;
    if let Some(files) = &tls.client {
        let key = PrivateKeyDer::from_pem_slice(&content(&files.key)?).map_err(|error| {
            let path = files.key.display();
            if matches!(error, pem::Error::NoItemsFound) {
                format!("there is no private key without a passphrase in {path}")
            } else {
                format!("{path} is not a PEM file: {}", shown(&error.to_string()))
            }
        })?;
        client = Some((certificates(&files.cert)?, key));
    }
    Ok(Some(Material { stamps, authorities, client }))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = content(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(format!("there is no certificate in {}", path.display())),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{} is not a PEM file: {}", path.display(), shown(&error.to_string()))),
    }
}

fn content(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| unread(path, &error))
}

fn stamp(path: &Path) -> Result<Stamp, String> {
    let found = fs::metadata(path).map_err(|error| unread(path, &error))?;
    if !found.is_file() {
        return Err(format!("{} is no regular file", path.display()));
    }
    if found.len() > LARGEST_FILE {
        return Err(format!("{} is larger than {} MiB", path.display(), LARGEST_FILE >> 20));
    }
    Ok(Stamp {
        file: (found.dev(), found.ino()),
        size: found.len(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

fn unread(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    if error.kind() == io::ErrorKind::NotFound {
        return format!("cannot read {path}: there is no such file");
    }
    format!("cannot read {path}: {}", words(error))
}

/// Takes any certificate, and whatever its owner signs: `verify = false`.
struct Anybody;

impl fmt::Debug for Anybody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anybody")
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.signature_verification_algorithms.supported_schemes()
    }
}
