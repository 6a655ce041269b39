//! Spans, their events and links.

use crate::{
    batch::{Batch, Traces},
    schema::{event, link, request_traces, resource_spans, scope_spans, span, status},
    view::common::{Attributes, Extent, Repeated, ResourceView, ScopeView, View, id, text},
    wire::{Fields, Payload, WireType},
};

/// A whole request.
#[derive(Clone, Copy, Debug)]
pub struct TracesView<'a> {
    bytes: &'a [u8],
}

/// The spans of one sender.
#[derive(Clone, Copy, Debug)]
pub struct ResourceSpansView<'a> {
    bytes: &'a [u8],
    resource: &'a [u8],
    schema_url: &'a [u8],
}

/// The spans of one library of one sender.
#[derive(Clone, Copy, Debug)]
pub struct ScopeSpansView<'a> {
    bytes: &'a [u8],
    scope: &'a [u8],
    schema_url: &'a [u8],
}

/// A span.
#[derive(Clone, Copy, Debug)]
pub struct SpanView<'a> {
    bytes: &'a [u8],
    trace_id: &'a [u8; 16],
    span_id: &'a [u8; 8],
    parent_span_id: Option<&'a [u8; 8]>,
    trace_state: &'a [u8],
    name: &'a [u8],
    status: &'a [u8],
    attributes: Extent,
    events: Extent,
    links: Extent,
    start_ns: u64,
    end_ns: u64,
    flags: u32,
    kind: i32,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
}

/// Something that happened during a span.
#[derive(Clone, Copy, Debug)]
pub struct EventView<'a> {
    name: &'a [u8],
    attributes: Attributes<'a>,
    time_ns: u64,
    dropped_attributes: u32,
}

/// A pointer to another span.
#[derive(Clone, Copy, Debug)]
pub struct LinkView<'a> {
    trace_id: Option<&'a [u8; 16]>,
    span_id: Option<&'a [u8; 8]>,
    trace_state: &'a [u8],
    attributes: Attributes<'a>,
    dropped_attributes: u32,
    flags: u32,
}

/// How a span ended.
#[derive(Clone, Copy, Debug)]
pub struct StatusView<'a> {
    message: &'a [u8],
    code: i32,
}

// === impl Batch ===

impl Batch<Traces> {
    /// Looks at the request where it lies.
    pub fn view(&self) -> TracesView<'_> {
        TracesView { bytes: self.bytes() }
    }
}

// === impl TracesView ===

impl<'a> TracesView<'a> {
    /// The senders, in order.
    #[inline]
    pub fn resource_spans(self) -> Repeated<'a, ResourceSpansView<'a>> {
        Repeated::new(self.bytes, request_traces::RESOURCES)
    }
}

// === impl ResourceSpansView ===

impl<'a> ResourceSpansView<'a> {
    /// Who sent the spans.
    #[inline]
    pub fn resource(self) -> ResourceView<'a> {
        ResourceView::read(self.resource)
    }

    /// The libraries, in order.
    #[inline]
    pub fn scope_spans(self) -> Repeated<'a, ScopeSpansView<'a>> {
        Repeated::new(self.bytes, resource_spans::SCOPES)
    }

    /// The schema that the resource follows.
    #[inline]
    pub fn schema_url(self) -> &'a str {
        text(self.schema_url)
    }
}

impl<'a> View<'a> for ResourceSpansView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { bytes, resource: &[], schema_url: &[] };
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (resource_spans::RESOURCE, Payload::Len(resource)) => view.resource = resource,
                (resource_spans::SCHEMA_URL, Payload::Len(url)) => view.schema_url = url,
                _ => {}
            }
        }
        view
    }
}

// === impl ScopeSpansView ===

impl<'a> ScopeSpansView<'a> {
    /// Which library made the spans.
    #[inline]
    pub fn scope(self) -> ScopeView<'a> {
        ScopeView::read(self.scope)
    }

    /// The spans, in order.
    #[inline]
    pub fn spans(self) -> Repeated<'a, SpanView<'a>> {
        Repeated::new(self.bytes, scope_spans::SPANS)
    }

    /// The schema that scope and spans follow.
    #[inline]
    pub fn schema_url(self) -> &'a str {
        text(self.schema_url)
    }
}

impl<'a> View<'a> for ScopeSpansView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { bytes, scope: &[], schema_url: &[] };
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next() {
            match (field.number, field.payload) {
                (scope_spans::SPANS, _) => fields.pass_messages(WireType::Len.tag(scope_spans::SPANS)),
                (scope_spans::SCOPE, Payload::Len(scope)) => view.scope = scope,
                (scope_spans::SCHEMA_URL, Payload::Len(url)) => view.schema_url = url,
                _ => {}
            }
        }
        view
    }
}

// === impl SpanView ===

