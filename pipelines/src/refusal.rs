//! How work is declined: come back later, or never.
//!
//! Every refusal carries its reason as a person would read it, and, where waiting helps, for how
//! long. Refusals become gRPC codes and HTTP statuses only in receivers.

use std::{sync::Arc, time::Duration};

use thiserror::Error;

use crate::component::ComponentId;

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A passing condition. The sender keeps the data and tries again.
    #[error("{reason}")]
    Retry {
        /// When to come back; always set, so that every refusal carries a hint.
        after: Duration,
        /// What is wrong at the moment.
        reason: Reason,
    },
    /// The same data will never be taken.
    #[error("{reason}")]
    Permanent {
        /// What is wrong with the data.
        reason: Reason,
    },
    /// The destination of a pipeline that answers `delivered` has not taken the data.
    #[error("{0}")]
    Downstream(Arc<Downstream>),
}

/// What a destination had to say, for the sender that waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{exporter} could not deliver the data: {name}: {message}")]
pub struct Downstream {
    /// Whose destination.
    pub exporter: ComponentId,
    /// The gRPC status code it was refused with.
    pub code: i32,
    /// The code's name.
    pub name: &'static str,
    /// The destination's words, short and without control characters.
    pub message: String,
    /// When to come back, if waiting may help; nothing if it was refused for good.
    pub retry_after: Option<Duration>,
}

/// A reason, short enough for a label and plain enough for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes admitted and not yet answered have reached their bound.
    #[error("too many bytes in flight, the memory limit is reached")]
    MemoryLimit,
    /// A consumer lags behind by its whole budget and may not drop.
    #[error("a consumer of this pipeline has reached its lag limit")]
    QueueFull,
    /// The disk did not take the data (full, or failing).
    #[error("the journal could not write to its disk")]
    Storage,
    /// The process is stopping.
    #[error("the collector is shutting down")]
    ShuttingDown,
    /// No pipeline takes this signal.
    #[error("no pipeline accepts this signal")]
    NoPipeline,
    /// One batch is larger than the journal can ever hold, or its processors make many times as much of it.
    #[error("the batch, as its processors leave it, is larger than the journal can hold")]
    TooLarge,
    /// Every exporter of a pipeline that answers `delivered` refused the data for good.
    #[error("the destination refused the data")]
    Downstream,
}

// === impl Refusal ===

impl Refusal {
    /// A passing refusal with the usual hint.
    pub fn retry(reason: Reason) -> Self {
        Self::Retry { after: RETRY_AFTER, reason }
    }

    /// A refusal for good.
    pub fn permanent(reason: Reason) -> Self {
        Self::Permanent { reason }
    }

    /// The reason, whichever kind it is.
    pub fn reason(&self) -> Reason {
        match *self {
            Self::Retry { reason, .. } | Self::Permanent { reason } => reason,
            Self::Downstream(_) => Reason::Downstream,
        }
    }

    /// When to come back; nothing if the same data will never be taken.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Retry { after, .. } => Some(*after),
            Self::Permanent { .. } => None,
            Self::Downstream(downstream) => downstream.retry_after,
        }
    }
}

// === impl Reason ===

impl Reason {
    /// The value of the label `reason` in our own metrics.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::MemoryLimit => "memory_limit",
            Self::QueueFull => "queue_full",
            Self::Storage => "storage",
            Self::ShuttingDown => "shutting_down",
            Self::NoPipeline => "no_pipeline",
            Self::TooLarge => "too_large",
            Self::Downstream => "downstream",
        }
    }
}

/// What a sender is told to wait when nothing better is known.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);
