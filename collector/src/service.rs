//! The wiring: from a configuration to a running collector, and from a signal to its end.
//!
//! It reads top to bottom in the order things start, which is the way of a batch walked backwards: what is
//! downstream stands before anything can reach it. The end goes the other way round: receivers first.
//!
//! - **Guaranteed:** nothing is accepted before every consumer runs and every saved state is taken up; a drain ends
//!   within [`DRAIN`].
//! - **Not here:** what any component does.

mod budget;
mod build;
mod doors;
mod ending;
mod loops;
mod receivers;
mod shown;

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use exporters::prometheus::own::OwnFamilies;
use pipelines::{component::ComponentId, engine::run::Running, journal::Journal};
use thiserror::Error;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};
use tracing::{error, info, warn};

use crate::{
    config::{Config, Loaded, telemetry::Detail},
    phase_store::keys::{self, FirstKey},
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
use doors::{Contents, Doors, Open};
use ending::Ending;
use receivers::Receivers;
use shown::Shown;

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
    let collector = Collector::start(config, data_dir).await?;
    signals.next().await;
    info!("stopping: no more data is taken, what was taken is delivered; a second signal ends this at once");
    let (edges, journal) = (collector.running.edges().clone(), Arc::clone(&collector.journal));
    tokio::select! {
        () = collector.stop() => {
            Ending::of(&edges, &journal).log("stopped");
            Ok(ExitCode::SUCCESS)
        }
        () = signals.next() => {
            Ending::of(&edges, &journal).log("stopped by a second signal, before everything was delivered");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What runs, from upstream to downstream.
struct Collector {
    health: Health,
    receivers: Receivers,
    journal: Arc<Journal>,
    running: Running,
    doors: Open,
}

/// SIGTERM and SIGINT.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

// === impl Collector ===

impl Collector {
    async fn start(config: &Config, data_dir: &Path) -> Result<Self, StartError> {
        std::fs::create_dir_all(data_dir).map_err(|error| failed(data_dir.display(), error))?;
        let mut shown = Shown::default();

        // The budget first: everything below registers the part it may hold.
        let budget = Budget::of(config);

        // The journal is the middle of everything. From here on a second process on this directory is refused.
        let (journal, modes) = build::journal(config, data_dir, &budget)?;
        let health = Health::new(Arc::clone(&journal));

        // Downstream first: consumers take up their saved state before anything new can come in.
        let mut engine = build::engine(config, data_dir, &journal, modes, &budget)?;
        let connectors = build::connectors(config, &mut engine, &budget)?;
        let tables = build::exporters(config, data_dir, &mut engine, &budget, &mut shown)?;

        // Every socket is bound, and serves nothing yet.
        let receivers = Receivers::start(config, data_dir, &engine, &budget, &mut shown).await?;
        let doors = Doors::bind(config, tables, &mut shown).await?;
        let first_key = receivers.store().map(|_| first_key(data_dir)).transpose()?;

        // Consumers run; own metrics and the status know every edge now.
        budget.watch(receivers.drain());
        let running = engine.start();
        budget.consumers(running.edges());
        let is_connector = |id: &ComponentId| config.service.graph.is_connector(id);
        let watchdog = loops::watchdog(&journal, running.edges(), is_connector, receivers.drain());
        health.watch(watchdog).map_err(|error| failed("the watchdog", error))?;
        let level = config.service.telemetry.metrics.level;
        let own = OwnMetrics::new(Watched {
            receivers: receivers.edges(),
            refusals: shown.refusals,
            certificates: shown.certificates,
            edges: running.edges().clone(),
            connectors,
            journal: Arc::clone(&journal),
            memory: budget.memory().clone(),
            health: health.clone(),
            connections: shown.connections,
            level,
        })
        .map_err(|error| failed("the collector's own metrics", error))?;
        let own: Arc<dyn OwnFamilies> = Arc::new(own);
        let overview = Overview {
            graph: config.service.graph.clone(),
            modes: config.service.modes.clone(),
            extensions: config.service.extensions.clone(),
            listeners: shown.listeners,
            receivers: receivers.edges(),
            edges: running.edges().clone(),
            journal: Arc::clone(&journal),
            memory: budget.memory().clone(),
            health: health.clone(),
        };

        // The doors for people and Prometheus, and last of all the receivers: now data comes in.
        let doors = doors.open(Contents {
            own: if level == Detail::None { Vec::new() } else { vec![own] },
            overview: Arc::new(overview),
            health: &health,
            store: receivers.store(),
            receivers_drain: receivers.drain(),
        });
        receivers.open();
        health.set(Phase::Ready);

        let mut banner = shown.banner;
        banner.line("data directory", data_dir.display());
        first_key_line(&mut banner, first_key);
        budget.lines(&mut banner);
        build::pipeline_lines(config, &mut banner);
        banner.print();
        Ok(Self { health, receivers, journal, running, doors })
    }

    /// Closes the receivers, delivers what was taken, and answers a last scrape, all within [`DRAIN`].
    async fn stop(self) {
        let deadline = now() + DRAIN;
        self.health.set(Phase::Stopping);
        self.receivers.close(RECEIVERS_DRAIN).await;
        self.running.stop(deadline.saturating_duration_since(now()).saturating_sub(LAST_ANSWERS)).await;
        self.doors.close(LAST_ANSWERS).await;
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

/// Makes it if there is none.
fn first_key(data_dir: &Path) -> Result<FirstKey, StartError> {
    let bootstrap = std::env::var("PHASOR_BOOTSTRAP_API_KEY").ok();
    keys::ensure_first(data_dir, bootstrap.as_deref()).map_err(|error| failed("the first API key", error))
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
