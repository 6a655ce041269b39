//! Whether the collector lives, and whether it is ready: one state, several doors.
//!
//! - `/livez`: the process answers. `/readyz`: it takes data and its numbers are complete. `/health`,
//!   `/api/health`: the same as JSON. The extension `health_check` answers on a port of its own as the
//!   OpenTelemetry Collector's does.
//! - **Guaranteed:** never waits for a batch, a disk or a lock of the data plane longer than to copy its numbers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::Instant,
};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use pipelines::{
    journal::{Journal, Stats},
    time::UnixNanos,
};
use serde_json::{Value, json};

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

    /// Seconds since the start.
    pub fn uptime_seconds(&self) -> f64 {
        self.shared.started.elapsed().as_secs_f64()
    }

    /// Whether data is taken; if not, why.
    ///
    /// # Errors
    /// One sentence.
    pub fn ready(&self) -> Result<(), &'static str> {
        match self.phase() {
            Phase::Starting => Err("the collector is starting"),
            Phase::Stopping => Err("the collector is stopping"),
            Phase::Ready => match self.shared.journal.stats() {
                Stats { read_only: true, .. } => {
                    Err("the journal's disk has failed and it takes no more data; see the log")
                }
                Stats { refusing: true, .. } => {
                    Err("the journal's disk takes no data; it is full, most likely, and is tried again")
                }
                _ => Ok(()),
            },
        }
    }

    /// `/livez`, `/readyz`, `/health` and `/api/health`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/health", get(health))
            .route("/api/health", get(health))
            .with_state(self.clone())
    }

    /// The door of the extension `health_check`.
    pub fn extension_router(&self, config: &HealthCheck) -> Router {
        let bodies = config.response_body.clone();
        let answer = move |State(health): State<Self>| {
            let bodies = bodies.clone();
            async move {
                let (status, own) = match (health.ready(), bodies) {
                    (Ok(()), bodies) => (StatusCode::OK, bodies.map(|bodies| bodies.healthy)),
                    (Err(_), bodies) => {
                        (StatusCode::SERVICE_UNAVAILABLE, bodies.map(|bodies| bodies.unhealthy))
                    }
                };
                match own {
                    Some(text) => (status, text).into_response(),
                    None => (status, Json(health.collector_body())).into_response(),
                }
            }
        };
        let path = if config.path.starts_with('/') { config.path.as_str() } else { "/" };
        Router::new().route(path, get(answer)).with_state(self.clone())
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

async fn readyz(State(health): State<Health>) -> (StatusCode, String) {
    match health.ready() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
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

fn timestamp(at: UnixNanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at.0)).map(|at| at.to_string()).unwrap_or_default()
}
