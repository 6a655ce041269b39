//! The listener of the Prometheus endpoint: HTTP/1, `/metrics` and nothing else.
//!
//! - **Guaranteed:** at most [`CONNECTIONS_MAX`] connections, which silent ones cannot use up; a client that sends its headers slowly, or
//!   does not read its page, is cut off; when the drain begins pages under way are finished.

mod patient;

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{HeaderMap, Request, Response, StatusCode, Version, header::HOST};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use pipelines::engine::drain::Drain;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use self::patient::Patient;
use super::page::{Page, PageBody, plain};
use crate::seats::{Place, Seats};

/// The places of one listener.
pub fn seats() -> Seats {
    Seats::new(CONNECTIONS_MAX)
}

/// Serves `page` until the drain begins, and then until the pages under way are sent or the drain's
/// deadline has passed.
pub async fn serve(listener: TcpListener, page: Arc<Page>, seats: Seats, mut drain: Drain) {
    let connections = TaskTracker::new();
    let mut stop = drain.clone();
    loop {
        let accepted = tokio::select! {
            _ = stop.begun() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let Some(place) = seats.take() else { continue };
                connections.spawn(connection(stream, place, Arc::clone(&page), drain.clone()));
            }
            Err(error) => {
                // Out of file descriptors, most likely: others must close theirs first.
                warn!(%error, "the Prometheus endpoint cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    tokio::select! {
        () = connections.wait() => {}
        () = drain.expired() => {}
    }
}

async fn connection(stream: TcpStream, place: Place, page: Arc<Page>, mut drain: Drain) {
    let service = service_fn(|request: Request<Incoming>| {
        let busy = place.begin();
        let mut response = respond(&page, &request);
        add_headers(response.headers_mut(), &page.connections.headers);
        drop(busy);
        async move { Ok::<_, Infallible>(response) }
    });
    let io = TokioIo::new(Patient::new(stream, page.connections.write_patience));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(page.connections.silence_max)
        .keep_alive(page.connections.keep_alive)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(io, service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = place.lost() => return,
        _ = drain.begun() => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = serving => ended,
                () = drain.expired() => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection to the Prometheus endpoint ended early");
    }
}

fn respond(page: &Page, request: &Request<Incoming>) -> Response<PageBody> {
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        let fault = "an HTTP/1.1 request names its host exactly once (RFC 9112, section 3.2)\n";
        return plain(StatusCode::BAD_REQUEST, fault);
    }
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "the page is at /metrics\n");
    }
    page.respond(request.method(), request.headers())
}

/// Adds what the answer does not say itself.
fn add_headers(headers: &mut HeaderMap, more: &HeaderMap) {
    for (name, value) in more {
        headers.entry(name).or_insert_with(|| value.clone());
    }
}

/// Connections at the same time.
const CONNECTIONS_MAX: usize = 256;

const HEADER_BYTES_MAX: usize = 64 * 1024;

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
