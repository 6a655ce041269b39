//! Cutting a batch into smaller ones.

use crate::{
    batch::{Batch, Signal},
    schema::{Kind, Message},
    wire::{Field, Fields, Payload, Writer, field_length},
};

/// The fields of one message that go into one piece.
struct Piece {
    out: Writer,
    items: usize,
}

/// Cuts a batch into pieces of at most `bytes_max`, at the outermost boundaries that do: between
/// senders, else scopes, else metrics, else items. Order stays, headers (resource, scope, name of a
/// metric) are repeated in each piece that needs them.
///
/// A piece is larger only when one item with its headers is, or when a header takes more than half of
/// what is left for its message: then a piece carries as many bytes of content as of header, so that
/// repeating a header at most doubles a message at each level.
pub fn split<S: Signal>(batch: &Batch<S>, bytes_max: usize) -> Vec<Batch<S>> {
    if batch.bytes().len() <= bytes_max {
        return vec![batch.clone()];
    }
    pieces(Message::request(S::KIND), batch.bytes(), bytes_max)
        .into_iter()
        .map(|piece| Batch::trusted(piece.out.into_vec().into(), piece.items))
        .collect()
}

fn pieces(message: Message, bytes: &[u8], bytes_max: usize) -> Vec<Piece> {
    let mut header = Writer::default();
    for field in Fields::new(bytes).filter(|field| carried(message, field).is_none()) {
        header.raw(&bytes[field.start..field.end]);
    }
    let header = header.as_slice();
    let room = bytes_max.saturating_sub(header.len()).max(header.len());
    let mut done = vec![Piece::with(header)];
    for field in Fields::new(bytes) {
        let Some((child, payload)) = carried(message, &field) else { continue };
        let whole = &bytes[field.start..field.end];
        if child.is_item() || whole.len() <= room {
            place(&mut done, header, room, whole.len(), items(child, payload), |out| out.raw(whole));
            continue;
        }
        let framing = field_length(field.number, room) - room;
        for piece in pieces(child, payload, room.saturating_sub(framing)) {
            let payload = piece.out.as_slice();
            let length = field_length(field.number, payload.len());
            place(&mut done, header, room, length, piece.items, |out| out.bytes(field.number, payload));
        }
    }
    done
}

/// Adds a field to the last piece, or to a new one if it does not fit.
fn place(
    done: &mut Vec<Piece>,
    header: &[u8],
    room: usize,
    length: usize,
    items: usize,
    write: impl FnOnce(&mut Writer),
) {
    let content = done.last().map_or(0, |piece| piece.out.len() - header.len());
    if content > 0 && content + length > room {
        done.push(Piece::with(header));
    }
    if let Some(piece) = done.last_mut() {
        write(&mut piece.out);
        piece.items += items;
    }
}

/// The message that this field carries, if it is an item or leads to items.
fn carried<'a>(message: Message, field: &Field<'a>) -> Option<(Message, &'a [u8])> {
    match (message.field(field.number)?.kind, field.payload) {
        (Kind::One(child) | Kind::Many(child), Payload::Len(payload))
            if child.is_item() || child.is_envelope() =>
        {
            Some((child, payload))
        }
        _ => None,
    }
}

/// Items in a message; an item counts as one.
fn items(message: Message, bytes: &[u8]) -> usize {
    if message.is_item() {
        return 1;
    }
    Fields::new(bytes)
        .filter_map(|field| carried(message, &field))
        .map(|(child, payload)| items(child, payload))
        .sum()
}

// === impl Piece ===

impl Piece {
    fn with(header: &[u8]) -> Self {
        let mut out = Writer::default();
        out.raw(header);
        Self { out, items: 0 }
    }
}
