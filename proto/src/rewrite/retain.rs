//! Leaving items out.

use crate::{
    batch::{Batch, Logs, Metrics, Signal, Traces},
    rewrite::splice::{Patch, splice},
    schema::{Kind, Message},
    view::{LogRecordView, MetricView, SpanView, View},
    wire::{Fields, Payload},
};

/// The walk over a batch. `keep` is asked once for each envelope and item, in order, the outer before
/// the inner.
struct Walk<'k> {
    keep: &'k mut dyn FnMut(Message, &[u8]) -> bool,
    patches: Vec<Patch>,
    kept: usize,
}

// === impl Batch ===

impl Batch<Traces> {
    /// Leaves out the spans for which `keep` is false; none if no span is left.
    pub fn retain_spans(&self, mut keep: impl FnMut(SpanView<'_>) -> bool) -> Option<Self> {
        retain(self, &mut |message, bytes| message != Message::Span || keep(SpanView::read(bytes)))
    }
}

impl Batch<Metrics> {
    /// Leaves out the metrics for which `keep` is false; none if no data point is left.
    pub fn retain_metrics(&self, mut keep: impl FnMut(MetricView<'_>) -> bool) -> Option<Self> {
        retain(self, &mut |message, bytes| message != Message::Metric || keep(MetricView::read(bytes)))
    }
}

impl Batch<Logs> {
    /// Leaves out the log records for which `keep` is false; none if no record is left.
    pub fn retain_log_records(&self, mut keep: impl FnMut(LogRecordView<'_>) -> bool) -> Option<Self> {
        retain(self, &mut |message, bytes| message != Message::LogRecord || keep(LogRecordView::read(bytes)))
    }
}

impl<S: Signal> Batch<S> {
    /// Leaves out items by their place, counted over the whole batch from 0; none if none is left.
    pub fn retain_places(&self, mut keep: impl FnMut(usize) -> bool) -> Option<Self> {
        let mut place = 0;
        retain(self, &mut |message, _| {
            let item = message.is_item();
            let stays = !item || keep(place);
            place += usize::from(item);
            stays
        })
    }
}

/// Leaves out items and envelopes by their bytes; none if something went and no item is left.
fn retain<S: Signal>(batch: &Batch<S>, keep: &mut dyn FnMut(Message, &[u8]) -> bool) -> Option<Batch<S>> {
    let mut walk = Walk { keep, patches: Vec::new(), kept: 0 };
    walk.envelope(Message::request(S::KIND), batch.bytes(), 0, 0);
    if walk.patches.is_empty() {
        return Some(batch.clone());
    }
    if walk.kept == 0 {
        return None;
    }
    Some(Batch::trusted(splice(batch.bytes(), &walk.patches).into(), walk.kept))
}

// === impl Walk ===

impl Walk<'_> {
    /// Walks the message at `level` that begins at `base`; true if it had items and lost them all.
    fn envelope(&mut self, message: Message, bytes: &[u8], base: usize, level: usize) -> bool {
        let (mut lost, kept) = (false, self.kept);
        for field in Fields::new(bytes) {
            let Payload::Len(payload) = field.payload else { continue };
            let Some(Kind::One(child) | Kind::Many(child)) =
                message.field(field.number).map(|field| field.kind)
            else {
                continue;
            };
            if !child.is_item() && !child.is_envelope() {
                continue;
            }
            let mark = self.patches.len();
            let mut stays = (self.keep)(child, payload);
            if child.is_item() {
                self.kept += usize::from(stays);
            } else if stays {
                let inner = base + field.end - payload.len();
                stays = !self.envelope(child, payload, inner, level + 1);
            }
            if !stays {
                lost = true;
                self.patches.truncate(mark);
                let (start, end) = (base + field.start, base + field.end);
                self.patches.push(Patch { level, start, end, with: Vec::new() });
            }
        }
        lost && self.kept == kept
    }
}
