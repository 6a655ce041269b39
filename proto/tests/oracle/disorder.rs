//! Writes a request in ways that protobuf allows and senders rarely use.

use phasor_proto::{
    schema::{Kind, Message},
    testing::Random,
    wire::{Fields, Payload, Writer, varint},
};

/// The same request, or another as legal one, in disorder: at about one field in `level` fields are
/// repeated, swapped, unpacked, split in two parts, and unknown or empty ones come in between.
pub(crate) fn disorder(message: Message, bytes: &[u8], level: u64, random: &mut Random) -> Vec<u8> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for field in Fields::new(bytes) {
        let known = message.field(field.number);
        let mut out = Writer::default();
        match (known.map(|known| known.kind), field.payload) {
            (Some(Kind::One(child) | Kind::Many(child)), Payload::Len(payload)) => {
                let inner = disorder(child, payload, level, random);
                let singular = matches!(known.map(|known| known.kind), Some(Kind::One(_)));
                if singular && random.below(level) == 0 {
                    let cut = Fields::new(&inner).nth(random.below(3) as usize).map_or(0, |field| field.end);
                    out.bytes(field.number, &inner[..cut]);
                    fields.push(std::mem::take(&mut out).into_vec());
                    out.bytes(field.number, &inner[cut..]);
                } else {
                    out.bytes(field.number, &inner);
                }
            }
            (Some(Kind::Fixed64s(_)), Payload::Len(packed)) if random.below(level) == 0 => {
                for chunk in packed.chunks_exact(8) {
                    out.fixed64(field.number, u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
                }
                out.bytes(field.number, &[]);
            }
            (Some(Kind::Varints), Payload::Len(mut packed)) if random.below(level) == 0 => {
                while let Some((value, taken)) = varint(packed) {
                    out.uint(field.number, value);
                    packed = &packed[taken..];
                }
            }
            _ => out.raw(&bytes[field.start..field.end]),
        }
        fields.push(out.into_vec());
    }
    for _ in 0..fields.len() {
        if random.below(level) != 0 {
            continue;
        }
        let (one, other) =
            (random.below(fields.len() as u64) as usize, random.below(fields.len() as u64) as usize);
        match random.below(4) {
            0 => fields.swap(one, other),
            1 => fields.insert(one, fields[other].clone()),
            2 => fields.insert(one, unknown(random)),
            _ => fields.insert(one, empty(message, random)),
        }
    }
    fields.concat()
}

fn unknown(random: &mut Random) -> Vec<u8> {
    let number = [17, 100, 2_047, (1 << 29) - 1][random.below(4) as usize];
    let mut out = Writer::default();
    match random.below(4) {
        0 => out.uint(number, random.bits()),
        1 => out.fixed64(number, random.bits()),
        2 => out.fixed32(number, random.bits() as u32),
        _ => out.bytes(number, &random.bits().to_le_bytes()),
    }
    out.into_vec()
}

/// A known field with its default value, ids apart.
fn empty(message: Message, random: &mut Random) -> Vec<u8> {
    let fields = message.fields();
    let field = &fields[random.below(fields.len() as u64) as usize];
    let mut out = Writer::default();
    match field.kind {
        Kind::Varint(_) | Kind::Varints => out.uint(field.number, 0),
        Kind::Fixed64(_) | Kind::Fixed64s(_) => out.fixed64(field.number, 0),
        Kind::Fixed32 => out.fixed32(field.number, 0),
        Kind::TraceId => out.bytes(field.number, &[7; 16]),
        Kind::SpanId => out.bytes(field.number, &[7; 8]),
        Kind::Text | Kind::Texts | Kind::Bytes | Kind::ParentId | Kind::One(_) | Kind::Many(_) => {
            out.bytes(field.number, &[])
        }
    }
    out.into_vec()
}
