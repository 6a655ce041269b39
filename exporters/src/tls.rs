//! TLS as a client speaks it: whom we trust, who we are, and files that are read again.
//!
//! Read in this order: [`config`] (what users write under `tls:`), this file (from files to connections), [`verify`]
//! (whose certificate is taken), [`stream`] (a connection, in the clear or not).
//!
//! - **In:** `tls:` of an exporter, a connected socket and the name of the host.
//! - **Out:** the socket with TLS 1.2 or 1.3 on it, by rustls with ring.
//! - **Guaranteed:** with `reload_interval`, a connection opened later than that after the last reading uses the files
//!   as they are by then; files that cannot be used leave the last good ones in use, which is said and counted. Keys are
//!   in no log and no error.
//! - **Not here:** servers, and open connections: they keep what they began with.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pipelines::{config::ConfigError, engine::edge::Count};
use tokio::{net::TcpStream, task::spawn_blocking, time::Instant};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        client::WebPkiServerVerifier,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};
use tracing::{info, warn};

pub mod config;
pub mod stream;
pub mod verify;

pub use config::Tls;

/// All that is needed to speak TLS to a destination.
pub struct TlsClient {
    tls: Tls,
    /// What we offer by ALPN, the best first.
    protocols: Vec<Vec<u8>>,
    current: Mutex<Current>,
    reloads: Arc<Reloads>,
}

/// How often certificates were read again while the process ran, by what came of it.
#[derive(Debug, Default)]
pub struct Reloads {
    /// New connections use what was read.
    pub done: Count,
    /// It could not be used; what was read before stays in use.
    pub failed: Count,
}

struct Current {
    config: Arc<ClientConfig>,
    read: Instant,
}

// === impl TlsClient ===

impl TlsClient {
    /// Reads what is to be trusted and shown. `protocols` are offered by ALPN.
    ///
    /// # Errors
    /// A file cannot be read, or does not hold what it should; paths are below `tls`.
    pub fn open(tls: &Tls, protocols: &[&str]) -> Result<Self, ConfigError> {
        let protocols: Vec<_> = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let current = Mutex::new(Current { config: read(tls, &protocols)?, read: now() });
        Ok(Self { tls: tls.clone(), protocols, current, reloads: Arc::default() })
    }

    /// What [`TlsClient::open`] would find wrong with the files, with its path below `tls`.
    pub fn file_fault(tls: &Tls) -> Option<ConfigError> {
        read(tls, &[]).err()
    }

    /// Speaks TLS with `host` over an open connection.
    ///
    /// # Errors
    /// The handshake fails, or nobody can have such a name.
    pub async fn connect(&self, host: &str, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = self.tls.server_name_override.as_deref().unwrap_or(host);
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        TlsConnector::from(self.config().await).connect(name, socket).await
    }

    /// How often files were read again.
    pub fn reloads(&self) -> &Arc<Reloads> {
        &self.reloads
    }

    /// What a new connection uses, read again if it is time.
    async fn config(&self) -> Arc<ClientConfig> {
        if self.is_due() {
            let (tls, protocols) = (self.tls.clone(), self.protocols.clone());
            let read = spawn_blocking(move || read(&tls, &protocols)).await;
            match read.map_err(|error| ConfigError::new("", error.to_string())).flatten() {
                Ok(config) => {
                    info!("certificates were read again");
                    self.lock().config = config;
                    self.reloads.done.add(1);
                }
                Err(error) => {
                    self.reloads.failed.add(1);
                    let failures = self.reloads.failed.total();
                    warn!(%error, failures, "certificates cannot be used; those read before stay in use");
                }
            }
        }
        Arc::clone(&self.lock().config)
    }

    /// Whether it is time to read the files again. Says so once each time.
    fn is_due(&self) -> bool {
        let Some(every) = self.tls.reload_interval.filter(|every| !every.0.is_zero()) else { return false };
        let mut current = self.lock();
        let is_due = current.read.elapsed() >= every.0;
        if is_due {
            current.read = now();
        }
        is_due
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsClient({:?})", self.tls)
    }
}

/// Everything a handshake needs.
fn read(tls: &Tls, protocols: &[Vec<u8>]) -> Result<Arc<ClientConfig>, ConfigError> {
    let provider = provider();
    let versions: Vec<&'static SupportedProtocolVersion> = tls.versions()?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| ConfigError::new("min_version", error.to_string()))?;
    let builder = if tls.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verify::Anybody(provider)))
    } else {
        let (roots, own) = trusted(tls)?;
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let chains = chains.map_err(|error| ConfigError::new("ca_file", error.to_string()))?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verify::Trusted::new(own, chains)))
    };
    let mut config = match identity(tls)? {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| ConfigError::new("key_file", format!("does not fit cert_file: {error}")))?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.to_vec();
    Ok(Arc::new(config))
}

/// The one provider of cryptography. rustls panics where it has to choose between two, so it is always named.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Whom we trust, and those of them that are named and not the system's.
fn trusted(tls: &Tls) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), ConfigError> {
    let mut roots = RootCertStore::empty();
    let own = pem("ca_file", tls.ca_file.as_ref(), tls.ca_pem.as_deref())?;
    if own.is_none() || tls.include_system_ca_certs_pool {
        let system = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(system.certs);
        if added == 0 && own.is_none() {
            let message = "is missing, and the system trusts no certificate; name one to trust";
            return Err(ConfigError::new("ca_file", message));
        }
    }
    let own = own.map(|pem| certificates("ca_file", &pem)).transpose()?.unwrap_or_default();
    for certificate in &own {
        let wrong = |error| ConfigError::new("ca_file", format!("holds a certificate that is none: {error}"));
        roots.add(certificate.clone()).map_err(wrong)?;
    }
    Ok((roots, own))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(tls: &Tls) -> Result<Option<Identity>, ConfigError> {
    let chain = pem("cert_file", tls.cert_file.as_ref(), tls.cert_pem.as_deref())?;
    let key_pem = tls.key_pem.as_ref().map(|key| key.reveal());
    let key = pem("key_file", tls.key_file.as_ref(), key_pem)?;
    let (Some(chain), Some(key)) = (chain, key) else { return Ok(None) };
    let chain = certificates("cert_file", &chain)?;
    let wrong = |_| ConfigError::new("key_file", "holds no private key in PEM");
    Ok(Some((chain, PrivateKeyDer::from_pem_slice(&key).map_err(wrong)?)))
}

/// All certificates of a PEM text, at least one.
pub fn certificates(path: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let wrong = |what: &str| ConfigError::new(path, what);
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|_| wrong("is not PEM"))?;
    if read.is_empty() { Err(wrong("holds no certificate in PEM")) } else { Ok(read) }
}

/// A PEM text, out of a file or the configuration itself.
///
/// # Errors
/// The file cannot be read.
pub fn pem(path: &str, file: Option<&PathBuf>, text: Option<&str>) -> Result<Option<Vec<u8>>, ConfigError> {
    let Some(file) = file else { return Ok(text.map(|text| text.as_bytes().to_vec())) };
    let read = std::fs::read(file);
    read.map(Some)
        .map_err(|error| ConfigError::new(path, format!("`{}` cannot be read: {error}", file.display())))
}

#[expect(clippy::disallowed_methods, reason = "an exporter owns its clock")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
pub(crate) mod tests;
