//! Writing batches that we make ourselves.
//!
//! - **In:** closures that fill one envelope after the other; text is `&str`, ids are arrays, so that
//!   nothing the gate refuses can be written.
//! - **Out:** a [`Batch`], counted while it is written.
//! - **Guaranteed:** minimal encoding: fields with their default value are left out, numbers packed.
//!   Values nested deeper than the gate allows become empty.
//! - **Not here:** choosing ids: an all-zero trace or span id of a span is a fault of the caller.
//!
//! ```
//! # extern crate phasor_proto as proto;
//! let batch = proto::encode::traces(|request| {
//!     request.resource(
//!         |resource| { resource.str("service.name", "phasor"); },
//!         |scopes| scopes.scope("phase_store", "1.0", |spans| {
//!             spans.span(&[1; 16], &[2; 8], "task", |span| {
//!                 span.times(1, 2).status(2, "timed out");
//!                 span.attributes().str("task.id", "00ff").int("attempt", 1);
//!             });
//!         }),
//!     );
//! });
//! assert_eq!(batch.items(), 1);
//! ```

mod attributes;
mod logs;
mod metrics;
mod traces;

use std::marker::PhantomData;

pub use attributes::{AttributesWriter, ValuesWriter};
pub use logs::LogRecordWriter;
pub use metrics::{
    ExemplarWriter, ExponentialBuckets, ExponentialPointWriter, HistogramPointWriter, MetricWriter,
    NumberPointWriter, Points,
};
pub use traces::{EventWriter, LinkWriter, SpanWriter};

use crate::{
    batch::{Batch, Logs, Metrics, Signal, Traces},
    schema::{request_traces, resource, resource_spans, scope, scope_spans},
    wire::Writer,
};

/// Fills a request.
#[derive(Debug)]
pub struct RequestWriter<S> {
    out: Writer,
    items: usize,
    signal: PhantomData<S>,
}

/// Fills what one sender sent.
#[derive(Debug)]
pub struct ScopesWriter<'w, S> {
    request: &'w mut RequestWriter<S>,
}

/// Fills what one library of a sender made: spans, metrics or log records.
#[derive(Debug)]
pub struct ItemsWriter<'w, S> {
    out: &'w mut Writer,
    items: &'w mut usize,
    signal: PhantomData<S>,
}

/// Writes a batch of spans.
pub fn traces(fill: impl FnOnce(&mut RequestWriter<Traces>)) -> Batch<Traces> {
    batch(fill)
}

/// Writes a batch of metrics.
pub fn metrics(fill: impl FnOnce(&mut RequestWriter<Metrics>)) -> Batch<Metrics> {
    batch(fill)
}

/// Writes a batch of log records.
pub fn logs(fill: impl FnOnce(&mut RequestWriter<Logs>)) -> Batch<Logs> {
    batch(fill)
}

fn batch<S: Signal>(fill: impl FnOnce(&mut RequestWriter<S>)) -> Batch<S> {
    let mut request = RequestWriter { out: Writer::with_capacity(CAPACITY), items: 0, signal: PhantomData };
    fill(&mut request);
    Batch::trusted(request.out.into_vec().into(), request.items)
}

// === impl RequestWriter ===

impl<S: Signal> RequestWriter<S> {
    /// Adds a sender: its attributes, then its scopes.
    pub fn resource(
        &mut self,
        attributes: impl FnOnce(&mut AttributesWriter<'_>),
        scopes: impl FnOnce(&mut ScopesWriter<'_, S>),
    ) {
        let request = self;
        request.nested(request_traces::RESOURCES, |request| {
            request.out.message(resource_spans::RESOURCE, |out| {
                attributes(&mut AttributesWriter::new(out, resource::ATTRIBUTES));
            });
            scopes(&mut ScopesWriter { request });
        });
    }

    /// Items written so far.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> usize {
        self.out.len()
    }

    fn nested(&mut self, number: u32, fill: impl FnOnce(&mut Self)) {
        let at = self.out.begin(number);
        fill(self);
        self.out.end(at);
    }
}

// === impl ScopesWriter ===

impl<S: Signal> ScopesWriter<'_, S> {
    /// Adds a library by name and version, then its items. The envelopes of all three signals have
    /// the same numbers, so this serves all.
    pub fn scope(&mut self, name: &str, version: &str, fill: impl FnOnce(&mut ItemsWriter<'_, S>)) {
        self.request.nested(resource_spans::SCOPES, |request| {
            request.out.message(scope_spans::SCOPE, |out| {
                out.string_unless_empty(scope::NAME, name);
                out.string_unless_empty(scope::VERSION, version);
            });
            let RequestWriter { out, items, .. } = request;
            fill(&mut ItemsWriter { out, items, signal: PhantomData });
        });
    }

    /// Names the schema that the resource follows. Call it once.
    pub fn schema_url(&mut self, url: &str) {
        self.request.out.string_unless_empty(resource_spans::SCHEMA_URL, url);
    }
}

// === impl ItemsWriter ===

impl<S> ItemsWriter<'_, S> {
    /// Names the schema that scope and items follow. Call it once.
    pub fn schema_url(&mut self, url: &str) {
        self.out.string_unless_empty(scope_spans::SCHEMA_URL, url);
    }
}

/// Room that a request starts with.
const CAPACITY: usize = 512;

#[cfg(test)]
mod tests;
