//! The list of processors: what changes, leaves out or declines a batch before the journal has it.

pub mod actions;
pub mod attributes;
pub mod batch;
pub mod matching;
pub mod memory_limiter;
pub mod resource;
mod setting;

use proto::SignalKind;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{config::ConfigError, memory::MemoryGauge, processor::Processor};
pub use batch::Hints;
use matching::Items;

/// What a user writes under a processor's name; one variant for each of [`KINDS`].
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Config {
    /// `attributes`.
    Attributes(Box<attributes::Config>),
    /// `batch`.
    Batch(batch::Config),
    /// `memory_limiter`.
    MemoryLimiter(memory_limiter::Config),
    /// `resource`.
    Resource(resource::Config),
}

// === impl Config ===

impl Config {
    /// Reads the configuration of a processor of this kind.
    ///
    /// # Errors
    /// `kind` is none of [`KINDS`], or what is written does not fit it.
    pub fn deserialize<'de, D: Deserializer<'de>>(kind: &str, deserializer: D) -> Result<Self, D::Error> {
        match kind {
            "attributes" => Box::deserialize(deserializer).map(Self::Attributes),
            "batch" => batch::Config::deserialize(deserializer).map(Self::Batch),
            "memory_limiter" => memory_limiter::Config::deserialize(deserializer).map(Self::MemoryLimiter),
            "resource" => resource::Config::deserialize(deserializer).map(Self::Resource),
            _ => Err(serde::de::Error::unknown_variant(kind, KINDS)),
        }
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    /// All faults, with paths below the processor.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        match self {
            Self::Attributes(config) => config.check(),
            Self::Batch(config) => config.check(),
            Self::MemoryLimiter(config) => config.check(),
            Self::Resource(config) => config.check(),
        }
    }

    /// The signals it works on.
    pub fn signals(&self) -> &'static [SignalKind] {
        &SignalKind::ALL
    }

    /// What a `batch` processor asks of the exporters behind it.
    pub fn hints(&self) -> Option<Hints> {
        match self {
            Self::Batch(config) => Some(config.hints()),
            _ => None,
        }
    }

    /// The limits of a `memory_limiter`, from which the memory budget is divided.
    pub fn memory_limits(&self) -> Option<memory_limiter::Limits> {
        match self {
            Self::MemoryLimiter(config) => Some(config.limits()),
            _ => None,
        }
    }

    /// Makes the processor for one pipeline.
    ///
    /// # Errors
    /// As [`check`](Self::check), and what the signal `S` does not allow.
    pub fn build<S: Items>(&self, memory: &MemoryGauge) -> Result<Box<dyn Processor<S>>, Vec<ConfigError>> {
        self.check()?;
        Ok(match self {
            Self::Attributes(config) => Box::new(config.build::<S>()?),
            Self::Batch(_) => Box::new(batch::PassOn),
            Self::MemoryLimiter(config) => Box::new(config.build(memory.clone())),
            Self::Resource(config) => Box::new(config.build()?),
        })
    }
}

/// The kinds of processors, by canonical name.
pub const KINDS: &[&str] = &["attributes", "batch", "memory_limiter", "resource"];

#[cfg(test)]
mod tests;