impl<'a> SpanView<'a> {
    /// The trace it belongs to; never all zero.
    #[inline]
    pub fn trace_id(self) -> &'a [u8; 16] {
        self.trace_id
    }

    /// Its own id; never all zero.
    #[inline]
    pub fn span_id(self) -> &'a [u8; 8] {
        self.span_id
    }

    /// The span it was started by; none for a root.
    #[inline]
    pub fn parent_span_id(self) -> Option<&'a [u8; 8]> {
        self.parent_span_id
    }

    /// W3C `tracestate`.
    #[inline]
    pub fn trace_state(self) -> &'a str {
        // Nearly all spans have none.
        if self.trace_state.is_empty() { "" } else { text(self.trace_state) }
    }

    /// W3C trace flags, and whether the parent is remote.
    #[inline]
    pub fn flags(self) -> u32 {
        self.flags
    }

    /// What was done.
    #[inline]
    pub fn name(self) -> &'a str {
        text(self.name)
    }

    /// The bytes of the name, for those who only compare or copy them.
    #[inline]
    pub fn name_bytes(self) -> &'a [u8] {
        self.name
    }

    /// `SpanKind` as a number: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    #[inline]
    pub fn kind(self) -> i32 {
        self.kind
    }

    /// Nanoseconds since 1970.
    #[inline]
    pub fn start_ns(self) -> u64 {
        self.start_ns
    }

    /// Nanoseconds since 1970.
    #[inline]
    pub fn end_ns(self) -> u64 {
        self.end_ns
    }

    /// What describes the work.
    #[inline]
    pub fn attributes(self) -> Attributes<'a> {
        Attributes::new(self.bytes, self.attributes, span::ATTRIBUTES)
    }

    /// How many attributes the sender left out.
    #[inline]
    pub fn dropped_attributes_count(self) -> u32 {
        self.dropped_attributes
    }

    /// What happened during the span, in order.
    #[inline]
    pub fn events(self) -> Repeated<'a, EventView<'a>> {
        Repeated::new(self.events.of(self.bytes), span::EVENTS)
    }

    /// How many events the sender left out.
    #[inline]
    pub fn dropped_events_count(self) -> u32 {
        self.dropped_events
    }

    /// Pointers to other spans, in order.
    #[inline]
    pub fn links(self) -> Repeated<'a, LinkView<'a>> {
        Repeated::new(self.links.of(self.bytes), span::LINKS)
    }

    /// How many links the sender left out.
    #[inline]
    pub fn dropped_links_count(self) -> u32 {
        self.dropped_links
    }

    /// How it ended.
    #[inline]
    pub fn status(self) -> StatusView<'a> {
        StatusView::read(self.status)
    }
}

impl<'a> View<'a> for SpanView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { bytes, ..Self::EMPTY };
        // Nothing in what the gate has accepted ends this early.
        let _ = view.fill();
        view
    }
}

impl<'a> SpanView<'a> {
    #[inline(always)]
    fn fill(&mut self) -> Option<()> {
        let mut fields = Fields::new(self.bytes);
        let mut start = 0;
        while let Some(tag) = fields.tag() {
            match tag {
                tags::TRACE_ID => self.trace_id = fields.bytes()?.try_into().unwrap_or(&[0; 16]),
                tags::SPAN_ID => self.span_id = fields.bytes()?.try_into().unwrap_or(&[0; 8]),
                tags::TRACE_STATE => self.trace_state = fields.bytes()?,
                tags::PARENT_SPAN_ID => self.parent_span_id = id(fields.bytes()?),
                tags::FLAGS => self.flags = fields.fixed32()?,
                tags::NAME => self.name = fields.bytes()?,
                tags::KIND => self.kind = fields.varint()? as i32,
                tags::START => self.start_ns = fields.fixed64()?,
                tags::END => self.end_ns = fields.fixed64()?,
                tags::ATTRIBUTES => self.attributes.cover_run(start, tag, &mut fields)?,
                tags::DROPPED_ATTRIBUTES => self.dropped_attributes = fields.varint()? as u32,
                tags::EVENTS => self.events.cover_run(start, tag, &mut fields)?,
                tags::DROPPED_EVENTS => self.dropped_events = fields.varint()? as u32,
                tags::LINKS => self.links.cover_run(start, tag, &mut fields)?,
                tags::DROPPED_LINKS => self.dropped_links = fields.varint()? as u32,
                tags::STATUS => self.status = fields.bytes()?,
                other => fields.pass(other)?,
            }
            start = fields.at();
        }
        Some(())
    }
}

impl SpanView<'_> {
    const EMPTY: Self = Self {
        bytes: &[],
        trace_id: &[0; 16],
        span_id: &[0; 8],
        parent_span_id: None,
        trace_state: &[],
        name: &[],
        status: &[],
        attributes: Extent::NONE,
        events: Extent::NONE,
        links: Extent::NONE,
        start_ns: 0,
        end_ns: 0,
        flags: 0,
        kind: 0,
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    };
}

// === impl EventView ===

