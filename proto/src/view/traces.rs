//! Spans, their events and links.

use crate::{
    batch::{Batch, Traces},
    schema::{event, link, request_traces, resource_spans, scope_spans, span, status},
    view::common::{Attributes, Extent, Repeated, ResourceView, ScopeView, View, id, text},
    wire::{Fields, Payload},
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
    trace_id: &'a [u8; 16],
    span_id: &'a [u8; 8],
    parent_span_id: Option<&'a [u8; 8]>,
    trace_state: &'a [u8],
    name: &'a [u8],
    status: &'a [u8],
    attributes: Attributes<'a>,
    events: &'a [u8],
    links: &'a [u8],
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
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
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
        text(self.trace_state)
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
        self.attributes
    }

    /// How many attributes the sender left out.
    #[inline]
    pub fn dropped_attributes_count(self) -> u32 {
        self.dropped_attributes
    }

    /// What happened during the span, in order.
    #[inline]
    pub fn events(self) -> Repeated<'a, EventView<'a>> {
        Repeated::new(self.events, span::EVENTS)
    }

    /// How many events the sender left out.
    #[inline]
    pub fn dropped_events_count(self) -> u32 {
        self.dropped_events
    }

    /// Pointers to other spans, in order.
    #[inline]
    pub fn links(self) -> Repeated<'a, LinkView<'a>> {
        Repeated::new(self.links, span::LINKS)
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
        let mut view = Self::EMPTY;
        let (mut attributes, mut events, mut links) = (Extent::NONE, Extent::NONE, Extent::NONE);
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next() {
            match (field.number, field.payload) {
                (span::TRACE_ID, Payload::Len(id)) => view.trace_id = id.try_into().unwrap_or(&[0; 16]),
                (span::SPAN_ID, Payload::Len(id)) => view.span_id = id.try_into().unwrap_or(&[0; 8]),
                (span::TRACE_STATE, Payload::Len(state)) => view.trace_state = state,
                (span::PARENT_SPAN_ID, Payload::Len(parent)) => view.parent_span_id = id(parent),
                (span::FLAGS, Payload::Fixed32(flags)) => view.flags = flags,
                (span::NAME, Payload::Len(name)) => view.name = name,
                (span::KIND, Payload::Varint(kind)) => view.kind = kind as i32,
                (span::START, Payload::Fixed64(time)) => view.start_ns = time,
                (span::END, Payload::Fixed64(time)) => view.end_ns = time,
                (span::ATTRIBUTES, _) => attributes.cover_run(&field, &mut fields),
                (span::DROPPED_ATTRIBUTES, Payload::Varint(count)) => view.dropped_attributes = count as u32,
                (span::EVENTS, _) => events.cover(&field),
                (span::DROPPED_EVENTS, Payload::Varint(count)) => view.dropped_events = count as u32,
                (span::LINKS, _) => links.cover(&field),
                (span::DROPPED_LINKS, Payload::Varint(count)) => view.dropped_links = count as u32,
                (span::STATUS, Payload::Len(status)) => view.status = status,
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, attributes, span::ATTRIBUTES);
        view.events = events.of(bytes);
        view.links = links.of(bytes);
        view
    }
}

impl SpanView<'_> {
    const EMPTY: Self = Self {
        trace_id: &[0; 16],
        span_id: &[0; 8],
        parent_span_id: None,
        trace_state: &[],
        name: &[],
        status: &[],
        attributes: Attributes::EMPTY,
        events: &[],
        links: &[],
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
