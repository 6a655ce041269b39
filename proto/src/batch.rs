//! Validated bytes with their item counts.
//!
//! - **In:** only [`fn@crate::validate`] and this crate's own writers make a [`Batch`].
//! - **Guaranteed:** the bytes are a well-formed export request of the signal `S`; `items` is the
//!   number of spans, data points or log records in them.

use std::{fmt, marker::PhantomData};

use bytes::Bytes;

/// One of the three OTLP signals, as a type.
pub trait Signal: Copy + fmt::Debug + Send + Sync + 'static {
    /// The same, as a value.
    const KIND: SignalKind;
}

/// One of the three OTLP signals, as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignalKind {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records, events among them.
    Logs,
}

/// Spans.
#[derive(Clone, Copy, Debug)]
pub struct Traces;

/// Data points.
#[derive(Clone, Copy, Debug)]
pub struct Metrics;

/// Log records.
#[derive(Clone, Copy, Debug)]
pub struct Logs;

/// An export request that passed the gate. Cheap to clone; keeps its whole buffer alive.
#[derive(Clone)]
pub struct Batch<S> {
    bytes: Bytes,
    items: usize,
    signal: PhantomData<S>,
}

/// A batch whose signal is known at run time only.
#[derive(Clone, Debug)]
pub enum AnyBatch {
    /// Spans.
    Traces(Batch<Traces>),
    /// Data points.
    Metrics(Batch<Metrics>),
    /// Log records.
    Logs(Batch<Logs>),
}

// === impl Signal ===

impl Signal for Traces {
    const KIND: SignalKind = SignalKind::Traces;
}

impl Signal for Metrics {
    const KIND: SignalKind = SignalKind::Metrics;
}

impl Signal for Logs {
    const KIND: SignalKind = SignalKind::Logs;
}

// === impl SignalKind ===

impl SignalKind {
    /// All three, in the order of the specification.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// As the YAML writes it: `traces`, `metrics`, `logs`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    /// The noun of the OpenTelemetry Collector's own metrics: `spans`, `metric_points`,
    /// `log_records`.
    pub fn items(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Metrics => "metric_points",
            Self::Logs => "log_records",
        }
    }
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Batch ===

impl<S: Signal> Batch<S> {
    /// Only for writers of this crate that know the bytes are valid.
    pub(crate) fn trusted(bytes: Bytes, items: usize) -> Self {
        Self { bytes, items, signal: PhantomData }
    }

    /// The export request as it goes over the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The export request, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Spans, data points or log records.
    pub fn items(&self) -> usize {
        self.items
    }
}

impl<S: Signal> fmt::Debug for Batch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch<{}>({} items, {} bytes)", S::KIND, self.items, self.bytes.len())
    }
}

// === impl AnyBatch ===

impl AnyBatch {
    /// Which signal.
    pub fn kind(&self) -> SignalKind {
        match self {
            Self::Traces(_) => SignalKind::Traces,
            Self::Metrics(_) => SignalKind::Metrics,
            Self::Logs(_) => SignalKind::Logs,
        }
    }

    /// The export request as it goes over the wire.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Traces(batch) => batch.bytes(),
            Self::Metrics(batch) => batch.bytes(),
            Self::Logs(batch) => batch.bytes(),
        }
    }

    /// Spans, data points or log records.
    pub fn items(&self) -> usize {
        match self {
            Self::Traces(batch) => batch.items(),
            Self::Metrics(batch) => batch.items(),
            Self::Logs(batch) => batch.items(),
        }
    }
}

impl From<Batch<Traces>> for AnyBatch {
    fn from(batch: Batch<Traces>) -> Self {
        Self::Traces(batch)
    }
}

impl From<Batch<Metrics>> for AnyBatch {
    fn from(batch: Batch<Metrics>) -> Self {
        Self::Metrics(batch)
    }
}

impl From<Batch<Logs>> for AnyBatch {
    fn from(batch: Batch<Logs>) -> Self {
        Self::Logs(batch)
    }
}
