//! Reading a batch in place: small `Copy` views over its bytes.
//!
//! - **In:** a [`Batch`](crate::Batch), so the bytes have passed the gate.
//! - **Out:** borrowed values. A view reads the fields of its own message once, when it is made;
//!   accessors then cost nothing. Lists are read while they are walked.
//! - **Guaranteed:** no allocation, no error, no panic. The last scalar wins, numbers may be packed
//!   or not, unknown fields are passed over.
//! - **Not here:** changing anything; see [`crate::rewrite`].

pub mod common;
pub mod logs;
pub mod metrics;
pub mod traces;

pub use common::{ArrayView, Attributes, PairView, Repeated, ResourceView, ScopeView, Unread, Value, View};
pub use logs::{LogRecordView, LogsView, ResourceLogsView, ScopeLogsView};
pub use metrics::{
    BucketsView, Data, ExemplarView, ExponentialHistogramView, ExponentialPoint, GaugeView, HistogramPoint,
    HistogramView, MetricView, MetricsView, Number, NumberPoint, Numbers, QuantileView, ResourceMetricsView,
    ScopeMetricsView, SumView, SummaryPoint, SummaryView,
};
pub use traces::{EventView, LinkView, ResourceSpansView, ScopeSpansView, SpanView, StatusView, TracesView};
