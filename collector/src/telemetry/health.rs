//! Whether the collector lives, and whether it is ready: one state, several doors.
//!
//! - `/livez`: every loop goes round. `/readyz`: the receivers are open and the journal takes data. `/health`,
//!   `/api/health`: the same as JSON. The extension `health_check` answers on a port of its own as the
//!   OpenTelemetry Collector's does, and to the probes.
//! - **Not a reason to be unready:** a replay, during which data is taken as ever (only `/metrics` waits for it), and a
//!   consumer that has used up its lag budget: its pipeline answers "later" with a hint, the others take data. Taken out
//!   of service for it, every replica would go at once when a backend is down, and senders would hear nothing at all.
//!   `/api/v1/status` tells of both.
//! - **Guaranteed:** never waits for a batch, a disk or a lock of the data plane longer than to copy its numbers.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use pipelines::{
    journal::{Journal, Stats},
    time::UnixNanos,
};
use serde_json::{Value, json};

use super::{
    probe::{self, Check},
    watchdog::{Found, Watchdog},
};
use crate::config::extensions::HealthCheck;

/// The state of the process, shared by every door.
#[derive(Clone, Debug)]
pub struct Health {
    shared: Arc<Shared>,
}

/// Where the process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Listeners are not open yet.
    Starting,
    /// Data is taken and delivered.
    Ready,
    /// The process stops.
    Stopping,
}

#[derive(Debug)]
struct Shared {
    phase: AtomicU8,
    started: Instant,
    started_at: UnixNanos,
    journal: Arc<Journal>,
    /// Set once there are loops.
    watchdog: OnceLock<Watchdog>,
}

// === impl Health ===

impl Health {
    /// The state of a process that starts now.
    #[expect(clippy::disallowed_methods, reason = "the process around the cores owns its clock")]
    pub fn new(journal: Arc<Journal>) -> Self {
        Self {
            shared: Arc::new(Shared {
                phase: AtomicU8::new(Phase::Starting as u8),
                started: Instant::now(),
                started_at: UnixNanos::now(),
                journal,
                watchdog: OnceLock::new(),
            }),
        }
    }

    /// Says where the process stands.
    pub fn set(&self, phase: Phase) {
        self.shared.phase.store(phase as u8, Relaxed);
    }

    /// Where the process stands.
    pub fn phase(&self) -> Phase {
        match self.shared.phase.load(Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Stopping,
        }
    }

    /// The time since the start.
    pub fn uptime(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// Seconds since the start.
    pub fn uptime_seconds(&self) -> f64 {
        self.uptime().as_secs_f64()
    }

    /// When the process started.
    pub fn started_at(&self) -> UnixNanos {
        self.shared.started_at
    }

    /// From here on the loops are watched. The thread that watches them ends when the process begins to stop: a loop
    /// that ends then is not stuck.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn watch(&self, watchdog: Watchdog) -> std::io::Result<()> {
        let watchdog = self.shared.watchdog.get_or_init(|| watchdog);
        let shared = Arc::downgrade(&self.shared);
        watchdog.start(move || {
            let health = Self { shared: shared.upgrade()? };
            (health.phase() != Phase::Stopping).then(|| health.uptime())
        })
    }

    /// Every loop, and whether it is stuck. None once the process stops.
    pub fn loops(&self) -> Vec<Found> {
        self.loops_at(self.uptime())
    }

    fn loops_at(&self, now: Duration) -> Vec<Found> {
        match self.shared.watchdog.get() {
            Some(watchdog) if self.phase() != Phase::Stopping => watchdog.look(now),
            _ => Vec::new(),
        }
    }

