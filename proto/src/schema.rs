//! OTLP v1.10 as one table: every message with the numbers and kinds of its fields, in the order of
//! the `.proto` files.
//!
//! The gate walks requests by this table, the views take their field numbers from it. A field that
//! is not here is unknown: it is skipped when read, and kept when bytes are passed on.

use std::fmt;

use crate::batch::SignalKind;

/// What a field carries, and so how it is framed and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One variable-length integer.
    Varint(VarintType),
    /// `fixed32`.
    Fixed32,
    /// Eight bytes.
    Fixed64(Fixed64Type),
    /// `repeated uint64`, packed or not.
    Varints,
    /// `repeated fixed64` or `repeated double`, packed or not.
    Fixed64s(Fixed64Type),
    /// `string`.
    Text,
    /// `repeated string`.
    Texts,
    /// `bytes` of no particular length.
    Bytes,
    /// `bytes`: 16 of them.
    TraceId,
    /// `bytes`: 8 of them.
    SpanId,
    /// `bytes`: 8 of them, or none.
    ParentId,
    /// A singular message. Sent twice, the two merge.
    One(Message),
    /// A repeated message.
    Many(Message),
}

/// What a variable-length integer stands for. On the wire they look alike, in JSON they do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarintType {
    /// `bool`.
    Bool,
    /// An enum, which may have members we do not know.
    Enum,
    /// `int32`.
    Int32,
    /// `int64`.
    Int64,
    /// `uint32`.
    Uint32,
    /// `sint32`: zigzag.
    Sint32,
}

/// What eight bytes stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed64Type {
    /// `fixed64`.
    Unsigned,
    /// `sfixed64`.
    Signed,
    /// `double`.
    Double,
}

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its number.
    pub number: u32,
    /// Its name in the `.proto` file.
    pub name: &'static str,
    /// What it carries.
    pub kind: Kind,
    /// Member of the message's `oneof`. OTLP has at most one in a message.
    pub oneof: bool,
}

/// Names a field of a message in an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FieldName {
    /// The message it belongs to.
    pub message: Message,
    /// Its number; zero stands for the message as a whole.
    pub number: u32,
}

// === impl Message ===

impl Message {
    /// The export request of a signal.
    pub const fn request(kind: SignalKind) -> Self {
        match kind {
            SignalKind::Traces => Self::ExportTraceServiceRequest,
            SignalKind::Metrics => Self::ExportMetricsServiceRequest,
            SignalKind::Logs => Self::ExportLogsServiceRequest,
        }
    }

    /// The field with this number, if OTLP knows it.
    pub fn field(self, number: u32) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.number == number)
    }

    /// What lies between the request and its items.
    pub const fn is_envelope(self) -> bool {
        matches!(
            self,
            Self::ResourceSpans
                | Self::ScopeSpans
                | Self::ResourceMetrics
                | Self::ScopeMetrics
                | Self::Metric
                | Self::Gauge
                | Self::Sum
                | Self::Histogram
                | Self::ExponentialHistogram
                | Self::Summary
                | Self::ResourceLogs
                | Self::ScopeLogs
        )
    }

    /// Spans, data points and log records: what is counted, rejected and retained.
    pub const fn is_item(self) -> bool {
        matches!(
            self,
            Self::Span
                | Self::LogRecord
                | Self::NumberDataPoint
                | Self::HistogramDataPoint
                | Self::ExponentialHistogramDataPoint
                | Self::SummaryDataPoint
        )
    }
}

// === impl FieldName ===

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.name();
        match self.message.field(self.number) {
            Some(field) => write!(f, "{message}.{}", field.name),
            None if self.number == 0 => f.write_str(message),
            None => write!(f, "{message}, field {}", self.number),
        }
    }
}

