//! The wiring: from a configuration to a running collector, and from a signal to its end.
//!
//! It reads top to bottom in the order things start, which is the way of a batch walked backwards: what is
//! downstream stands before anything can reach it. The end goes the other way round: receivers first.
//!
//! - **Guaranteed:** nothing is accepted before every consumer runs and every saved state is taken up; a drain ends
//!   within [`DRAIN`].
//! - **Not here:** what any component does.

mod app;
mod budget;
mod build;
mod ending;
mod loops;

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use axum::Router;
use exporters::{
    prometheus::{Page, own::OwnFamilies},
    seats::Seats,
};
use pipelines::{component::ComponentId, engine::drain::drain};
use thiserror::Error;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
    time::Instant,
};
use tracing::{error, info, warn};

use crate::{
    config::{Config, Loaded, telemetry::Detail},
    phase_store::{self, keys, keys::FirstKey},
    receivers::{self, otlp},
    telemetry::{
        banner::Banner,
        health::{Health, Phase},
        logs,
        overview::Overview,
        own::{OwnMetrics, Watched},
        traces::{self, OwnTraces},
    },
};
use budget::Budget;
use ending::Ending;

/// Why the collector does not start.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct StartError {
    what: String,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Runs the collector until SIGTERM or SIGINT; a second one ends the drain, and the exit code says so.
pub async fn run(loaded: Loaded, data_dir: &Path) -> ExitCode {
    let telemetry = &loaded.config.service.telemetry;
    let own_traces = traces::start(&telemetry.traces);
    let tracer = own_traces.as_ref().ok().and_then(Option::as_ref).map(OwnTraces::tracer);
    logs::start(&telemetry.logs, tracer);
    let own_traces = match own_traces {
        Ok(own_traces) => own_traces,
        Err(error) => {
            error!(error = %chain(&error), "the collector does not start");
            return ExitCode::FAILURE;
        }
    };
    for warning in &loaded.warnings.0 {
        warn!("{}", warning.summary());
    }
    let code = match start_and_wait(&loaded.config, data_dir).await {
        Ok(code) => code,
        Err(failure) => {
            error!(error = %chain(&failure), "the collector does not start");
            ExitCode::FAILURE
        }
    };
    if let Some(own_traces) = own_traces {
        // A thread that waits for a destination must not hold the runtime.
        let _ = tokio::task::spawn_blocking(move || own_traces.stop()).await;
    }
    code
}

