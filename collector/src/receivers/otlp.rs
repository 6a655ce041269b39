//! `otlp`: receives OTLP over gRPC and HTTP.
//!
//! Read in the order of the bytes: [`socket`] and [`crate::listener`] (connections), [`grpc`] with [`codec`] or [`http`] (requests),
//! [`inflate`] and [`json`], then [`intake`] (validate, push, count), and [`status`] (what is answered).
//!
//! - **In:** export requests on two sockets.
//! - **Out:** batches, pushed into the [`Inlet`]; answers, when it has taken them.
//! - **Guaranteed:** the sockets are bound by [`start`] and served only after [`Running::ready`], so that
//!   consumers can start in between; when the drain begins, calls in flight are still answered.

mod codec;
mod config;
mod grpc;
mod http;
mod inflate;
mod intake;
mod json;
mod socket;
mod status;
mod tls;

use std::{io, net::SocketAddr, sync::Arc};

use exporters::{auth::Authenticators, seats::Seats, tls::Reloads};
use pipelines::{
    component::ComponentId,
    config::ConfigError,
    engine::{
        drain::Drain,
        edge::{CountByCause, ReceiverEdge},
        inlet::Inlet,
    },
};
use thiserror::Error;
use tokio::{sync::watch, task::JoinSet};
use tonic_health::server::HealthReporter;

use self::intake::Intake;
pub use self::{
    config::{
        Auth, Config, Cors, EnforcementPolicy, Grpc, Http, Keepalive, Protocols, ServerParameters, Tls,
        Unread,
    },
    socket::CONNECTIONS_MAX,
};
use crate::{
    listener::{self, Entrance},
    receivers::{admission::Admission, auth},
};

/// What a receiver needs from the process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub id: ComponentId,
    /// Where its batches go.
    pub inlet: Inlet,
    /// The budget for requests in flight, shared with the other receivers.
    pub admission: Admission,
    /// The extensions that know who somebody is.
    pub authenticators: Authenticators,
    /// When to stop.
    pub drain: Drain,
}

/// A receiver whose sockets are bound.
#[derive(Debug)]
pub struct Running {
    /// Where gRPC is served, with the real port.
    pub grpc_addr: Option<SocketAddr>,
    /// Where HTTP is served, with the real port.
    pub http_addr: Option<SocketAddr>,
    /// Where each protocol is served, for a person: `OTLP/HTTP` and `127.0.0.1:4318` or `unix:/path`.
    pub places: Vec<(&'static str, String)>,
    /// What came in, by transport and signal.
    pub edges: Vec<Arc<ReceiverEdge>>,
    /// The connections of each transport.
    pub connections: Vec<(&'static str, Seats)>,
    /// Requests that were refused, by transport and reason.
    pub refusals: Vec<(&'static str, Arc<CountByCause>)>,
    /// How often the certificates of both transports were read again.
    pub reloads: Arc<Reloads>,
    ready: watch::Sender<bool>,
    servers: JoinSet<()>,
}

/// Why a receiver cannot start.
#[derive(Debug, Error)]
#[error("receiver {receiver} cannot listen at {endpoint} for {protocol}{}", likely_cause(.source))]
pub struct StartError {
    receiver: ComponentId,
    endpoint: String,
    protocol: &'static str,
    source: io::Error,
}

/// Binds the sockets of all protocols that `config` names. Nothing is accepted before
/// [`Running::ready`].
///
/// # Errors
/// A socket cannot be bound; none is then left open.
pub async fn start(config: &Config, settings: Settings) -> Result<Running, StartError> {
    let Protocols { grpc, http } = &config.protocols;
    let grpc = match grpc {
        Some(config) => Some((config, bind(&settings, GRPC, &config.place()).await?)),
        None => None,
    };
    let http = match http {
        Some(config) => Some((config, bind(&settings, HTTP, &config.place()).await?)),
        None => None,
    };
    let mut running = Running {
        grpc_addr: None,
        http_addr: None,
        places: Vec::new(),
        edges: Vec::new(),
        connections: Vec::new(),
        refusals: Vec::new(),
        reloads: Arc::default(),
        ready: watch::Sender::new(false),
        servers: JoinSet::new(),
    };
    if let Some((config, door)) = grpc {
        running.grpc_addr = door.address;
        running.places.push(("OTLP/gRPC", door.place(&config.endpoint)));
        running.serve_grpc(config, door, settings.clone());
    }
    if let Some((config, door)) = http {
        running.http_addr = door.address;
        running.places.push(("OTLP/HTTP", door.place(&config.endpoint)));
        running.serve_http(config, door, settings);
    }
    Ok(running)
}

/// Where a protocol is served, by its configuration.
struct Place<'c> {
    endpoint: &'c str,
    transport: &'c str,
    tls: Option<&'c config::Tls>,
    auth: Option<&'c config::Auth>,
    /// Offered by ALPN.
    protocols: &'static [&'static str],
}

/// A protocol that is bound and not served yet.
struct Door {
    entrance: Entrance,
    /// The real one; none for a Unix socket.
    address: Option<SocketAddr>,
    /// What keeps the certificates fresh.
    tls: Option<(Arc<listener::Tls>, config::Tls, &'static [&'static str])>,
    auth: Option<Arc<auth::Auth>>,
}

