//! TLS on the connections of a listener.
//!
//! - **In:** accepted connections, and the configuration that new ones are to use.
//! - **Guaranteed:** a handshake takes at most [`HANDSHAKE_MAX`]; who is in the middle of one holds a place like any
//!   other silent connection, and so loses it first when places are wanted.
//! - **Not here:** certificates, which come from whoever configures the listener.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

use super::socket::Raw;

/// What new connections use.
pub(crate) struct Tls(Mutex<Arc<ServerConfig>>);

// === impl Tls ===

impl Tls {
    pub(crate) fn new(config: ServerConfig) -> Self {
        Self(Mutex::new(Arc::new(config)))
    }

    /// New connections use `config`; those that are open keep what they have.
    pub(crate) fn replace(&self, config: ServerConfig) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    pub(super) async fn accept(&self, stream: Raw) -> io::Result<TlsStream<Raw>> {
        let config = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let handshake = TlsAcceptor::from(config).accept(stream);
        timeout(HANDSHAKE_MAX, handshake).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl fmt::Debug for Tls {
    /// No keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// A handshake is two short messages each way.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