    /// Whether data is taken; if not, why.
    ///
    /// # Errors
    /// One sentence.
    pub fn ready(&self) -> Result<(), &'static str> {
        match self.phase() {
            Phase::Starting => Err(STARTING),
            Phase::Stopping => Err(STOPPING),
            Phase::Ready => self.journal_fault().map_or(Ok(()), Err),
        }
    }

    /// What `/livez` looks at: each loop, at a moment of the process's life.
    pub fn live_checks(&self, now: Duration) -> Vec<Check> {
        let check = |found: Found| {
            let fault = found.is_stuck().then(|| format!("no progress for {} s", found.silent.as_secs()));
            Check::new(found.name, fault)
        };
        self.loops_at(now).into_iter().map(check).collect()
    }

    /// What `/readyz` looks at.
    pub fn ready_checks(&self) -> Vec<Check> {
        let receivers = match self.phase() {
            Phase::Starting => Some(STARTING.to_owned()),
            Phase::Stopping => Some(STOPPING.to_owned()),
            Phase::Ready => None,
        };
        let journal = self.journal_fault().map(str::to_owned);
        vec![Check::new("receivers", receivers), Check::new("journal", journal)]
    }

    /// Why the journal takes nothing, if it does not.
    pub fn journal_fault(&self) -> Option<&'static str> {
        match self.shared.journal.stats() {
            Stats { read_only: true, .. } => {
                Some("the journal's disk has failed and it takes no more data; see the log")
            }
            Stats { refusing: true, .. } => {
                Some("the journal's disk takes no data; it is full, most likely, and is tried again")
            }
            _ => None,
        }
    }

    /// `/livez`, `/readyz`, `/health` and `/api/health`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/health", get(health))
            .route("/api/health", get(health))
            .with_state(self.clone())
    }

    /// The door of the extension `health_check`: the path of its configuration, whatever it is, and behind it the
    /// routes of `others`.
    pub fn extension_router(&self, config: &HealthCheck, others: Router) -> Router {
        let (health, config) = (self.clone(), Arc::new(config.clone()));
        Router::new().fallback(move |request: axum::extract::Request| {
            let (health, config, others) = (health.clone(), Arc::clone(&config), others.clone());
            async move {
                if request.uri().path() == config.path {
                    return health.extension_answer(&config);
                }
                tower::ServiceExt::oneshot(others, request).await.unwrap_or_else(|never| match never {})
            }
        })
    }

    fn extension_answer(&self, config: &HealthCheck) -> Response {
        let bodies = config.response_body.clone();
        let (status, own) = match self.ready() {
            Ok(()) => (StatusCode::OK, bodies.map(|bodies| bodies.healthy)),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, bodies.map(|bodies| bodies.unhealthy)),
        };
        match own {
            Some(text) => (status, text).into_response(),
            None => (status, Json(self.collector_body())).into_response(),
        }
    }

    /// The body that the OpenTelemetry Collector's extension answers with.
    fn collector_body(&self) -> Value {
        let status = if self.ready().is_ok() { "Server available" } else { "Server not available" };
        json!({
            "status": status,
            "upSince": timestamp(self.shared.started_at),
            "uptime": format!("{:.3}s", self.uptime_seconds()),
        })
    }
}

async fn livez(State(health): State<Health>, uri: Uri, headers: HeaderMap) -> Response {
    probe::answer(&uri, &headers, &health.live_checks(health.uptime()))
}

async fn readyz(State(health): State<Health>, uri: Uri, headers: HeaderMap) -> Response {
    probe::answer(&uri, &headers, &health.ready_checks())
}

async fn health(State(health): State<Health>) -> (StatusCode, Json<Value>) {
    let ready = health.ready();
    let status = if ready.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "status": if ready.is_ok() { "healthy" } else { "unhealthy" },
        "reason": ready.err(),
        "service": "phasor",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": health.uptime_seconds().floor(),
    });
    (status, Json(body))
}

pub(super) fn timestamp(at: UnixNanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at.0)).map(|at| at.to_string()).unwrap_or_default()
}

const STARTING: &str = "the collector is starting";
const STOPPING: &str = "the collector is stopping";
