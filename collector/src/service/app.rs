//! The HTTP doors: the application port, and the listener that every small door shares.
//!
//! **Not here:** what the routes do.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use exporters::prometheus::Page;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use pipelines::engine::drain::Drain;
use tokio::{net::TcpListener, sync::Semaphore};
use tracing::debug;

use super::{StartError, failed};
use crate::{phase_store::http::not_found, telemetry::health::Health};

/// The application port: the phase store's API, health, and `/metrics` while the port is bound to loopback.
pub(super) fn router(api: Router, health: &Health, page: Option<Arc<Page>>) -> Router {
    let mut router = api.merge(health.router());
    if let Some(page) = page {
        let answer = move |request: Request| {
            let response = page.respond(request.method(), request.headers());
            async move { response.map(axum::body::Body::new) }
        };
        router = router.route("/metrics", axum::routing::any(answer));
    }
    router.fallback(not_found)
}

/// Binds `host:port`; `localhost` is the loopback address.
pub(super) async fn bind(endpoint: &str) -> io::Result<TcpListener> {
    TcpListener::bind(endpoint).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "; does another process listen there?",
            _ => "",
        };
        io::Error::new(error.kind(), format!("cannot listen at {endpoint}: {error}{hint}"))
    })
}

/// The real address, with the port the system chose if it was asked to.
pub(super) fn address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| failed("a listener has no address", error))
}

/// Whether only this machine can reach it.
pub(super) fn is_loopback(listener: &TcpListener) -> bool {
    listener.local_addr().is_ok_and(|address| address.ip().is_loopback())
}

/// Serves until the drain begins; what is in flight then is answered within its deadline.
pub(super) async fn serve(listener: TcpListener, router: Router, mut drain: Drain) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    // A peer that sends its headers drop by drop is not waited for, nor can it pile up headers.
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADER_BYTES_MAX);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEADERS_WITHIN)
        .max_concurrent_streams(STREAMS_MAX);
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            _ = drain.begun() => break,
        };
        let Ok((stream, permit)) = accepted else {
            // Out of file descriptors, most likely: others must end before there is room again.
            tokio::time::sleep(AFTER_FAILED_ACCEPT).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection ended badly");
            }
            drop(permit);
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = drain.expired() => {}
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

/// Connections a door serves at a time; further ones wait in the system's backlog.
const CONNECTIONS_MAX: usize = 512;
/// Requests at a time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
const HEADER_BYTES_MAX: usize = 64 * 1024;
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);
