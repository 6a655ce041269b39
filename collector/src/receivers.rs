//! The list of receivers: how data comes in.
//!
//! Read in this order: [`admission`] (room for bytes before there are any), [`body`] (reading under it), [`otlp`] (gRPC
//! and HTTP).

pub mod admission;
mod auth;
pub(crate) mod body;
pub mod otlp;

use exporters::auth::config::Htpasswd;
use pipelines::{config::ConfigError, engine::graph::Signals};
use proto::SignalKind;
use serde::{Deserialize, Deserializer, Serialize};

use crate::phase_store;

/// What a user may write under `receivers:`, by type.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Config {
    /// `otlp`
    Otlp(Box<otlp::Config>),
    /// `phase_store`, which has a module of its own.
    PhaseStore(phase_store::Config),
}

/// Canonical types, in the order they are listed to a user.
pub const KINDS: &[&str] = &["otlp", "phase_store"];

/// Reads the configuration of a receiver of type `kind`. `None`: there is no such type.
///
/// # Errors
/// The deserializer's: a key that is not known, a value of the wrong type.
pub fn deserialize<'de, D: Deserializer<'de>>(
    kind: &str,
    deserializer: D,
) -> Option<Result<Config, D::Error>> {
    match kind {
        "otlp" => Some(Box::deserialize(deserializer).map(Config::Otlp)),
        "phase_store" => Some(phase_store::Config::deserialize(deserializer).map(Config::PhaseStore)),
        _ => None,
    }
}

/// What is wrong with a list of users, with its path below `htpasswd`.
pub(crate) fn users_fault(htpasswd: &Htpasswd) -> Option<ConfigError> {
    auth::users_fault(htpasswd)
}

// === impl Config ===

impl Config {
    /// Everything that is wrong, with paths from the receiver.
    pub fn check(&self) -> Vec<ConfigError> {
        match self {
            Self::Otlp(config) => config.check(),
            Self::PhaseStore(config) => config.check(),
        }
    }

    /// Keys that are accepted and change nothing, with paths from the receiver.
    pub fn warnings(&self) -> Vec<ConfigError> {
        match self {
            Self::Otlp(config) => config.warnings(),
            Self::PhaseStore(_) => Vec::new(),
        }
    }

    /// The largest piece of data that it brings in, in bytes.
    pub fn request_bytes_max(&self) -> u64 {
        match self {
            Self::Otlp(config) => config.request_bytes_max(),
            Self::PhaseStore(config) => config.body_bytes_max.0,
        }
    }

    /// What it can feed into pipelines.
    pub fn signals(&self) -> Signals {
        match self {
            Self::Otlp(_) => Signals::ALL,
            Self::PhaseStore(_) => Signals::of(&[SignalKind::Traces, SignalKind::Logs]),
        }
    }
}