async fn start_and_wait(config: &Config, data_dir: &Path) -> Result<ExitCode, StartError> {
    let mut signals = StopSignals::listen()?;
    std::fs::create_dir_all(data_dir).map_err(|error| failed(data_dir.display(), error))?;
    let mut banner = Banner::default();
    let mut listeners = Vec::new();
    let mut connections = Vec::new();

    // The budget first: everything below registers the part it may hold.
    let budget = Budget::of(config);

    // The journal is the middle of everything. From here on a second process on this directory is refused.
    let (journal, modes) = build::journal(config, data_dir, &budget)?;
    let health = Health::new(Arc::clone(&journal));

    // Downstream first: consumers take up their saved state before anything new can come in.
    let mut engine = build::engine(config, data_dir, &journal, modes, &budget)?;
    let connectors = build::connectors(config, &mut engine, &budget)?;
    let (tables, mut certificates) = build::exporters(config, data_dir, &mut engine, &budget)?;

    // Receivers bind, and serve nothing yet.
    let admission = budget.admission();
    let (receiver_drain_trigger, receiver_drain) = drain();
    budget.watch(receiver_drain.clone());
    let mut receivers = Receivers::default();
    let mut refusals = Vec::new();
    for id in config.service.graph.receivers() {
        let inlet = engine.inlet(id);
        match &config.receivers[id] {
            receivers::Config::Otlp(otlp) => {
                let settings = otlp::Settings {
                    id: id.clone(),
                    inlet,
                    admission: admission.clone(),
                    authenticators: config.authenticators(),
                    drain: receiver_drain.clone(),
                };
                let running = otlp::start(otlp, settings).await.map_err(|error| failed(id, error))?;
                for (label, place) in &running.places {
                    let is_url = *label == "OTLP/HTTP" && running.http_addr.is_some();
                    banner.line(label, format_args!("{}{place}", if is_url { "http://" } else { "" }));
                    listeners.push(((*label).to_owned(), place.clone()));
                }
                let of_receiver =
                    |(transport, counts): &(_, Arc<_>)| (id.clone(), *transport, Arc::clone(counts));
                refusals.extend(running.refusals.iter().map(of_receiver));
                if otlp.speaks_tls() {
                    certificates.push((id.clone(), Arc::clone(&running.reloads)));
                }
                let named = |(transport, seats): &(&str, Seats)| (format!("{id} {transport}"), seats.clone());
                connections.extend(running.connections.iter().map(named));
                receivers.otlp.push(running);
            }
            receivers::Config::PhaseStore(phases) => {
                let world = phase_store::World::real();
                let running = phase_store::start(phases, data_dir, inlet, world, receiver_drain.clone())
                    .map_err(|error| failed(id, error))?;
                let listener = app::bind(&phases.endpoint).await.map_err(|error| failed(id, error))?;
                let address = app::address(&listener)?;
                banner.line("API", format_args!("http://{address}"));
                listeners.push(("API".to_owned(), address.to_string()));
                budget.memory().follow(id.to_string(), phases.bodies_bytes_max(), running.body_bytes());
                receivers.phase_store = Some((running, listener));
            }
        }
    }
    let first_key = match &receivers.phase_store {
        Some(_) => {
            let bootstrap = std::env::var("PHASOR_BOOTSTRAP_API_KEY").ok();
            Some(
                keys::ensure_first(data_dir, bootstrap.as_deref())
                    .map_err(|error| failed("the first API key", error))?,
            )
        }
        None => None,
    };

    // Consumers run; own metrics know every edge now.
    let running = engine.start();
    budget.consumers(running.edges());
    let is_connector = |id: &ComponentId| config.service.graph.is_connector(id);
    let watchdog = loops::watchdog(&journal, running.edges(), is_connector, receiver_drain.clone());
    health.watch(watchdog).map_err(|error| failed("the watchdog", error))?;
    let receiver_edges = receivers.edges();
    let (api_seats, health_seats) = (app::seats(), app::seats());
    connections.push(("api".to_owned(), api_seats.clone()));
    connections.push(("health".to_owned(), health_seats.clone()));
    let tables: Vec<_> =
        tables.into_iter().map(|table| (table, exporters::prometheus::server::seats())).collect();
    connections.extend(tables.iter().map(|(table, seats)| (table.id().to_string(), seats.clone())));
    let own = OwnMetrics::new(Watched {
        receivers: receiver_edges.clone(),
        refusals,
        certificates,
        edges: running.edges().clone(),
        connectors,
        journal: Arc::clone(&journal),
        memory: budget.memory().clone(),
        health: health.clone(),
        connections,
        level: config.service.telemetry.metrics.level,
    })
    .map_err(|error| failed("the collector's own metrics", error))?;
    let own: Arc<dyn OwnFamilies> = Arc::new(own);
    let own = match config.service.telemetry.metrics.level {
        Detail::None => Vec::new(),
        Detail::Basic | Detail::Normal | Detail::Detailed => vec![own],
    };

    // The doors for people and Prometheus.
    let (doors_drain_trigger, doors_drain) = drain();
    let mut doors = JoinSet::new();
    let mut pages: Vec<Arc<Page>> = Vec::new();
    let metrics_are_wanted = app::metrics_are_wanted(std::env::var(app::METRICS).ok().as_deref())?;
    if !metrics_are_wanted {
        banner.line("metrics", format_args!("off ({}=false)", app::METRICS));
    }
    for (table, seats) in tables.into_iter().filter(|_| metrics_are_wanted) {
        let page = table.page(own.clone());
        let listener = app::bind(table.endpoint()).await.map_err(|error| failed(table.id(), error))?;
        let address = app::address(&listener)?;
        banner.line("metrics", format_args!("http://{address}/metrics"));
        listeners.push(("metrics".to_owned(), address.to_string()));
        doors.spawn(exporters::prometheus::server::serve(
            listener,
            Arc::clone(&page),
            seats,
            doors_drain.clone(),
        ));
        pages.push(page);
    }
    let mut health_door = None;
    if let Some(config) = config.health_check() {
        let listener = app::bind(&config.endpoint).await.map_err(|error| failed("health_check", error))?;
        let address = app::address(&listener)?;
        banner.line("health", format_args!("http://{address}{}", config.path));
        listeners.push(("health".to_owned(), address.to_string()));
        health_door = Some((config, listener));
    }
    let overview = Arc::new(Overview {
        graph: config.service.graph.clone(),
        modes: config.service.modes.clone(),
        extensions: config.service.extensions.clone(),
        listeners,
        receivers: receiver_edges,
        edges: running.edges().clone(),
        journal: Arc::clone(&journal),
        memory: budget.memory().clone(),
        health: health.clone(),
    });
    if let Some((config, listener)) = health_door {
        // Beyond loopback probes may ask, and nobody else.
        let status = if app::is_loopback(&listener) { overview.router() } else { Router::new() };
        let probes = health.router().merge(status).fallback(phase_store::http::not_found);
        doors.spawn(app::serve(
            listener,
            health.extension_router(config, probes),
            health_seats,
            doors_drain.clone(),
        ));
    }

    // Last of all the receivers: now data comes in.
    for otlp in &receivers.otlp {
        otlp.ready();
    }
    if let Some((store, listener)) = receivers.phase_store.take() {
        let local = app::is_loopback(&listener);
        let page = pages.first().filter(|_| local).cloned();
        let status = overview.router();
        let status = if local { status } else { store.for_operators(status) };
        let router = app::router(store.router(), &health, status, page);
        doors.spawn(app::serve(listener, router, api_seats, receiver_drain.clone()));
        receivers.running_store = Some(store);
    }
    health.set(Phase::Ready);
    banner.line("data directory", data_dir.display());
    first_key_line(&mut banner, first_key);
    budget.lines(&mut banner);
    build::pipeline_lines(config, &mut banner);
    banner.print();

    signals.next().await;
    let deadline = now() + DRAIN;
    health.set(Phase::Stopping);
    info!("stopping: no more data is taken, what was taken is delivered; a second signal ends this at once");
    let edges = running.edges().clone();
    let stopping = async {
        receiver_drain_trigger.begin(RECEIVERS_DRAIN);
        receivers.stopped().await;
        running.stop(deadline.saturating_duration_since(now()).saturating_sub(LAST_ANSWERS)).await;
        doors_drain_trigger.begin(LAST_ANSWERS);
        while doors.join_next().await.is_some() {}
    };
    tokio::select! {
        () = stopping => {
            Ending::of(&edges, &journal).log("stopped");
            Ok(ExitCode::SUCCESS)
        }
        () = signals.next() => {
            Ending::of(&edges, &journal).log("stopped by a second signal, before everything was delivered");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// SIGTERM and SIGINT.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

#[derive(Default)]
struct Receivers {
    otlp: Vec<otlp::Running>,
    /// Bound and not served yet.
    phase_store: Option<(phase_store::Running, tokio::net::TcpListener)>,
    running_store: Option<phase_store::Running>,
}

// === impl Receivers ===

impl Receivers {
    fn edges(&self) -> Vec<Arc<pipelines::engine::edge::ReceiverEdge>> {
        let otlp = self.otlp.iter().flat_map(|running| running.edges.iter());
        let store = self.phase_store.iter().flat_map(|(running, _)| running.edges());
        otlp.chain(store).cloned().collect()
    }

    async fn stopped(self) {
        for otlp in self.otlp {
            otlp.stopped().await;
        }
        if let Some(store) = self.running_store {
            store.stopped().await;
        }
    }
}

// === impl StopSignals ===

impl StopSignals {
    fn listen() -> Result<Self, StartError> {
        let listen = |kind| signal(kind).map_err(|error| failed("the signal handler", error));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The next of either. Cancel safe.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

// === impl StartError ===

fn failed(
    what: impl std::fmt::Display,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StartError {
    StartError { what: what.to_string(), cause: Some(cause.into()) }
}

/// The error and its causes, each after a colon: the one place where chains are printed.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[expect(clippy::disallowed_methods, reason = "the process around the cores owns its clock")]
fn now() -> Instant {
    Instant::now()
}

fn first_key_line(banner: &mut Banner, first_key: Option<FirstKey>) {
    match first_key {
        Some(FirstKey::Show(secret)) => {
            banner.line("API key", format_args!("{}  (operator; shown only this once)", secret.reveal()));
        }
        Some(FirstKey::Written(path)) => banner.line("API key", format_args!("in {}", path.display())),
        Some(FirstKey::Bootstrapped) => banner.line("API key", "the one in PHASOR_BOOTSTRAP_API_KEY"),
        Some(FirstKey::Present) => banner.line("API key", "made before; `phasor keys create` makes another"),
        None => {}
    }
}

/// From the signal to the end: below the 30 s that Kubernetes gives.
pub const DRAIN: Duration = Duration::from_secs(25);
/// What requests in flight get of it at most.
const RECEIVERS_DRAIN: Duration = Duration::from_secs(5);
/// What a last scrape gets of it.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
