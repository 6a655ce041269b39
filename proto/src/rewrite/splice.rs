//! Replacing ranges of bytes deep inside a request.

use crate::wire::{Fields, Payload, Writer};

/// Replaces `start..end` of the request by `with`. The range begins and ends between fields of the
/// message at `level` (0 is the request itself).
#[derive(Clone, Debug)]
pub(super) struct Patch {
    pub(super) level: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) with: Vec<u8>,
}

/// The request `bytes` with all patches applied; they are sorted and do not overlap.
pub(super) fn splice(bytes: &[u8], patches: &[Patch]) -> Vec<u8> {
    let added: usize = patches.iter().map(|patch| patch.with.len()).sum();
    let mut out = Writer::with_capacity(bytes.len() + added);
    message(bytes, 0, 0, patches, &mut out);
    out.into_vec()
}

/// Writes the message at `level` that begins at `base` of the request.
fn message(bytes: &[u8], base: usize, level: usize, mut patches: &[Patch], out: &mut Writer) {
    let mut copied = 0;
    let mut fields = Fields::new(bytes);
    while let [patch, later @ ..] = patches {
        if patch.level == level {
            out.raw(&bytes[copied..patch.start - base]);
            out.raw(&patch.with);
            copied = patch.end - base;
            patches = later;
            continue;
        }
        let around = fields.find(|field| base + field.end >= patch.start && field.start >= copied);
        let Some(field) = around else { break };
        let Payload::Len(payload) = field.payload else { break };
        let inside =
            patches.iter().take_while(|patch| patch.level > level && patch.start <= base + field.end).count();
        let (deeper, later) = patches.split_at(inside);
        out.raw(&bytes[copied..field.start]);
        let payload_base = base + field.end - payload.len();
        out.message(field.number, |out| message(payload, payload_base, level + 1, deeper, out));
        copied = field.end;
        patches = later;
    }
    out.raw(&bytes[copied..]);
}
