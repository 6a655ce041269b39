//! The phase store: the outcome of a phase in, records, spans and events out.
//!
//! Read in this order: [`request`] (the gate), [`phase`] (what passed it), [`task`] (the state
//! machine), [`telemetry`] (what a phase tells the pipelines), [`store`] (the database behind one
//! trait), [`outbox`] (from the database to the journal), [`keys`] (who may do what), [`http`] (the
//! API). [`context`], [`ids`] and [`json`] are small helpers of these.
//!
//! - **Guaranteed:** a phase, its idempotency record and its telemetry are committed together before
//!   the answer; every accepted phase reaches the journal exactly once, however often it is sent.
//! - **Not here:** the listener; `service` mounts [`Running::router`] on the application port.

pub mod context;
pub mod http;
pub mod ids;
pub mod json;
pub mod keys;
pub mod outbox;
pub mod phase;
pub mod request;
pub mod store;
mod sweep;
pub mod task;
pub mod telemetry;
#[cfg(test)]
mod tests;

use std::{fmt, path::Path, sync::Arc, time::Duration};

use pipelines::{
    component::ComponentId,
    config::{ByteSize, ConfigError, Span},
    engine::{drain::Drain, edge::ReceiverEdge, inlet::Inlet},
    time::UnixNanos,
};
use proto::SignalKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::task::JoinSet;

use self::{
    ids::Seed,
    store::sqlite::{self, OpenError, Sqlite},
};

/// What the user writes under `receivers.phase_store:`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the application port.
    pub endpoint: String,
    /// `sqlite`: a file in the data directory.
    pub storage: String,
    /// The environment of phases that name none.
    pub environment: String,
    /// Largest body of a request.
    pub body_bytes_max: ByteSize,
    /// Ended tasks older than this are forgotten; absent: none are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Span>,
}

/// Where time and randomness come from, so that tests can hold them still.
#[derive(Clone)]
pub struct World {
    /// The wall clock.
    pub now: Arc<dyn Fn() -> UnixNanos + Send + Sync>,
    /// 32 random bytes.
    pub seed: Arc<dyn Fn() -> Result<Seed, getrandom::Error> + Send + Sync>,
}

/// A phase store at work.
#[derive(Debug)]
pub struct Running {
    state: Arc<http::State>,
    edges: Vec<Arc<ReceiverEdge>>,
    tasks: JoinSet<()>,
}

/// Why the phase store does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store cannot be used.
    #[error("the phase store at {path} cannot be used")]
    Open {
        /// Its file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        cause: OpenError,
    },
    /// The system has no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Opens the store and starts the relay and the sweeper. Keys are made by [`keys::ensure_first`].
///
/// # Errors
/// The store cannot be used; it was not changed.
pub fn start(
    config: &Config,
    data_dir: &Path,
    inlet: Inlet,
    world: World,
    drain: Drain,
) -> Result<Running, StartError> {
    let path = sqlite::path_in(data_dir);
    let seed = (world.seed)().map_err(StartError::Random)?;
    let epoch = seed.iter().take(16).fold(0, |epoch, byte| epoch << 8 | u128::from(*byte));
    let store =
        Sqlite::open(&path, epoch, (world.now)()).map_err(|cause| StartError::Open { path, cause })?;
    let store: Arc<dyn store::Store> = Arc::new(store);
    let edges = outbox::edges();
    let mut tasks = JoinSet::new();
    let relay = outbox::Relay::new(Arc::clone(&store), inlet, edges.clone(), Arc::clone(&world.now));
    tasks.spawn(relay.run(drain.clone()));
    let retention = config.retention.map(|Span(age)| age);
    tasks.spawn(sweep::run(Arc::clone(&store), Arc::clone(&world.now), retention, drain.clone()));
    let state = Arc::new(http::State::new(config, store, world, drain));
    Ok(Running { state, edges: edges.to_vec(), tasks })
}

/// RFC 3339 in UTC with microseconds, so that it sorts as text.
pub(crate) fn time_text(ns: u64) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(ns)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.6}")
}

// === impl Config ===

impl Config {
    /// What the bodies of requests may take in memory at a time, in bytes.
    pub fn bodies_bytes_max(&self) -> u64 {
        BODIES_BYTES_MAX.max(self.body_bytes_max.0)
    }

    /// Everything that is wrong, with paths from the receiver.
    pub fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.storage != "sqlite" {
            let message = format!("`{}` is not a storage; write `sqlite`", self.storage);
            errors.push(ConfigError::new("storage", message));
        }
        if self.endpoint.parse::<std::net::SocketAddr>().is_err() && !self.endpoint.starts_with("localhost:")
        {
            let message = format!("`{}` is not an address; write for example 127.0.0.1:4000", self.endpoint);
            errors.push(ConfigError::new("endpoint", message));
        }
        if self.environment.is_empty() || self.environment.chars().count() > 128 {
            errors.push(ConfigError::new("environment", "must have 1 to 128 characters"));
        }
        if !(BODY_BYTES_LEAST..=BODY_BYTES_MOST).contains(&self.body_bytes_max.0) {
            errors.push(ConfigError::new("body_bytes_max", "must be from 1KiB to 64MiB"));
        }
        if self.retention.is_some_and(|Span(age)| age < Duration::from_secs(86_400)) {
            errors.push(ConfigError::new("retention", "must be at least 24h, so that idempotency keys hold"));
        }
        errors
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4000".to_owned(),
            storage: "sqlite".to_owned(),
            environment: "production".to_owned(),
            body_bytes_max: ByteSize(1 << 20),
            retention: None,
        }
    }
}

// === impl World ===

impl World {
    /// The real one.
    pub fn real() -> Self {
        let seed = || {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map(|()| seed)
        };
        Self { now: Arc::new(UnixNanos::now), seed: Arc::new(seed) }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

// === impl Running ===

impl Running {
    /// The API, to be mounted on the application port. It has no fallback of its own.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::clone(&self.state))
    }

    /// Routes of others on the same port, for who has an operator's key.
    pub fn for_operators(&self, routes: axum::Router) -> axum::Router {
        http::for_operators(Arc::clone(&self.state), routes)
    }

    /// Bytes of request bodies in memory, to be asked at any time.
    pub fn body_bytes(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move || state.body_bytes()
    }

    /// Spans and events on their way into the pipelines.
    pub fn edges(&self) -> &[Arc<ReceiverEdge>] {
        &self.edges
    }

    /// Waits for the relay and the sweeper, which end within the drain's deadline. What the relay did
    /// not get rid of stays in the outbox.
    pub async fn stopped(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The receiver's name in edges and configuration.
pub const KIND: &str = "phase_store";
const BODY_BYTES_LEAST: u64 = 1 << 10;
const BODY_BYTES_MOST: u64 = 64 << 20;
/// All bodies together; a request beyond that is told to come back.
const BODIES_BYTES_MAX: u64 = 32 << 20;

fn edge(signal: SignalKind) -> Arc<ReceiverEdge> {
    Arc::new(ReceiverEdge::new(ComponentId::new(KIND), "http", signal))
}
