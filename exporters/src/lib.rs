//! How data leaves the process.
//!
//! Read in this order: this file (the list), [`delivery`] (the loop of all that push), [`otlp_grpc`], [`otlp_http`],
//! [`mod@file`], [`debug`], and [`prometheus`], the one that is asked instead of pushing. [`seats`] keeps its listener, and those of
//! the process, within bounds; [`auth`] says who we are to others, and who they are to us, with [`secret`] texts and
//! files that are [`watched`].
//!
//! **Not here:** which pipeline ends in which exporter, and YAML.

use std::sync::Arc;

use pipelines::{
    component::ComponentId, config::ConfigError, consumer::Exporter, journal::OnFull, processors::Hints,
};
use proto::SignalKind;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use auth::Authenticators;
use tls::Reloads;

pub mod auth;
mod causes;
pub mod debug;
pub mod delivery;
pub mod file;
pub mod otlp_grpc;
pub mod otlp_http;
pub mod prometheus;
pub mod seats;
pub mod secret;
pub mod tls;
pub mod watched;

/// One exporter as the user wrote it: every kind there is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Config {
    /// OTLP over gRPC.
    OtlpGrpc(Box<otlp_grpc::Config>),
    /// OTLP over HTTP.
    OtlpHttp(Box<otlp_http::Config>),
    /// To a file.
    File(file::Config),
    /// To our own log.
    Debug(debug::Config),
    /// A page for Prometheus to scrape.
    Prometheus(Box<prometheus::Config>),
}

/// An exporter ready to run.
pub enum Built {
    /// It drives its cursor itself. If it speaks TLS, how often it has read its certificates again.
    Push(Box<dyn Exporter>, Option<Arc<Reloads>>),
    /// It keeps state: the end of all pipelines that name it is one table, and a page shows it.
    Table(Box<prometheus::Config>),
}

/// What an exporter is told about its place when it is built.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Its own id.
    pub id: &'a ComponentId,
    /// What its pipeline carries.
    pub signal: SignalKind,
    /// Makes its jitter repeatable. To each its own.
    pub seed: u64,
    /// Those of a `batch` processor in the pipeline.
    pub hints: Option<Hints>,
    /// What `auth` may name.
    pub authenticators: &'a Authenticators,
}

/// Canonical names, in the order of the documentation.
pub const KINDS: &[&str] = &["otlp_grpc", "otlp_http", "file", "debug", "prometheus"];

/// Reads what stands under an exporter of this canonical `kind`.
///
/// # Errors
/// The kind is not in [`KINDS`], or the configuration cannot be read as one of it.
pub fn deserialize<'de, D: Deserializer<'de>>(kind: &str, deserializer: D) -> Result<Config, D::Error> {
    match kind {
        "otlp_grpc" => Box::deserialize(deserializer).map(Config::OtlpGrpc),
        "otlp_http" => Box::deserialize(deserializer).map(Config::OtlpHttp),
        "file" => file::Config::deserialize(deserializer).map(Config::File),
        "debug" => debug::Config::deserialize(deserializer).map(Config::Debug),
        "prometheus" => Box::deserialize(deserializer).map(Config::Prometheus),
        _ => Err(D::Error::unknown_variant(kind, KINDS)),
    }
}

// === impl Config ===

