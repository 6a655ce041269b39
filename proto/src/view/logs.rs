//! Log records, events among them.

use crate::{
    batch::{Batch, Logs},
    schema::{log_record, request_logs, resource_logs, scope_logs},
    view::common::{Attributes, Extent, Repeated, ResourceView, ScopeView, Value, View, id, text},
    wire::{Fields, Payload},
};

/// A whole request.
#[derive(Clone, Copy, Debug)]
pub struct LogsView<'a> {
    bytes: &'a [u8],
}

/// The records of one sender.
#[derive(Clone, Copy, Debug)]
pub struct ResourceLogsView<'a> {
    bytes: &'a [u8],
    resource: &'a [u8],
    schema_url: &'a [u8],
}

/// The records of one library of one sender.
#[derive(Clone, Copy, Debug)]
pub struct ScopeLogsView<'a> {
    bytes: &'a [u8],
    scope: &'a [u8],
    schema_url: &'a [u8],
}

/// A log record; an event if it has an event name.
#[derive(Clone, Copy, Debug)]
pub struct LogRecordView<'a> {
    trace_id: Option<&'a [u8; 16]>,
    span_id: Option<&'a [u8; 8]>,
    severity_text: &'a [u8],
    event_name: &'a [u8],
    body: &'a [u8],
    attributes: Attributes<'a>,
    time_ns: u64,
    observed_time_ns: u64,
    severity_number: i32,
    flags: u32,
    dropped_attributes: u32,
}

// === impl Batch ===

impl Batch<Logs> {
    /// Looks at the request where it lies.
    pub fn view(&self) -> LogsView<'_> {
        LogsView { bytes: self.bytes() }
    }
}

// === impl LogsView ===

impl<'a> LogsView<'a> {
    /// The senders, in order.
    #[inline]
    pub fn resource_logs(self) -> Repeated<'a, ResourceLogsView<'a>> {
        Repeated::new(self.bytes, request_logs::RESOURCES)
    }
}

// === impl ResourceLogsView ===

impl<'a> ResourceLogsView<'a> {
    /// Who sent the records.
    #[inline]
    pub fn resource(self) -> ResourceView<'a> {
        ResourceView::read(self.resource)
    }

    /// The libraries, in order.
    #[inline]
    pub fn scope_logs(self) -> Repeated<'a, ScopeLogsView<'a>> {
        Repeated::new(self.bytes, resource_logs::SCOPES)
    }

    /// The schema that the resource follows.
    #[inline]
    pub fn schema_url(self) -> &'a str {
        text(self.schema_url)
    }
}

impl<'a> View<'a> for ResourceLogsView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { bytes, resource: &[], schema_url: &[] };
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (resource_logs::RESOURCE, Payload::Len(resource)) => view.resource = resource,
                (resource_logs::SCHEMA_URL, Payload::Len(url)) => view.schema_url = url,
                _ => {}
            }
        }
        view
    }
}

// === impl ScopeLogsView ===

impl<'a> ScopeLogsView<'a> {
    /// Which library made the records.
    #[inline]
    pub fn scope(self) -> ScopeView<'a> {
        ScopeView::read(self.scope)
    }

    /// The records, in order.
    #[inline]
    pub fn log_records(self) -> Repeated<'a, LogRecordView<'a>> {
        Repeated::new(self.bytes, scope_logs::RECORDS)
    }

    /// The schema that scope and records follow.
    #[inline]
    pub fn schema_url(self) -> &'a str {
        text(self.schema_url)
    }
}

impl<'a> View<'a> for ScopeLogsView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { bytes, scope: &[], schema_url: &[] };
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (scope_logs::SCOPE, Payload::Len(scope)) => view.scope = scope,
                (scope_logs::SCHEMA_URL, Payload::Len(url)) => view.schema_url = url,
                _ => {}
            }
        }
        view
    }
}

// === impl LogRecordView ===

impl<'a> LogRecordView<'a> {
    /// When it happened, nanoseconds since 1970; 0 if unknown.
    #[inline]
    pub fn time_ns(self) -> u64 {
        self.time_ns
    }

    /// When it was collected, nanoseconds since 1970.
    #[inline]
    pub fn observed_time_ns(self) -> u64 {
        self.observed_time_ns
    }

    /// `SeverityNumber`: 1 to 24, 0 if unknown.
    #[inline]
    pub fn severity_number(self) -> i32 {
        self.severity_number
    }

    /// The severity as the source wrote it.
    #[inline]
    pub fn severity_text(self) -> &'a str {
        text(self.severity_text)
    }

    /// What was logged.
    #[inline]
    pub fn body(self) -> Value<'a> {
        Value::read(self.body)
    }

    /// What describes it.
    #[inline]
    pub fn attributes(self) -> Attributes<'a> {
        self.attributes
    }

    /// How many attributes the sender left out.
    #[inline]
    pub fn dropped_attributes_count(self) -> u32 {
        self.dropped_attributes
    }

    /// W3C trace flags.
    #[inline]
    pub fn flags(self) -> u32 {
        self.flags
    }

    /// The trace it belongs to; none if empty or all zero.
    #[inline]
    pub fn trace_id(self) -> Option<&'a [u8; 16]> {
        self.trace_id
    }

    /// The span it belongs to; none if empty or all zero.
    #[inline]
    pub fn span_id(self) -> Option<&'a [u8; 8]> {
        self.span_id
    }

    /// The event's name; empty if the record is no event.
    #[inline]
    pub fn event_name(self) -> &'a str {
        text(self.event_name)
    }
}

impl<'a> View<'a> for LogRecordView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self::EMPTY;
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (log_record::TIME, Payload::Fixed64(time)) => view.time_ns = time,
                (log_record::OBSERVED_TIME, Payload::Fixed64(time)) => view.observed_time_ns = time,
                (log_record::SEVERITY_NUMBER, Payload::Varint(number)) => {
                    view.severity_number = number as i32
                }
                (log_record::SEVERITY_TEXT, Payload::Len(text)) => view.severity_text = text,
                (log_record::BODY, Payload::Len(body)) => view.body = body,
                (log_record::ATTRIBUTES, _) => attributes.cover(&field),
                (log_record::DROPPED_ATTRIBUTES, Payload::Varint(count)) => {
                    view.dropped_attributes = count as u32;
                }
                (log_record::FLAGS, Payload::Fixed32(flags)) => view.flags = flags,
                (log_record::TRACE_ID, Payload::Len(trace)) => view.trace_id = id(trace),
                (log_record::SPAN_ID, Payload::Len(span)) => view.span_id = id(span),
                (log_record::EVENT_NAME, Payload::Len(name)) => view.event_name = name,
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, attributes, log_record::ATTRIBUTES);
        view
    }
}

impl LogRecordView<'_> {
    const EMPTY: Self = Self {
        trace_id: None,
        span_id: None,
        severity_text: &[],
        event_name: &[],
        body: &[],
        attributes: Attributes::EMPTY,
        time_ns: 0,
        observed_time_ns: 0,
        severity_number: 0,
        flags: 0,
        dropped_attributes: 0,
    };
}
