//! Leaving items out.

use crate::{
    batch::{Batch, Logs, Signal, Traces},
    rewrite::splice::{Patch, splice},
    schema::{Kind, Message},
    view::{LogRecordView, SpanView, View},
    wire::{Fields, Payload},
};

/// The walk over a batch: what stays is asked once for each item, in order.
struct Walk<'k> {
    keep: &'k mut dyn FnMut(&[u8]) -> bool,
    patches: Vec<Patch>,
    kept: usize,
}

// === impl Batch ===

impl Batch<Traces> {
    /// Leaves out the spans for which `keep` is false; none if no span is left.
    pub fn retain_spans(&self, mut keep: impl FnMut(SpanView<'_>) -> bool) -> Option<Self> {
        retain(self, &mut |span| keep(SpanView::read(span)))
    }
}

impl Batch<Logs> {
    /// Leaves out the log records for which `keep` is false; none if no record is left.
    pub fn retain_log_records(&self, mut keep: impl FnMut(LogRecordView<'_>) -> bool) -> Option<Self> {
        retain(self, &mut |record| keep(LogRecordView::read(record)))
    }
}

/// Leaves out items by their bytes; none if there were items and all are gone.
pub(super) fn retain<S: Signal>(batch: &Batch<S>, keep: &mut dyn FnMut(&[u8]) -> bool) -> Option<Batch<S>> {
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
            let mark = self.patches.len();
            let gone = if child.is_item() {
                let keep = (self.keep)(payload);
                self.kept += usize::from(keep);
                !keep
            } else {
                child.is_envelope()
                    && self.envelope(child, payload, base + field.end - payload.len(), level + 1)
            };
            if gone {
                lost = true;
                self.patches.truncate(mark);
                let (start, end) = (base + field.start, base + field.end);
                self.patches.push(Patch { level, start, end, with: Vec::new() });
            }
        }
        lost && self.kept == kept
    }
}