impl Config {
    /// The canonical name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OtlpGrpc(_) => "otlp_grpc",
            Self::OtlpHttp(_) => "otlp_http",
            Self::File(_) => "file",
            Self::Debug(_) => "debug",
            Self::Prometheus(_) => "prometheus",
        }
    }

    /// Every fault, with its path below the exporter.
    pub fn check(&self) -> Vec<ConfigError> {
        match self {
            Self::OtlpGrpc(config) => config.check(),
            Self::OtlpHttp(config) => config.check(),
            Self::File(config) => config.check(),
            Self::Debug(config) => config.check(),
            Self::Prometheus(config) => config.check(),
        }
    }

    /// Keys that are written but change nothing here, with the reason; not faults.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        match self {
            Self::OtlpGrpc(config) => config.without_effect(),
            Self::OtlpHttp(config) => config.without_effect(),
            Self::File(config) => config.without_effect(),
            Self::Debug(config) => config.without_effect(),
            Self::Prometheus(config) => config.without_effect(),
        }
    }

    /// Whether it has nowhere to send this signal to, with the path below the exporter.
    pub fn check_signal(&self, signal: SignalKind) -> Option<ConfigError> {
        match self {
            Self::OtlpHttp(config) => config.check_signal(signal),
            Self::OtlpGrpc(_) | Self::File(_) | Self::Debug(_) | Self::Prometheus(_) => None,
        }
    }

    /// What is wrong with the files of its `tls`, with its path below the exporter.
    pub fn file_fault(&self) -> Option<ConfigError> {
        match self {
            Self::OtlpGrpc(config) => config.file_fault(),
            Self::OtlpHttp(config) => config.file_fault(),
            Self::File(_) | Self::Debug(_) | Self::Prometheus(_) => None,
        }
    }

    /// Whether it wants its pipelines durable.
    pub fn wants_durable(&self) -> bool {
        match self {
            Self::OtlpGrpc(config) => config.sending_queue.wants_durable(),
            Self::OtlpHttp(config) => config.sending_queue.wants_durable(),
            Self::File(_) | Self::Debug(_) | Self::Prometheus(_) => false,
        }
    }

    /// Whether it wants its pipelines to answer only when it has delivered.
    pub fn wants_delivered(&self) -> bool {
        match self {
            Self::OtlpGrpc(config) => config.sending_queue.wants_delivered(),
            Self::OtlpHttp(config) => config.sending_queue.wants_delivered(),
            Self::File(_) | Self::Debug(_) | Self::Prometheus(_) => false,
        }
    }

    /// How far it may lag behind, in bytes, in a pipeline that is `durable` or one in memory.
    pub fn lag_bytes_max(&self, durable: bool) -> u64 {
        match self {
            Self::OtlpGrpc(config) => config.sending_queue.lag_bytes_max(config.max_lag_bytes, durable),
            Self::OtlpHttp(config) => config.sending_queue.lag_bytes_max(config.max_lag_bytes, durable),
            Self::File(_) | Self::Debug(_) | Self::Prometheus(_) => delivery::config::lag_bytes_max(durable),
        }
    }

    /// What it holds of each of its pipelines while it is on its way out, in bytes, and one request more.
    pub fn read_ahead_bytes_max(&self) -> Option<u64> {
        match self {
            Self::OtlpGrpc(_) | Self::OtlpHttp(_) | Self::File(_) => {
                Some(delivery::READ_AHEAD_BYTES_MAX as u64)
            }
            Self::Debug(_) | Self::Prometheus(_) => None,
        }
    }

    /// What it keeps of all that it was ever sent, in bytes; nothing if it keeps nothing.
    pub fn state_bytes_max(&self) -> Option<u64> {
        match self {
            Self::Prometheus(config) => Some(config.limits().memory_max()),
            Self::OtlpGrpc(_) | Self::OtlpHttp(_) | Self::File(_) | Self::Debug(_) => None,
        }
    }

    /// What happens when it lags behind by that much.
    pub fn on_full(&self) -> OnFull {
        match self {
            Self::OtlpGrpc(config) => config.on_full.into(),
            Self::OtlpHttp(config) => config.on_full.into(),
            // Who only looks on holds nobody up.
            Self::Debug(_) => OnFull::DropOldest,
            Self::File(_) | Self::Prometheus(_) => OnFull::Refuse,
        }
    }

    /// Room for what its destination refuses for good, in bytes.
    pub fn dead_letter_bytes_max(&self) -> u64 {
        match self {
            Self::OtlpGrpc(config) => config.max_dead_letter_bytes.0,
            Self::OtlpHttp(config) => config.max_dead_letter_bytes.0,
            // None has a destination that could refuse for good.
            Self::File(_) | Self::Debug(_) | Self::Prometheus(_) => 0,
        }
    }

    /// The exporter of one pipeline.
    ///
    /// # Errors
    /// What [`check`](Self::check) would have found, or a certificate or a file of secrets that cannot be read.
    pub fn build(&self, settings: &Settings<'_>) -> Result<Built, ConfigError> {
        Ok(match self {
            Self::OtlpGrpc(config) => {
                let exporter = config.build(settings)?;
                let reloads = exporter.reloads();
                Built::Push(Box::new(exporter), reloads)
            }
            Self::OtlpHttp(config) => {
                let exporter = config.build(settings)?;
                let reloads = exporter.reloads();
                Built::Push(Box::new(exporter), reloads)
            }
            Self::File(config) => Built::Push(Box::new(config.build(settings)?), None),
            Self::Debug(config) => Built::Push(Box::new(config.build(settings.id)?), None),
            Self::Prometheus(config) => Built::Table(config.clone()),
        })
    }
}

// === impl Built ===

impl std::fmt::Debug for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Push(..) => f.write_str("Push"),
            Self::Table(_) => f.write_str("Table"),
        }
    }
}

#[cfg(test)]
mod tests;
