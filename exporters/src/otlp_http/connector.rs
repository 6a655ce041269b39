//! The way to a destination: its name looked up, an address that answers, TLS if the URL says so.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Uri, uri::Scheme};
use hyper_util::client::legacy::connect::HttpConnector;
use pipelines::config::ConfigError;
use tower::Service;

use super::Config;
use crate::tls::{Reloads, TlsClient, stream::Stream};

/// What opens connections.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tcp: HttpConnector,
    tls: Option<Arc<TlsClient>>,
}

// === impl Connector ===

impl Connector {
    pub(super) fn new(config: &Config) -> Result<Self, ConfigError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // An attempt has time for another address, or for the request.
        tcp.set_connect_timeout(Some(config.timeout.0 / 2));
        let secure = config.urls()?.iter().flatten().any(|url| url.scheme() == Some(&Scheme::HTTPS));
        let tls = secure.then(|| TlsClient::open(&config.tls, &["h2", "http/1.1"])).transpose();
        Ok(Self { tcp, tls: tls.map_err(|error| error.under("tls"))?.map(Arc::new) })
    }

    /// How often certificates were read again, if there are any.
    pub(super) fn reloads(&self) -> Option<Arc<Reloads>> {
        self.tls.as_ref().map(|tls| Arc::clone(tls.reloads()))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_ready(ctx).map_err(io::Error::other)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let tls = self.tls.clone().filter(|_| url.scheme() == Some(&Scheme::HTTPS));
        let host = url.host().unwrap_or_default().to_owned();
        let socket = self.tcp.call(url);
        Box::pin(async move {
            let socket = socket.await.map_err(io::Error::other)?.into_inner();
            Stream::open(socket, tls.as_deref(), &host).await
        })
    }
}