impl<'a> EventView<'a> {
    /// Nanoseconds since 1970.
    #[inline]
    pub fn time_ns(self) -> u64 {
        self.time_ns
    }

    /// What happened.
    #[inline]
    pub fn name(self) -> &'a str {
        text(self.name)
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
}

impl<'a> View<'a> for EventView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { name: &[], attributes: Attributes::EMPTY, time_ns: 0, dropped_attributes: 0 };
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (event::TIME, Payload::Fixed64(time)) => view.time_ns = time,
                (event::NAME, Payload::Len(name)) => view.name = name,
                (event::ATTRIBUTES, _) => attributes.cover(&field),
                (event::DROPPED_ATTRIBUTES, Payload::Varint(count)) => view.dropped_attributes = count as u32,
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, attributes, event::ATTRIBUTES);
        view
    }
}

// === impl LinkView ===

impl<'a> LinkView<'a> {
    /// The other span's trace; none if the sender gave no valid id.
    #[inline]
    pub fn trace_id(self) -> Option<&'a [u8; 16]> {
        self.trace_id
    }

    /// The other span; none if the sender gave no valid id.
    #[inline]
    pub fn span_id(self) -> Option<&'a [u8; 8]> {
        self.span_id
    }

    /// The other span's W3C `tracestate`.
    #[inline]
    pub fn trace_state(self) -> &'a str {
        text(self.trace_state)
    }

    /// What describes the link.
    #[inline]
    pub fn attributes(self) -> Attributes<'a> {
        self.attributes
    }

    /// How many attributes the sender left out.
    #[inline]
    pub fn dropped_attributes_count(self) -> u32 {
        self.dropped_attributes
    }

    /// The other span's W3C trace flags.
    #[inline]
    pub fn flags(self) -> u32 {
        self.flags
    }
}

impl<'a> View<'a> for LinkView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self {
            trace_id: None,
            span_id: None,
            trace_state: &[],
            attributes: Attributes::EMPTY,
            dropped_attributes: 0,
            flags: 0,
        };
        let mut attributes = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (link::TRACE_ID, Payload::Len(trace)) => view.trace_id = id(trace),
                (link::SPAN_ID, Payload::Len(span)) => view.span_id = id(span),
                (link::TRACE_STATE, Payload::Len(state)) => view.trace_state = state,
                (link::ATTRIBUTES, _) => attributes.cover(&field),
                (link::DROPPED_ATTRIBUTES, Payload::Varint(count)) => view.dropped_attributes = count as u32,
                (link::FLAGS, Payload::Fixed32(flags)) => view.flags = flags,
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, attributes, link::ATTRIBUTES);
        view
    }
}

// === impl StatusView ===

impl<'a> StatusView<'a> {
    /// `StatusCode` as a number: 0 unset, 1 ok, 2 error.
    #[inline]
    pub fn code(self) -> i32 {
        self.code
    }

    /// What went wrong, for a person.
    #[inline]
    pub fn message(self) -> &'a str {
        text(self.message)
    }
}

impl<'a> View<'a> for StatusView<'a> {
    #[inline]
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { message: &[], code: 0 };
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (status::MESSAGE, Payload::Len(message)) => view.message = message,
                (status::CODE, Payload::Varint(code)) => view.code = code as i32,
                _ => {}
            }
        }
        view
    }
}

/// The tags of a span's fields.
mod tags {
    use crate::{
        schema::span,
        wire::WireType::{Fixed32, Fixed64, Len, Varint},
    };

    pub(super) const TRACE_ID: u64 = Len.tag(span::TRACE_ID);
    pub(super) const SPAN_ID: u64 = Len.tag(span::SPAN_ID);
    pub(super) const TRACE_STATE: u64 = Len.tag(span::TRACE_STATE);
    pub(super) const PARENT_SPAN_ID: u64 = Len.tag(span::PARENT_SPAN_ID);
    pub(super) const FLAGS: u64 = Fixed32.tag(span::FLAGS);
    pub(super) const NAME: u64 = Len.tag(span::NAME);
    pub(super) const KIND: u64 = Varint.tag(span::KIND);
    pub(super) const START: u64 = Fixed64.tag(span::START);
    pub(super) const END: u64 = Fixed64.tag(span::END);
    pub(super) const ATTRIBUTES: u64 = Len.tag(span::ATTRIBUTES);
    pub(super) const DROPPED_ATTRIBUTES: u64 = Varint.tag(span::DROPPED_ATTRIBUTES);
    pub(super) const EVENTS: u64 = Len.tag(span::EVENTS);
    pub(super) const DROPPED_EVENTS: u64 = Varint.tag(span::DROPPED_EVENTS);
    pub(super) const LINKS: u64 = Len.tag(span::LINKS);
    pub(super) const DROPPED_LINKS: u64 = Varint.tag(span::DROPPED_LINKS);
    pub(super) const STATUS: u64 = Len.tag(span::STATUS);
}
