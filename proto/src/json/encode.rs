//! Protobuf in, JSON out.
//!
//! The first try assumes what nearly every sender does: the items of a list stand together, nothing
//! singular comes twice, text is UTF-8. If a request turns out to be otherwise, it is written anew in
//! the careful way, which collects every field's parts as protobuf merges them.

use super::{keys::Keys, text};
use crate::{
    batch::SignalKind,
    schema::{Fixed64Type, Kind, Message, VarintType},
    validate::MESSAGE_DEPTH_MAX,
    wire::{Fields, Payload, WireType, varint, zigzag32},
};

/// Writes an export request as JSON to the end of `out`, in one line, without a line break.
///
/// Whatever the bytes, the result is valid JSON: what is not a field of its type is left out, and what
/// follows the first fault in the framing too.
pub fn encode(kind: SignalKind, bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let root = Message::request(kind);
    out.reserve(bytes.len() * 2);
    let tidy = message(root, bytes, 0, out).is_ok() && simdutf8::basic::from_utf8(&out[start..]).is_ok();
    if !tidy {
        out.truncate(start);
        careful(root, bytes, 0, out);
    }
}

/// The request needs the careful way.
struct Untidy;

fn message(message: Message, bytes: &[u8], depth: u32, out: &mut Vec<u8>) -> Result<(), Untidy> {
    if depth > MESSAGE_DEPTH_MAX {
        return Err(Untidy);
    }
    let (keys, known) = (Keys::of(message), message.fields());
    let (mut seen, mut list) = (0_u32, None);
    out.push(b'{');
    for found in Fields::new(bytes) {
        let Some(place) = keys.place_of_number(found.number) else { continue };
        let field = &known[place];
        if !fits(field.kind, found.payload) {
            continue;
        }
        if list != Some(place) {
            let mark = if field.oneof { ONEOF } else { 1 << place };
            if seen & mark != 0 {
                return Err(Untidy);
            }
            seen |= mark;
            if list.take().is_some() {
                out.push(b']');
            }
            key(keys, place, out);
            if is_list(field.kind) {
                out.push(b'[');
                list = Some(place);
            }
        }
        match (field.kind, found.payload) {
            (Kind::One(child), Payload::Len(payload)) => self::message(child, payload, depth + 1, out)?,
            (Kind::Many(child), Payload::Len(payload)) => {
                comma(out);
                self::message(child, payload, depth + 1, out)?;
            }
            (kind, payload) => value(kind, payload, out),
        }
    }
    if list.is_some() {
        out.push(b']');
    }
    out.push(b'}');
    Ok(())
}

/// Field after field in the table's order, each with all its parts.
fn careful(message: Message, bytes: &[u8], depth: u32, out: &mut Vec<u8>) {
    let keys = Keys::of(message);
    let all = || {
        Fields::new(bytes).filter_map(|found| {
            let place = keys.place_of_number(found.number)?;
            fits(message.fields()[place].kind, found.payload).then_some((place, found.payload))
        })
    };
    let is_oneof = |place: usize| message.fields()[place].oneof;
    let chosen = all().filter(|(place, _)| is_oneof(*place)).last().map(|(place, _)| place);
    out.push(b'{');
    for (place, field) in message.fields().iter().enumerate() {
        if field.oneof && chosen != Some(place) {
            continue;
        }
        let mut parts = all().filter(|(other, _)| *other == place).map(|(_, payload)| payload).peekable();
        if parts.peek().is_none() {
            continue;
        }
        key(keys, place, out);
        match field.kind {
            Kind::One(child) => {
                // Messages merge as their bytes join; another member of the oneof wipes the earlier parts.
                let mut parts: Vec<&[u8]> = Vec::new();
                for (other, payload) in all() {
                    match payload {
                        Payload::Len(part) if other == place => parts.push(part),
                        _ if field.oneof && is_oneof(other) => parts.clear(),
                        _ => {}
                    }
                }
                match parts[..] {
                    [whole] => careful_child(child, whole, depth, out),
                    _ => careful_child(child, &parts.concat(), depth, out),
                }
            }
            kind if is_list(kind) => {
                out.push(b'[');
                for part in parts {
                    match (kind, part) {
                        (Kind::Many(child), Payload::Len(payload)) => {
                            comma(out);
                            careful_child(child, payload, depth, out);
                        }
                        _ => careful_value(kind, part, out),
                    }
                }
                out.push(b']');
            }
            kind => parts.last().into_iter().for_each(|last| careful_value(kind, last, out)),
        }
    }
    out.push(b'}');
}

/// Nothing that passed the gate is cut here.
fn careful_child(child: Message, bytes: &[u8], depth: u32, out: &mut Vec<u8>) {
    careful(child, if depth < MESSAGE_DEPTH_MAX { bytes } else { &[] }, depth + 1, out);
}

