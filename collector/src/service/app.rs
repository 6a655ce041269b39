//! The HTTP doors: the application port and the small ones for people and their tools.
//!
//! **Not here:** what the routes do; how connections are kept within bounds (see [`crate::listener`]).

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, response::IntoResponse};
use exporters::{prometheus::Page, seats::Seats};
use http::Response;
use hyper::body::Incoming;
use pipelines::engine::drain::Drain;
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::{StartError, failed};
use crate::{
    listener::{self, Handler, names_its_host},
    phase_store::http::{no_host, not_found},
    receivers::body::Unwanted,
    telemetry::health::Health,
};

/// Answers with the routes of one door.
#[derive(Clone)]
struct Door(Router);

/// The application port: the phase store's API, health, the status, and `/metrics` while the port is bound to loopback.
pub(super) fn router(api: Router, health: &Health, status: Router, page: Option<Arc<Page>>) -> Router {
    let mut router = api.merge(health.router()).merge(status);
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

/// The places of one door.
pub(super) fn seats() -> Seats {
    Seats::new(CONNECTIONS_MAX)
}

/// Serves until the drain begins; what is in flight then is answered within its deadline.
pub(super) async fn serve(listener: TcpListener, router: Router, seats: Seats, drain: Drain) {
    listener::serve(listener, Door(router), SETTINGS, seats, drain).await;
}

/// Whether `/metrics` is served at all: the variable [`METRICS`] says no by `false`, as requirements section 2 has it.
pub(super) fn metrics_are_wanted(variable: Option<&str>) -> Result<bool, StartError> {
    match variable.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(failed(METRICS, format!("must be true or false, not `{other}`"))),
    }
}

// === impl Door ===

impl Handler for Door {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        if !names_its_host(&request) {
            return no_host();
        }
        let answer = self.0.clone().oneshot(Unwanted::wrap(request)).await;
        answer.unwrap_or_else(|never| match never {}).into_response()
    }
}

/// The variable that switches `/metrics` off.
pub(super) const METRICS: &str = "ENABLE_PROMETHEUS_METRICS";

/// Connections a door serves at a time.
const CONNECTIONS_MAX: usize = 512;
/// Requests come from people, probes and short jobs: who says nothing for long has nothing to say.
const SETTINGS: listener::Settings = listener::Settings {
    http2_only: false,
    calls_max: 128,
    keep_alive: true,
    silence_max: Duration::from_secs(10),
    ping: (Duration::from_secs(10), Duration::from_secs(20)),
    age: None,
    idle_max: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_served_unless_the_variable_says_false() {
        for (text, wanted) in [(None, true), (Some(""), true), (Some("true"), true), (Some("False"), false)] {
            assert_eq!(metrics_are_wanted(text).unwrap(), wanted, "{text:?}");
        }
        let error = metrics_are_wanted(Some("nope")).unwrap_err();
        assert_eq!(
            crate::service::chain(&error),
            "ENABLE_PROMETHEUS_METRICS: must be true or false, not `nope`"
        );
    }
}