impl fmt::Debug for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes the enum, the table, and a module of field numbers for each message.
macro_rules! messages {
    ($(
        $message:ident $module:ident {
            $($field:ident $name:ident = $number:literal $(in $oneof:ident)? : $kind:expr,)*
        }
    )*) => {
        /// A message of OTLP.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Message {
            $(#[doc = concat!("`", stringify!($message), "`.")] $message,)*
        }

        impl Message {
            /// All of them, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$message,)*];

            /// Its name in the `.proto` file.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$message => stringify!($message),)* }
            }

            /// Its fields, in the order of the `.proto` file.
            pub const fn fields(self) -> &'static [Field] {
                use Fixed64Type::*;
                use Kind::*;
                use VarintType::*;
                match self {
                    $(Self::$message => const { &[$(Field {
                        number: $number,
                        name: stringify!($name),
                        kind: $kind,
                        oneof: !concat!($(stringify!($oneof))?).is_empty(),
                    },)*] },)*
                }
            }
        }

        $(
            #[doc = concat!("Field numbers of `", stringify!($message), "`.")]
            pub mod $module {
                $(#[doc = concat!("`", stringify!($name), "`.")] pub const $field: u32 = $number;)*
            }
        )*
    };
}

messages! {
    // collector/{trace,metrics,logs}/v1/*_service.proto
    ExportTraceServiceRequest request_traces {
        RESOURCES resource_spans = 1: Many(Message::ResourceSpans),
    }
    ExportMetricsServiceRequest request_metrics {
        RESOURCES resource_metrics = 1: Many(Message::ResourceMetrics),
    }
    ExportLogsServiceRequest request_logs {
        RESOURCES resource_logs = 1: Many(Message::ResourceLogs),
    }

    // common/v1/common.proto
    AnyValue any_value {
        STRING string_value = 1 in value: Text,
        BOOL bool_value = 2 in value: Varint(Bool),
        INT int_value = 3 in value: Varint(Int64),
        DOUBLE double_value = 4 in value: Fixed64(Double),
        ARRAY array_value = 5 in value: One(Message::ArrayValue),
        KVLIST kvlist_value = 6 in value: One(Message::KeyValueList),
        BYTES bytes_value = 7 in value: Bytes,
        STRING_INDEX string_value_strindex = 8 in value: Varint(Int32),
    }
    ArrayValue array_value {
        VALUES values = 1: Many(Message::AnyValue),
    }
    KeyValueList key_value_list {
        VALUES values = 1: Many(Message::KeyValue),
    }
    KeyValue key_value {
        KEY key = 1: Text,
        VALUE value = 2: One(Message::AnyValue),
        KEY_INDEX key_strindex = 3: Varint(Int32),
    }
    InstrumentationScope scope {
        NAME name = 1: Text,
        VERSION version = 2: Text,
        ATTRIBUTES attributes = 3: Many(Message::KeyValue),
        DROPPED_ATTRIBUTES dropped_attributes_count = 4: Varint(Uint32),
    }
    EntityRef entity_ref {
        SCHEMA_URL schema_url = 1: Text,
        TYPE type = 2: Text,
        ID_KEYS id_keys = 3: Texts,
        DESCRIPTION_KEYS description_keys = 4: Texts,
    }

    // resource/v1/resource.proto
    Resource resource {
        ATTRIBUTES attributes = 1: Many(Message::KeyValue),
        DROPPED_ATTRIBUTES dropped_attributes_count = 2: Varint(Uint32),
        ENTITY_REFS entity_refs = 3: Many(Message::EntityRef),
    }

    // trace/v1/trace.proto
    ResourceSpans resource_spans {
        RESOURCE resource = 1: One(Message::Resource),
        SCOPES scope_spans = 2: Many(Message::ScopeSpans),
        SCHEMA_URL schema_url = 3: Text,
    }
    ScopeSpans scope_spans {
        SCOPE scope = 1: One(Message::InstrumentationScope),
        SPANS spans = 2: Many(Message::Span),
        SCHEMA_URL schema_url = 3: Text,
    }
    Span span {
        TRACE_ID trace_id = 1: TraceId,
        SPAN_ID span_id = 2: SpanId,
        TRACE_STATE trace_state = 3: Text,
        PARENT_SPAN_ID parent_span_id = 4: ParentId,
        FLAGS flags = 16: Fixed32,
        NAME name = 5: Text,
        KIND kind = 6: Varint(Enum),
        START start_time_unix_nano = 7: Fixed64(Unsigned),
        END end_time_unix_nano = 8: Fixed64(Unsigned),
        ATTRIBUTES attributes = 9: Many(Message::KeyValue),
        DROPPED_ATTRIBUTES dropped_attributes_count = 10: Varint(Uint32),
        EVENTS events = 11: Many(Message::Event),
        DROPPED_EVENTS dropped_events_count = 12: Varint(Uint32),
        LINKS links = 13: Many(Message::Link),
        DROPPED_LINKS dropped_links_count = 14: Varint(Uint32),
        STATUS status = 15: One(Message::Status),
    }
    Event event {
        TIME time_unix_nano = 1: Fixed64(Unsigned),
        NAME name = 2: Text,
        ATTRIBUTES attributes = 3: Many(Message::KeyValue),
        DROPPED_ATTRIBUTES dropped_attributes_count = 4: Varint(Uint32),
    }
    Link link {
        TRACE_ID trace_id = 1: TraceId,
        SPAN_ID span_id = 2: SpanId,
        TRACE_STATE trace_state = 3: Text,
        ATTRIBUTES attributes = 4: Many(Message::KeyValue),
        DROPPED_ATTRIBUTES dropped_attributes_count = 5: Varint(Uint32),
        FLAGS flags = 6: Fixed32,
    }
    Status status {
        MESSAGE message = 2: Text,
        CODE code = 3: Varint(Enum),
    }

    // metrics/v1/metrics.proto
    ResourceMetrics resource_metrics {
        RESOURCE resource = 1: One(Message::Resource),
        SCOPES scope_metrics = 2: Many(Message::ScopeMetrics),
        SCHEMA_URL schema_url = 3: Text,
    }
    ScopeMetrics scope_metrics {
        SCOPE scope = 1: One(Message::InstrumentationScope),
        METRICS metrics = 2: Many(Message::Metric),
        SCHEMA_URL schema_url = 3: Text,
    }
    Metric metric {
        NAME name = 1: Text,
        DESCRIPTION description = 2: Text,
        UNIT unit = 3: Text,
        GAUGE gauge = 5 in data: One(Message::Gauge),
        SUM sum = 7 in data: One(Message::Sum),
        HISTOGRAM histogram = 9 in data: One(Message::Histogram),
        EXPONENTIAL_HISTOGRAM exponential_histogram = 10 in data: One(Message::ExponentialHistogram),
        SUMMARY summary = 11 in data: One(Message::Summary),
        METADATA metadata = 12: Many(Message::KeyValue),
    }
    Gauge gauge {
        POINTS data_points = 1: Many(Message::NumberDataPoint),
    }
    Sum sum {
        POINTS data_points = 1: Many(Message::NumberDataPoint),
        TEMPORALITY aggregation_temporality = 2: Varint(Enum),
        MONOTONIC is_monotonic = 3: Varint(Bool),
    }
    Histogram histogram {
        POINTS data_points = 1: Many(Message::HistogramDataPoint),
        TEMPORALITY aggregation_temporality = 2: Varint(Enum),
    }
    ExponentialHistogram exponential_histogram {
        POINTS data_points = 1: Many(Message::ExponentialHistogramDataPoint),
        TEMPORALITY aggregation_temporality = 2: Varint(Enum),
    }
    Summary summary {
        POINTS data_points = 1: Many(Message::SummaryDataPoint),
    }
    NumberDataPoint number_point {
        ATTRIBUTES attributes = 7: Many(Message::KeyValue),
        START start_time_unix_nano = 2: Fixed64(Unsigned),
        TIME time_unix_nano = 3: Fixed64(Unsigned),
        DOUBLE as_double = 4 in value: Fixed64(Double),
        INT as_int = 6 in value: Fixed64(Signed),
        EXEMPLARS exemplars = 5: Many(Message::Exemplar),
        FLAGS flags = 8: Varint(Uint32),
    }
    HistogramDataPoint histogram_point {
        ATTRIBUTES attributes = 9: Many(Message::KeyValue),
        START start_time_unix_nano = 2: Fixed64(Unsigned),
        TIME time_unix_nano = 3: Fixed64(Unsigned),
        COUNT count = 4: Fixed64(Unsigned),
        SUM sum = 5: Fixed64(Double),
        BUCKET_COUNTS bucket_counts = 6: Fixed64s(Unsigned),
        BOUNDS explicit_bounds = 7: Fixed64s(Double),
        EXEMPLARS exemplars = 8: Many(Message::Exemplar),
        FLAGS flags = 10: Varint(Uint32),
        MIN min = 11: Fixed64(Double),
        MAX max = 12: Fixed64(Double),
    }
    ExponentialHistogramDataPoint exponential_point {
        ATTRIBUTES attributes = 1: Many(Message::KeyValue),
        START start_time_unix_nano = 2: Fixed64(Unsigned),
        TIME time_unix_nano = 3: Fixed64(Unsigned),
        COUNT count = 4: Fixed64(Unsigned),
        SUM sum = 5: Fixed64(Double),
        SCALE scale = 6: Varint(Sint32),
        ZERO_COUNT zero_count = 7: Fixed64(Unsigned),
        POSITIVE positive = 8: One(Message::Buckets),
        NEGATIVE negative = 9: One(Message::Buckets),
        FLAGS flags = 10: Varint(Uint32),
        EXEMPLARS exemplars = 11: Many(Message::Exemplar),
        MIN min = 12: Fixed64(Double),
        MAX max = 13: Fixed64(Double),
        ZERO_THRESHOLD zero_threshold = 14: Fixed64(Double),
    }
    Buckets buckets {
        OFFSET offset = 1: Varint(Sint32),
        COUNTS bucket_counts = 2: Varints,
    }
    SummaryDataPoint summary_point {
        ATTRIBUTES attributes = 7: Many(Message::KeyValue),
        START start_time_unix_nano = 2: Fixed64(Unsigned),
        TIME time_unix_nano = 3: Fixed64(Unsigned),
        COUNT count = 4: Fixed64(Unsigned),
        SUM sum = 5: Fixed64(Double),
        QUANTILES quantile_values = 6: Many(Message::ValueAtQuantile),
        FLAGS flags = 8: Varint(Uint32),
    }
    ValueAtQuantile quantile {
        QUANTILE quantile = 1: Fixed64(Double),
        VALUE value = 2: Fixed64(Double),
    }
    Exemplar exemplar {
        ATTRIBUTES filtered_attributes = 7: Many(Message::KeyValue),
        TIME time_unix_nano = 2: Fixed64(Unsigned),
        DOUBLE as_double = 3 in value: Fixed64(Double),
        INT as_int = 6 in value: Fixed64(Signed),
        SPAN_ID span_id = 4: SpanId,
        TRACE_ID trace_id = 5: TraceId,
    }

    // logs/v1/logs.proto
    ResourceLogs resource_logs {
        RESOURCE resource = 1: One(Message::Resource),
        SCOPES scope_logs = 2: Many(Message::ScopeLogs),
        SCHEMA_URL schema_url = 3: Text,
    }
    ScopeLogs scope_logs {
        SCOPE scope = 1: One(Message::InstrumentationScope),
        RECORDS log_records = 2: Many(Message::LogRecord),
        SCHEMA_URL schema_url = 3: Text,
    }
    LogRecord log_record {
        TIME time_unix_nano = 1: Fixed64(Unsigned),
        OBSERVED_TIME observed_time_unix_nano = 11: Fixed64(Unsigned),
        SEVERITY_NUMBER severity_number = 2: Varint(Enum),
        SEVERITY_TEXT severity_text = 3: Text,
        BODY body = 5: One(Message::AnyValue),
        ATTRIBUTES attributes = 6: Many(Message::KeyValue),
        DROPPED_ATTRIBUTES dropped_attributes_count = 7: Varint(Uint32),
        FLAGS flags = 8: Fixed32,
        TRACE_ID trace_id = 9: TraceId,
        SPAN_ID span_id = 10: SpanId,
        EVENT_NAME event_name = 12: Text,
    }
}