fn careful_value(kind: Kind, payload: Payload<'_>, out: &mut Vec<u8>) {
    match (kind, payload) {
        (Kind::Text | Kind::Texts, Payload::Len(bytes)) => {
            value(kind, Payload::Len(String::from_utf8_lossy(bytes).as_bytes()), out);
        }
        _ => value(kind, payload, out),
    }
}

/// A value of any kind but messages: whole if it is singular, its items if it is a list.
#[inline]
fn value(kind: Kind, payload: Payload<'_>, out: &mut Vec<u8>) {
    match (kind, payload) {
        (Kind::Varint(kind), Payload::Varint(value)) => number(kind, value, out),
        (Kind::Fixed32, Payload::Fixed32(value)) => integer(value, out),
        (Kind::Fixed64(kind), Payload::Fixed64(value)) => eight(kind, value, out),
        (Kind::Varints, Payload::Varint(value)) => item(out, |out| long(value, out)),
        (Kind::Varints, Payload::Len(mut packed)) => {
            while let Some((value, taken)) = varint(packed) {
                item(out, |out| long(value, out));
                packed = &packed[taken..];
            }
        }
        (Kind::Fixed64s(kind), Payload::Fixed64(value)) => item(out, |out| eight(kind, value, out)),
        (Kind::Fixed64s(kind), Payload::Len(packed)) => {
            for bytes in packed.as_chunks::<8>().0 {
                item(out, |out| eight(kind, u64::from_le_bytes(*bytes), out));
            }
        }
        (Kind::Text, Payload::Len(bytes)) => text::quoted(bytes, out),
        (Kind::Texts, Payload::Len(bytes)) => item(out, |out| text::quoted(bytes, out)),
        (Kind::Bytes, Payload::Len(bytes)) => in_quotes(out, |out| text::base64(bytes, out)),
        (Kind::TraceId | Kind::SpanId | Kind::ParentId, Payload::Len(bytes)) => {
            in_quotes(out, |out| text::hex(bytes, out));
        }
        _ => debug_assert!(false, "{kind:?} does not fit"),
    }
}

fn number(kind: VarintType, value: u64, out: &mut Vec<u8>) {
    match kind {
        VarintType::Bool => out.extend_from_slice(if value == 0 { b"false" } else { b"true" }),
        VarintType::Enum | VarintType::Int32 => integer(value as i32, out),
        VarintType::Uint32 => integer(value as u32, out),
        VarintType::Sint32 => integer(zigzag32(value), out),
        VarintType::Int64 => long(value as i64, out),
    }
}

fn eight(kind: Fixed64Type, bits: u64, out: &mut Vec<u8>) {
    match kind {
        Fixed64Type::Unsigned => long(bits, out),
        Fixed64Type::Signed => long(bits as i64, out),
        Fixed64Type::Double => match f64::from_bits(bits) {
            value if value.is_finite() => {
                out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
            }
            value if value.is_nan() => out.extend_from_slice(b"\"NaN\""),
            value if value > 0.0 => out.extend_from_slice(b"\"Infinity\""),
            _ => out.extend_from_slice(b"\"-Infinity\""),
        },
    }
}

/// 64 bits: more than a JSON number holds everywhere.
fn long(value: impl itoa::Integer, out: &mut Vec<u8>) {
    in_quotes(out, |out| integer(value, out));
}

fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn item(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    comma(out);
    write(out);
}

fn in_quotes(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn key(keys: &Keys, place: usize, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.extend_from_slice(keys.quoted(place));
}

/// No value ends with an opening bracket, so the last byte tells whether this is the first item.
fn comma(out: &mut Vec<u8>) {
    if out.last() != Some(&b'[') {
        out.push(b',');
    }
}

fn is_list(kind: Kind) -> bool {
    matches!(kind, Kind::Many(_) | Kind::Varints | Kind::Fixed64s(_) | Kind::Texts)
}

fn fits(kind: Kind, payload: Payload<'_>) -> bool {
    let wire = match payload {
        Payload::Varint(_) => WireType::Varint,
        Payload::Fixed64(_) => WireType::Fixed64,
        Payload::Fixed32(_) => WireType::Fixed32,
        Payload::Len(_) => WireType::Len,
    };
    match kind {
        Kind::Varint(_) => wire == WireType::Varint,
        Kind::Fixed32 => wire == WireType::Fixed32,
        Kind::Fixed64(_) => wire == WireType::Fixed64,
        Kind::Varints => matches!(wire, WireType::Varint | WireType::Len),
        Kind::Fixed64s(_) => matches!(wire, WireType::Fixed64 | WireType::Len),
        _ => wire == WireType::Len,
    }
}

/// The mark of the message's `oneof` among its fields' marks.
const ONEOF: u32 = 1 << 31;
