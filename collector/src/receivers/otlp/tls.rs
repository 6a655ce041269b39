//! From the files of `tls:` to what a listener speaks, now and when they change.
//!
//! - **In:** `tls:` of a protocol.
//! - **Out:** a [`Tls`] for the listener, which new connections use.
//! - **Guaranteed:** rustls with ring; nothing that is wrong with a file stops a receiver that runs: the last good
//!   certificate stays in use, and that is said, with a count, once for each change. Keys are in no error.
//! - **Not here:** handshakes ([`crate::listener`]).

use std::{fmt::Display, fs, io, path::PathBuf, sync::Arc};

use exporters::tls::{Reloads, certificates, pem, verify::Trusted};
use pipelines::{config::ConfigError, engine::drain::Drain};
use tokio::{task::spawn_blocking, time::sleep};
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring::default_provider},
    pki_types::{PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
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
    let loaded = load(config, protocols)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.under("tls").to_string()));
    Ok(Arc::new(Tls::new(loaded?)))
}

/// Looks for changes until the drain begins. Without an interval it ends at once.
pub(super) async fn keep_fresh(
    tls: Arc<Tls>,
    config: config::Tls,
    protocols: &'static [&'static str],
    reloads: Arc<Reloads>,
    mut drain: Drain,
) {
    let Some(every) = config.look_every() else { return };
    let mut seen = contents(&config);
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
                reloads.done.add(1);
                info!("certificates were read again; new connections use them");
            }
            Some(Err(error)) => {
                reloads.failed.add(1);
                warn!(%error, failures = reloads.failed.total(), "certificates cannot be used; those read before stay in use");
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

/// What [`open`] would find wrong, with its path below `tls`.
pub(super) fn fault(config: &config::Tls) -> Option<ConfigError> {
    load(config, &[]).err()
}

fn load(config: &config::Tls, protocols: &[&str]) -> Result<ServerConfig, ConfigError> {
    let chain = pem("cert_file", config.cert_file.as_ref(), config.cert_pem.as_deref())?;
    let key = config.key_pem.as_ref().map(|key| key.reveal());
    let key = pem("key_file", config.key_file.as_ref(), key)?;
    let chain = certificates("cert_file", &chain.unwrap_or_default())?;
    let key = PrivateKeyDer::from_pem_slice(&key.unwrap_or_default())
        .map_err(|_| wrong("key_file", "holds no private key in PEM that we can read"))?;
    let mut provider = default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some() || config.takes_suite(&suite_name(*suite)));
    let provider = Arc::new(provider);
    let versions = config.versions()?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| wrong("cipher_suites", error))?;
    let builder = match &config.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => builder.with_client_cert_verifier(clients(path, provider)?),
    };
    let mut server = builder
        .with_single_cert(chain, key)
        .map_err(|error| wrong("key_file", format!("does not fit cert_file: {error}")))?;
    server.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(server)
}

/// Takes clients whose certificates these authorities have signed, and who show one of these themselves.
fn clients(
    path: &PathBuf,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
    let text = pem("client_ca_file", Some(path), None)?;
    let own = certificates("client_ca_file", &text.unwrap_or_default())?;
    let mut roots = RootCertStore::empty();
    for certificate in &own {
        roots.add(certificate.clone()).map_err(|error| wrong("client_ca_file", error))?;
    }
    let chains = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let chains = chains.map_err(|error| wrong("client_ca_file", error))?;
    Ok(Arc::new(Trusted::new(own, chains)))
}

fn wrong(key: &str, what: impl Display) -> ConfigError {
    ConfigError::new(key, what.to_string())
}
