//! From the files of `tls:` to what a listener speaks, now and when they change.
//!
//! - **In:** `tls:` of a protocol.
//! - **Out:** a [`Tls`] for the listener, which new connections use.
//! - **Guaranteed:** rustls with ring; nothing that is wrong with a file stops a receiver that runs: the last good
//!   certificate stays in use, and that is said, with a count, once for each change. Keys are in no error.
//! - **Not here:** handshakes ([`crate::listener`]).

use std::{fmt::Display, fs, io, path::Path, sync::Arc};

use pipelines::engine::drain::Drain;
use tokio::{task::spawn_blocking, time::sleep};
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tracing::{info, warn};

use super::config::{self, suite_name};
use crate::listener::Tls;

/// What the files of a `tls:` hold, in the order certificate, key, roots.
type Contents = [Option<Vec<u8>>; 3];

/// Reads what the configuration names.
///
/// # Errors
/// A file cannot be read or does not hold what it should, or the key is of another certificate.
pub(super) fn open(config: &config::Tls, protocols: &[&str]) -> io::Result<Arc<Tls>> {
    Ok(Arc::new(Tls::new(load(config, protocols)?)))
}

/// Looks for changes until the drain begins. Without an interval it ends at once.
pub(super) async fn keep_fresh(
    tls: Arc<Tls>,
    config: config::Tls,
    protocols: &'static [&'static str],
    mut drain: Drain,
) {
    let Some(every) = config.look_every() else { return };
    let mut seen = contents(&config);
    let mut failures = 0_u64;
    loop {
        tokio::select! {
            _ = drain.begun() => return,
            () = sleep(every) => {}
        }
        let before = seen;
        let of = config.clone();
        let looked = spawn_blocking(move || {
            let now = contents(&of);
            let loaded = (now != before).then(|| load(&of, protocols));
            (now, loaded)
        });
        let Ok((now, loaded)) = looked.await else { return };
        seen = now;
        match loaded {
            None => {}
            Some(Ok(config)) => {
                tls.replace(config);
                info!("certificates were read again; new connections use them");
            }
            Some(Err(error)) => {
                failures += 1;
                warn!(%error, failures, "certificates cannot be used; those read before stay in use");
            }
        }
    }
}

fn contents(config: &config::Tls) -> Contents {
    let roots = config.client_ca_file.as_ref().filter(|_| config.client_ca_file_reload);
    let certificate = config.reload_interval.is_some();
    let files = [&config.cert_file, &config.key_file].map(|file| file.as_ref().filter(|_| certificate));
    [files[0], files[1], roots].map(|file| file.and_then(|path| fs::read(path).ok()))
}

fn load(config: &config::Tls, protocols: &[&str]) -> io::Result<ServerConfig> {
    let certificates = text("cert_file", config.cert_file.as_deref(), config.cert_pem.as_deref())?;
    let key = text("key_file", config.key_file.as_deref(), config.key_pem.as_ref().map(|key| key.reveal()))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&certificates)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong("cert_file", error))?;
    if chain.is_empty() {
        return Err(wrong("cert_file", "holds no certificate in PEM"));
    }
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| wrong("key_file", "holds no private key in PEM that we can read"))?;
    let mut provider = default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some() || config.takes_suite(&suite_name(*suite)));
    let provider = Arc::new(provider);
    let versions = config.versions().map_err(|error| wrong("", error))?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| wrong("cipher_suites", error))?;
    let builder = match &config.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(roots(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| wrong("client_ca_file", error))?)
        }
    };
    let mut server = builder.with_single_cert(chain, key).map_err(|error| wrong("key_file", error))?;
    server.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(server)
}

fn roots(path: &Path) -> io::Result<RootCertStore> {
    let pem = text("client_ca_file", Some(path), None)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong("client_ca_file", error))?;
        roots.add(certificate).map_err(|error| wrong("client_ca_file", error))?;
    }
    if roots.is_empty() {
        return Err(wrong("client_ca_file", "holds no certificate in PEM"));
    }
    Ok(roots)
}

fn text(key: &str, file: Option<&Path>, pem: Option<&str>) -> io::Result<Vec<u8>> {
    match (file, pem) {
        (Some(path), _) => fs::read(path).map_err(|error| wrong(key, format!("{}: {error}", path.display()))),
        (None, pem) => Ok(pem.unwrap_or_default().as_bytes().to_vec()),
    }
}

fn wrong(key: &str, what: impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("tls.{key}: {what}"))
}