async fn bind(settings: &Settings, protocol: &'static str, place: &Place<'_>) -> Result<Door, StartError> {
    let failed = |source| StartError {
        receiver: settings.id.clone(),
        endpoint: place.endpoint.to_owned(),
        protocol,
        source,
    };
    // Files first: what is wrong with them leaves no socket behind.
    let tls = match place.tls {
        Some(config) => {
            let tls = tls::open(config, place.protocols).map_err(failed)?;
            Some((tls, config.clone(), place.protocols))
        }
        None => None,
    };
    let auth = match place.auth {
        Some(config) => {
            let opened = auth::Auth::open(&config.reference(), &settings.authenticators);
            Some(Arc::new(opened.map_err(|error| failed(io::Error::other(error.to_string())))?))
        }
        None => None,
    };
    let (entrance, address) = socket::bind(place.endpoint, place.transport).await.map_err(failed)?;
    let entrance = entrance.with_tls(tls.as_ref().map(|(tls, ..)| Arc::clone(tls)));
    Ok(Door { entrance, address, tls, auth })
}

fn likely_cause(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; does another process listen there?",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege",
        io::ErrorKind::AddrNotAvailable => "; this host does not have the address",
        _ => "",
    }
}

// === impl Config ===

impl Config {
    /// What a URL of its HTTP port begins with.
    pub fn http_scheme(&self) -> &'static str {
        let secure = self.protocols.http.as_ref().is_some_and(|http| http.tls.is_some());
        if secure { "https" } else { "http" }
    }

    /// Whether any of its protocols does.
    pub fn speaks_tls(&self) -> bool {
        let Protocols { grpc, http } = &self.protocols;
        grpc.iter().any(|grpc| grpc.tls.is_some()) || http.iter().any(|http| http.tls.is_some())
    }

    /// What is wrong with the files of each `tls`, with paths from the receiver.
    pub fn file_faults(&self) -> Vec<ConfigError> {
        let Protocols { grpc, http } = &self.protocols;
        let places = [("grpc", grpc.as_ref().map(Grpc::place)), ("http", http.as_ref().map(Http::place))];
        let mut faults = Vec::new();
        for (name, place) in places {
            let tls = place.and_then(|place| tls::fault(place.tls?));
            faults.extend(tls.map(|error| error.under("tls").under(name).under("protocols")));
        }
        faults
    }
}

// === impl Door ===

impl Door {
    fn place(&self, endpoint: &str) -> String {
        self.address.map_or_else(|| format!("unix:{endpoint}"), |address| address.to_string())
    }
}

// === impl Grpc, Http ===

impl Grpc {
    fn place(&self) -> Place<'_> {
        let (tls, auth) = (self.tls.as_ref(), self.auth.as_ref());
        Place { endpoint: &self.endpoint, transport: &self.transport, tls, auth, protocols: &["h2"] }
    }
}

impl Http {
    fn place(&self) -> Place<'_> {
        let (tls, auth) = (self.tls.as_ref(), self.auth.as_ref());
        let protocols = &["h2", "http/1.1"];
        Place { endpoint: &self.endpoint, transport: &self.transport, tls, auth, protocols }
    }
}

// === impl Running ===

impl Running {
    /// Begins to serve. A second call changes nothing.
    pub fn ready(&self) {
        self.ready.send_replace(true);
    }

    /// Waits until the last connection is gone; that is at the drain's deadline at the latest.
    pub async fn stopped(mut self) {
        while self.servers.join_next().await.is_some() {}
    }

    fn serve_grpc(&mut self, config: &Grpc, door: Door, settings: Settings) {
        let Settings { id, inlet, admission, drain, .. } = settings;
        let intake =
            self.intake(Intake::new(&id, GRPC, inlet, admission, door.auth.clone(), config.include_metadata));
        let health = HealthReporter::new();
        let handler = grpc::Service::new(intake, health.clone(), config.message_bytes_max());
        self.servers.spawn(when_ready(self.ready.subscribe(), grpc::report_health(health, drain.clone())));
        self.serve(GRPC, door, handler, socket::for_grpc(config), drain);
    }

    fn serve_http(&mut self, config: &Http, door: Door, settings: Settings) {
        let Settings { id, inlet, admission, drain, .. } = settings;
        let intake =
            self.intake(Intake::new(&id, HTTP, inlet, admission, door.auth.clone(), config.include_metadata));
        let handler = http::Service::new(intake, config);
        self.serve(HTTP, door, handler, socket::for_http(config), drain);
    }

    fn intake(&mut self, intake: Intake) -> Intake {
        self.edges.extend(intake.edges());
        self.refusals.push((intake.transport(), Arc::clone(intake.refusals())));
        intake
    }

    fn serve(
        &mut self,
        transport: &'static str,
        door: Door,
        handler: impl listener::Handler,
        settings: listener::Settings,
        drain: Drain,
    ) {
        let seats = Seats::new(CONNECTIONS_MAX);
        self.connections.push((transport, seats.clone()));
        if let Some((tls, config, protocols)) = door.tls {
            let reloads = Arc::clone(&self.reloads);
            self.servers.spawn(tls::keep_fresh(tls, config, protocols, reloads, drain.clone()));
        }
        let serve = listener::serve(door.entrance, handler, settings, seats, drain);
        self.servers.spawn(when_ready(self.ready.subscribe(), serve));
    }
}

/// Runs `task` once the receiver is ready; a receiver that is dropped before never runs it.
async fn when_ready(mut ready: watch::Receiver<bool>, task: impl Future<Output = ()>) {
    if ready.wait_for(|ready| *ready).await.is_ok() {
        task.await;
    }
}

const GRPC: &str = "grpc";
const HTTP: &str = "http";
