//! The HTTP doors: the application port, the pages for Prometheus, and the health checks.
//!
//! They are bound before anything runs, so that what cannot listen is said first, and open when there is something to
//! show.
//!
//! **Not here:** what the routes do; how connections are kept within bounds (see [`crate::listener`]); OTLP's ports.

use std::{
    fmt::Display,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::IntoResponse};
use exporters::{
    prometheus::{Page, own::OwnFamilies, server},
    seats::Seats,
};
use http::Response;
use hyper::body::Incoming;
use pipelines::engine::drain::{Drain, DrainTrigger, drain};
use tokio::{net::TcpListener, task::JoinSet};
use tower::ServiceExt;

use super::{StartError, build::Exposed, failed, shown::Shown};
use crate::{
    config::{Config, extensions::HealthCheck},
    listener::{self, Handler, names_its_host},
    phase_store::{
        self,
        http::{no_host, not_found},
    },
    receivers::body::Unwanted,
    telemetry::{health::Health, overview::Overview},
};

/// All of them, bound.
pub(super) struct Doors {
    api: Option<Door>,
    pages: Vec<(Exposed, Door)>,
    health_checks: Vec<(HealthCheck, Door)>,
}

/// All of them, open.
pub(super) struct Open {
    /// Closes the pages and the health checks; the application port closes with the receivers.
    close: DrainTrigger,
    serving: JoinSet<()>,
}

/// What the doors show.
pub(super) struct Contents<'c> {
    /// The collector's own metrics, for every page.
    pub(super) own: Vec<Arc<dyn OwnFamilies>>,
    pub(super) overview: Arc<Overview>,
    pub(super) health: &'c Health,
    /// The API, if there is one, and when it closes.
    pub(super) store: Option<&'c phase_store::Running>,
    pub(super) receivers_drain: Drain,
}

/// A socket that is bound, and the places of its connections.
struct Door {
    listener: TcpListener,
    address: SocketAddr,
    seats: Seats,
}

/// Answers with the routes of one door.
#[derive(Clone)]
struct Routes(Router);

/// Whether `/metrics` is served at all: the variable [`METRICS`] says no by `false`, as requirements section 2 has it.
fn metrics_are_wanted(variable: Option<&str>) -> Result<bool, StartError> {
    match variable.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(failed(METRICS, format!("must be true or false, not `{other}`"))),
    }
}

// === impl Doors ===

impl Doors {
    /// Binds what the configuration asks for, and the pages of `tables`.
    ///
    /// # Errors
    /// A port that cannot be had.
    pub(super) async fn bind(
        config: &Config,
        tables: Vec<Exposed>,
        shown: &mut Shown,
    ) -> Result<Self, StartError> {
        let mut doors = Self { api: None, pages: Vec::new(), health_checks: Vec::new() };
        if let Some((id, store)) = config.phase_store() {
            let door = Door::bind(id, &store.endpoint, seats()).await?;
            door.show(shown, "API", "api", "");
            doors.api = Some(door);
        }
        let wanted = metrics_are_wanted(std::env::var(METRICS).ok().as_deref())?;
        if !wanted {
            shown.banner.line("metrics", format_args!("off ({METRICS}=false)"));
        }
        for table in tables.into_iter().filter(|_| wanted) {
            let door = Door::bind(table.id(), table.endpoint(), server::seats()).await?;
            door.show(shown, "metrics", &table.id().to_string(), "/metrics");
            doors.pages.push((table, door));
        }
        for (id, config) in config.health_checks() {
            let door = Door::bind(id, &config.endpoint, seats()).await?;
            let name = id.name.as_ref().map_or_else(|| "health".to_owned(), |name| format!("health/{name}"));
            door.show(shown, "health", &name, &config.path);
            doors.health_checks.push((config.clone(), door));
        }
        Ok(doors)
    }

    /// Lets people and their tools in; those of the application port last.
    pub(super) fn open(self, contents: Contents<'_>) -> Open {
        let Contents { own, overview, health, store, receivers_drain } = contents;
        let (close, closing) = drain();
        let mut serving = JoinSet::new();
        let mut first_page = None;
        for (table, Door { listener, seats, .. }) in self.pages {
            let page = table.page(own.clone());
            serving.spawn(server::serve(listener, Arc::clone(&page), seats, closing.clone()));
            first_page.get_or_insert(page);
        }
        for (config, door) in self.health_checks {
            // Beyond loopback probes may ask, and nobody else.
            let status = if door.is_loopback() { overview.router() } else { Router::new() };
            let probes = health.router().merge(status).fallback(not_found);
            serving.spawn(door.serve(health.extension_router(&config, probes), closing.clone()));
        }
        if let (Some(door), Some(store)) = (self.api, store) {
            let local = door.is_loopback();
            let status = overview.router();
            let status = if local { status } else { store.for_operators(status) };
            let router = application(store.router(), health, status, first_page.filter(|_| local));
            serving.spawn(door.serve(router, receivers_drain));
        }
        Open { close, serving }
    }
}

// === impl Open ===

impl Open {
    /// Who is being answered gets `within`.
    pub(super) async fn close(mut self, within: Duration) {
        self.close.begin(within);
        while self.serving.join_next().await.is_some() {}
    }
}

// === impl Door ===

impl Door {
    async fn bind(who: impl Display, endpoint: &str, seats: Seats) -> Result<Self, StartError> {
        let bound = async {
            let listener = TcpListener::bind(endpoint).await?;
            let address = listener.local_addr()?;
            io::Result::Ok((listener, address))
        };
        let (listener, address) =
            bound.await.map_err(|error| failed(who, cannot_listen(endpoint, &error)))?;
        Ok(Self { listener, address, seats })
    }

    fn show(&self, shown: &mut Shown, label: &str, name: &str, path: &str) {
        shown.listener(label, self.address, format_args!("http://{}{path}", self.address));
        shown.connections.push((name.to_owned(), self.seats.clone()));
    }

    /// Whether only this machine can reach it.
    fn is_loopback(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// Serves until the drain begins; what is in flight then is answered within its deadline.
    async fn serve(self, router: Router, drain: Drain) {
        listener::serve(self.listener, Routes(router), SETTINGS, self.seats, drain).await;
    }
}

fn cannot_listen(endpoint: &str, error: &io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => "; does another process listen there?",
        _ => "",
    };
    io::Error::new(error.kind(), format!("cannot listen at {endpoint}: {error}{hint}"))
}

/// The application port: the phase store's API, health, the status, and `/metrics` while the port is bound to loopback.
fn application(api: Router, health: &Health, status: Router, page: Option<Arc<Page>>) -> Router {
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

/// The places of a door for people.
fn seats() -> Seats {
    Seats::new(CONNECTIONS_MAX)
}

// === impl Routes ===

impl Handler for Routes {
    type Body = Body;

    async fn handle(&self, request: Request<Incoming>, _: Option<IpAddr>) -> Response<Body> {
        if !names_its_host(&request) {
            return no_host();
        }
        let answer = self.0.clone().oneshot(Unwanted::wrap(request)).await;
        answer.unwrap_or_else(|never| match never {}).into_response()
    }
}

/// The variable that switches `/metrics` off.
const METRICS: &str = "ENABLE_PROMETHEUS_METRICS";

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
