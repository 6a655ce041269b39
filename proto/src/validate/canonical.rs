//! Joins singular messages that were sent in parts, as protobuf prescribes: merging two messages is
//! reading their bytes one after the other; in a `oneof` the last member wins, and only parts that
//! follow each other without another member between them merge.
//!
//! Rare and cold: it allocates as it likes, bounded by the request and its nesting.

use crate::{
    schema::{Kind, Message},
    wire::{Field, Fields, Payload, Writer},
};

/// The request with every singular message in one piece. Fields keep their order; a joined message
/// stands where its first part stood, the member of a `oneof` at the end.
pub(super) fn canonical(root: Message, bytes: &[u8]) -> Vec<u8> {
    let mut out = Writer::with_capacity(bytes.len());
    write(root, &[bytes], &mut out);
    out.into_vec()
}

/// A field with where it was found.
struct Found<'a> {
    field: Field<'a>,
    whole: &'a [u8],
}

/// Writes the message whose bytes are `parts`, joined.
fn write(message: Message, parts: &[&[u8]], out: &mut Writer) {
    let fields: Vec<Found<'_>> = parts.iter().flat_map(|part| found(part)).collect();
    let mut done = 0_u32;
    for Found { field, whole } in &fields {
        match (message.field(field.number), field.payload) {
            (Some(known), _) if known.oneof => {}
            (Some(known), Payload::Len(payload)) => match known.kind {
                Kind::Many(child) => out.message(field.number, |out| write(child, &[payload], out)),
                Kind::One(child) => {
                    if done & 1 << field.number == 0 {
                        done |= 1 << field.number;
                        let parts = payloads(&fields, field.number);
                        out.message(field.number, |out| write(child, &parts, out));
                    }
                }
                _ => out.raw(whole),
            },
            _ => out.raw(whole),
        }
    }
    write_oneof(message, &fields, out);
}

/// Writes the member of the `oneof` that was sent last.
fn write_oneof(message: Message, fields: &[Found<'_>], out: &mut Writer) {
    let members = || {
        fields.iter().rev().filter(|found| message.field(found.field.number).is_some_and(|known| known.oneof))
    };
    let Some(last) = members().next() else { return };
    let number = last.field.number;
    match message.field(number).map(|known| known.kind) {
        Some(Kind::One(child)) => {
            let mut parts: Vec<&[u8]> =
                members().take_while(|found| found.field.number == number).filter_map(payload).collect();
            parts.reverse();
            out.message(number, |out| write(child, &parts, out));
        }
        _ => out.raw(last.whole),
    }
}

fn found(bytes: &[u8]) -> impl Iterator<Item = Found<'_>> {
    Fields::new(bytes).map(|field| Found { field, whole: &bytes[field.start..field.end] })
}

fn payloads<'a>(fields: &[Found<'a>], number: u32) -> Vec<&'a [u8]> {
    fields.iter().filter(|found| found.field.number == number).filter_map(payload).collect()
}

fn payload<'a>(found: &Found<'a>) -> Option<&'a [u8]> {
    match found.field.payload {
        Payload::Len(payload) => Some(payload),
        _ => None,
    }
}
