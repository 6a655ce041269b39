//! How work is declined: come back later, or never.
//!
//! Every refusal carries its reason as a person would read it, and, where waiting helps, for how
//! long. Refusals become gRPC codes and HTTP statuses only in receivers.

use std::time::Duration;

use thiserror::Error;

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
    /// One batch is larger than the journal can ever hold.
    #[error("the batch is larger than the journal can hold")]
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
const RETRY_AFTER: Duration = Duration::from_secs(1);
