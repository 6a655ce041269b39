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

use std::{io, net::SocketAddr, sync::Arc};

use exporters::seats::Seats;
use pipelines::{
    component::ComponentId,
    engine::{drain::Drain, edge::ReceiverEdge, inlet::Inlet},
};
use thiserror::Error;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tonic_health::server::HealthReporter;

use self::intake::Intake;
pub use self::{
    config::{Config, Cors, EnforcementPolicy, Grpc, Http, Keepalive, Protocols, ServerParameters, Unread},
    socket::CONNECTIONS_MAX,
};
use crate::{listener, receivers::admission::Admission};

/// What a receiver needs from the process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub id: ComponentId,
    /// Where its batches go.
    pub inlet: Inlet,
    /// The budget for requests in flight, shared with the other receivers.
    pub admission: Admission,
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
    /// What came in, by transport and signal.
    pub edges: Vec<Arc<ReceiverEdge>>,
    /// The connections of each transport.
    pub connections: Vec<(&'static str, Seats)>,
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
        Some(config) => Some((config, bind(&settings, GRPC, &config.endpoint, &config.transport).await?)),
        None => None,
    };
    let http = match http {
        Some(config) => Some((config, bind(&settings, HTTP, &config.endpoint, &config.transport).await?)),
        None => None,
    };
    let mut running = Running {
        grpc_addr: None,
        http_addr: None,
        edges: Vec::new(),
        connections: Vec::new(),
        ready: watch::Sender::new(false),
        servers: JoinSet::new(),
    };
    if let Some((config, (listener, addr))) = grpc {
        running.grpc_addr = Some(addr);
        running.serve_grpc(config, listener, settings.clone());
    }
    if let Some((config, (listener, addr))) = http {
        running.http_addr = Some(addr);
        running.serve_http(config, listener, settings);
    }
    Ok(running)
}

async fn bind(
    settings: &Settings,
    protocol: &'static str,
    endpoint: &str,
    transport: &str,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError {
        receiver: settings.id.clone(),
        endpoint: endpoint.to_owned(),
        protocol,
        source,
    };
    let listener = socket::bind(endpoint, transport).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok((listener, addr))
}

fn likely_cause(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; does another process listen there?",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege",
        io::ErrorKind::AddrNotAvailable => "; this host does not have the address",
        _ => "",
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

    fn serve_grpc(&mut self, config: &Grpc, listener: TcpListener, settings: Settings) {
        let Settings { id, inlet, admission, drain } = settings;
        let intake = self.intake(Intake::new(&id, GRPC, inlet, admission));
        let health = HealthReporter::new();
        let handler = grpc::Service::new(intake, health.clone(), config.message_bytes_max());
        self.servers.spawn(when_ready(self.ready.subscribe(), grpc::report_health(health, drain.clone())));
        self.serve(GRPC, listener, handler, socket::for_grpc(config), drain);
    }

    fn serve_http(&mut self, config: &Http, listener: TcpListener, settings: Settings) {
        let Settings { id, inlet, admission, drain } = settings;
        let intake = self.intake(Intake::new(&id, HTTP, inlet, admission));
        let handler = http::Service::new(intake, config);
        self.serve(HTTP, listener, handler, socket::for_http(config), drain);
    }

    fn intake(&mut self, intake: Intake) -> Intake {
        self.edges.extend(intake.edges());
        intake
    }

    fn serve(
        &mut self,
        transport: &'static str,
        listener: TcpListener,
        handler: impl listener::Handler,
        settings: listener::Settings,
        drain: Drain,
    ) {
        let seats = Seats::new(CONNECTIONS_MAX);
        self.connections.push((transport, seats.clone()));
        let serve = listener::serve(listener, handler, settings, seats, drain);
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
