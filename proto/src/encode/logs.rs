//! Log records and events.

use crate::{
    batch::Logs,
    encode::{AttributesWriter, ItemsWriter, attributes::write_value},
    schema::{log_record, scope_logs},
    view::Value,
    wire::Writer,
};

/// Fills a log record.
#[derive(Debug)]
pub struct LogRecordWriter<'w> {
    out: &'w mut Writer,
    /// A second body is not written, because the two would merge.
    has_body: bool,
}

// === impl ItemsWriter ===

impl ItemsWriter<'_, Logs> {
    /// Adds a log record; times in nanoseconds since 1970.
    pub fn log_record(
        &mut self,
        time_ns: u64,
        observed_time_ns: u64,
        fill: impl FnOnce(&mut LogRecordWriter<'_>),
    ) {
        *self.items += 1;
        self.out.message(scope_logs::RECORDS, |out| {
            out.fixed64(log_record::TIME, time_ns);
            out.fixed64(log_record::OBSERVED_TIME, observed_time_ns);
            fill(&mut LogRecordWriter { out, has_body: false });
        });
    }
}

// === impl LogRecordWriter ===

impl LogRecordWriter<'_> {
    /// Makes the record an event.
    pub fn event_name(&mut self, name: &str) -> &mut Self {
        self.out.string_unless_empty(log_record::EVENT_NAME, name);
        self
    }

    /// `SeverityNumber` and its name.
    pub fn severity(&mut self, number: i32, text: &str) -> &mut Self {
        self.out.int(log_record::SEVERITY_NUMBER, i64::from(number));
        self.out.string_unless_empty(log_record::SEVERITY_TEXT, text);
        self
    }

    /// What was logged. The first call counts.
    pub fn body(&mut self, body: Value<'_>) -> &mut Self {
        if !self.has_body {
            self.has_body = true;
            self.out.message(log_record::BODY, |out| write_value(out, 1, body));
        }
        self
    }

    /// What describes it.
    pub fn attributes(&mut self) -> AttributesWriter<'_> {
        AttributesWriter::new(self.out, log_record::ATTRIBUTES)
    }

    /// The span it belongs to, and W3C trace flags.
    pub fn trace_context(&mut self, trace_id: &[u8; 16], span_id: &[u8; 8], flags: u32) -> &mut Self {
        self.out.fixed32(log_record::FLAGS, flags);
        self.out.bytes(log_record::TRACE_ID, trace_id);
        self.out.bytes(log_record::SPAN_ID, span_id);
        self
    }
}
