//! Spans.

use crate::{
    batch::Traces,
    encode::{AttributesWriter, ItemsWriter},
    schema::{event, link, scope_spans, span, status},
    wire::Writer,
};

/// Fills a span.
#[derive(Debug)]
pub struct SpanWriter<'w> {
    out: &'w mut Writer,
    /// Written at the end, because a status sent twice would merge.
    status: Option<(i32, String)>,
}

/// Fills an event of a span.
#[derive(Debug)]
pub struct EventWriter<'w> {
    out: &'w mut Writer,
}

/// Fills a link of a span.
#[derive(Debug)]
pub struct LinkWriter<'w> {
    out: &'w mut Writer,
}

// === impl ItemsWriter ===

impl ItemsWriter<'_, Traces> {
    /// Adds a span. Neither id may be all zero.
    pub fn span(
        &mut self,
        trace_id: &[u8; 16],
        span_id: &[u8; 8],
        name: &str,
        fill: impl FnOnce(&mut SpanWriter<'_>),
    ) {
        debug_assert!(*trace_id != [0; 16] && *span_id != [0; 8], "a span has ids");
        *self.items += 1;
        self.out.message(scope_spans::SPANS, |out| {
            out.bytes(span::TRACE_ID, trace_id);
            out.bytes(span::SPAN_ID, span_id);
            out.string_unless_empty(span::NAME, name);
            let mut writer = SpanWriter { out, status: None };
            fill(&mut writer);
            writer.finish();
        });
    }
}

// === impl SpanWriter ===

impl SpanWriter<'_> {
    /// The span it was started by.
    pub fn parent(&mut self, span_id: &[u8; 8]) -> &mut Self {
        self.out.bytes(span::PARENT_SPAN_ID, span_id);
        self
    }

    /// W3C `tracestate`.
    pub fn trace_state(&mut self, state: &str) -> &mut Self {
        self.out.string_unless_empty(span::TRACE_STATE, state);
        self
    }

    /// W3C trace flags, and whether the parent is remote.
    pub fn flags(&mut self, flags: u32) -> &mut Self {
        self.out.fixed32(span::FLAGS, flags);
        self
    }

    /// `SpanKind` as a number.
    pub fn kind(&mut self, kind: i32) -> &mut Self {
        self.out.int(span::KIND, i64::from(kind));
        self
    }

    /// Start and end in nanoseconds since 1970.
    pub fn times(&mut self, start_ns: u64, end_ns: u64) -> &mut Self {
        self.out.fixed64(span::START, start_ns);
        self.out.fixed64(span::END, end_ns);
        self
    }

    /// What describes the work.
    pub fn attributes(&mut self) -> AttributesWriter<'_> {
        AttributesWriter::new(self.out, span::ATTRIBUTES)
    }

    /// Something that happened, at a time in nanoseconds since 1970.
    pub fn event(&mut self, name: &str, time_ns: u64, fill: impl FnOnce(&mut EventWriter<'_>)) -> &mut Self {
        self.out.message(span::EVENTS, |out| {
            out.fixed64(event::TIME, time_ns);
            out.string_unless_empty(event::NAME, name);
            fill(&mut EventWriter { out });
        });
        self
    }

    /// A pointer to another span.
    pub fn link(
        &mut self,
        trace_id: &[u8; 16],
        span_id: &[u8; 8],
        fill: impl FnOnce(&mut LinkWriter<'_>),
    ) -> &mut Self {
        self.out.message(span::LINKS, |out| {
            out.bytes(link::TRACE_ID, trace_id);
            out.bytes(link::SPAN_ID, span_id);
            fill(&mut LinkWriter { out });
        });
        self
    }

    /// How it ended: 1 ok, 2 error. The last call counts.
    pub fn status(&mut self, code: i32, message: &str) -> &mut Self {
        self.status = Some((code, message.to_owned()));
        self
    }

    fn finish(self) {
        if let Some((code, message)) = self.status {
            self.out.message(span::STATUS, |out| {
                out.string_unless_empty(status::MESSAGE, &message);
                out.int(status::CODE, i64::from(code));
            });
        }
    }
}

// === impl EventWriter ===

impl EventWriter<'_> {
    /// What describes it.
    pub fn attributes(&mut self) -> AttributesWriter<'_> {
        AttributesWriter::new(self.out, event::ATTRIBUTES)
    }
}

// === impl LinkWriter ===

impl LinkWriter<'_> {
    /// The other span's W3C `tracestate`.
    pub fn trace_state(&mut self, state: &str) -> &mut Self {
        self.out.string_unless_empty(link::TRACE_STATE, state);
        self
    }

    /// The other span's W3C trace flags.
    pub fn flags(&mut self, flags: u32) -> &mut Self {
        self.out.fixed32(link::FLAGS, flags);
        self
    }

    /// What describes the link.
    pub fn attributes(&mut self) -> AttributesWriter<'_> {
        AttributesWriter::new(self.out, link::ATTRIBUTES)
    }
}
