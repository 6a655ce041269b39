//! JSON in, protobuf out: one walk by the table, each field written as soon as it is read.

use std::borrow::Cow;

use super::{
    Fault, What,
    keys::Keys,
    number,
    reader::{Failure, Reader, number_length},
    text,
};
use crate::{
    batch::SignalKind,
    schema::{Field, Fixed64Type, Kind, Message, VarintType},
    validate::{MESSAGE_DEPTH_MAX, VALUE_DEPTH_MAX},
    wire::Writer,
};

/// Reads an export request. What comes out is not larger than `bytes_max`.
///
/// Memory for that is reserved at once and never moved, unless `bytes_max` is more than the text can mean. Nothing else
/// that is taken grows with the text.
///
/// # Errors
/// [`Fault`] says where the text is not such a request, and what would be right.
pub fn decode(kind: SignalKind, json: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let is_near = bytes_max <= json.len().saturating_mul(EXPANSION_MAX);
    let capacity = if is_near { bytes_max.saturating_add(AHEAD_BYTES_MAX) } else { json.len() / 2 };
    let mut decoder = Decoder { reader: Reader::new(json), out: Writer::with_capacity(capacity), bytes_max };
    match decoder.document(kind, json) {
        Ok(()) => Ok(decoder.out.into_vec()),
        Err(failure) => Err(failure.in_text(json)),
    }
}

struct Decoder<'a> {
    reader: Reader<'a>,
    out: Writer,
    bytes_max: usize,
}

/// How deep a message lies, counted as the gate counts.
#[derive(Clone, Copy, Default)]
struct Depth {
    messages: u32,
    values: u32,
}

// === impl Decoder ===

impl<'a> Decoder<'a> {
    fn document(&mut self, kind: SignalKind, json: &[u8]) -> Result<(), Failure> {
        if let Err(fault) = simdutf8::compat::from_utf8(json) {
            return Err(self.reader.fail_at(fault.valid_up_to(), What::Utf8));
        }
        if json.starts_with("\u{feff}".as_bytes()) {
            return Err(self.reader.fail(What::Mark));
        }
        self.reader.space();
        self.message(Message::request(kind), Depth::default())?;
        self.reader.space();
        match self.reader.peek() {
            None => Ok(()),
            Some(_) => Err(self.reader.fail(What::Trailing)),
        }
    }

    fn message(&mut self, message: Message, depth: Depth) -> Result<(), Failure> {
        let (keys, fields) = (Keys::of(message), message.fields());
        let (mut seen, mut expected) = (0_u32, 0);
        self.reader.open(b'{', "an object")?;
        let mut first = true;
        while self.reader.more(first, b'}')? {
            first = false;
            let at = self.reader.at();
            let key = self.reader.key()?;
            let Some(place) = keys.place(&key, expected) else {
                self.reader.skip()?;
                continue;
            };
            let field = &fields[place];
            if self.reader.takes_word(b"null") {
                continue;
            }
            let fault = if seen & 1 << place != 0 {
                Some(What::Twice)
            } else if field.oneof && seen & ONEOF != 0 {
                Some(What::Oneof)
            } else {
                None
            };
            if let Some(what) = fault {
                return Err(self.reader.fail_at(at, what).under(keys.name(place)));
            }
            seen |= 1 << place | if field.oneof { ONEOF } else { 0 };
            expected = place + 1;
            self.field(field, depth).map_err(|failure| failure.under(keys.name(place)))?;
        }
        if self.out.len() > self.bytes_max {
            return Err(self.too_large());
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, depth: Depth) -> Result<(), Failure> {
        let number = field.number;
        match field.kind {
            Kind::Varint(kind) => {
                let value = self.varint(kind)?;
                self.out.uint(number, value);
            }
            Kind::Fixed32 => {
                let value = self.integer(UINT32, 0, u32::MAX.into())?;
                self.out.fixed32(number, value as u32);
            }
            Kind::Fixed64(kind) => {
                let value = self.fixed64(kind)?;
                self.out.fixed64(number, value);
            }
            Kind::Varints => self.packed(number, |decoder| {
                let value = decoder.integer(UINT64, 0, u64::MAX.into())?;
                decoder.out.varint(value as u64);
                Ok(())
            })?,
            Kind::Fixed64s(kind) => self.packed(number, |decoder| {
                let value = decoder.fixed64(kind)?;
                decoder.out.raw(&value.to_le_bytes());
                Ok(())
            })?,
            Kind::Text => self.text(number)?,
            Kind::Texts => self.list(|decoder| decoder.text(number))?,
            Kind::Bytes => self.base64(number)?,
            Kind::TraceId => self.id(number, 32)?,
            Kind::SpanId | Kind::ParentId => self.id(number, 16)?,
            Kind::One(child) => self.child(number, child, depth)?,
            Kind::Many(child) => self.list(|decoder| decoder.child(number, child, depth))?,
        }
        Ok(())
    }

    fn child(&mut self, number: u32, child: Message, depth: Depth) -> Result<(), Failure> {
        let depth = Depth {
            messages: depth.messages + 1,
            values: depth.values + u32::from(child == Message::AnyValue),
        };
        if depth.messages > MESSAGE_DEPTH_MAX || depth.values > VALUE_DEPTH_MAX {
            return Err(self.reader.fail(What::Depth));
        }
        let at = self.out.begin(number);
        self.message(child, depth)?;
        self.out.end(at);
        Ok(())
    }

    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), Failure>) -> Result<(), Failure> {
        self.reader.open(b'[', "a list")?;
        let mut index = 0;
        while self.reader.more(index == 0, b']')? {
            if self.reader.takes_word(b"null") {
                return Err(self.reader.fail(What::Null).item(index));
            }
            item(self).map_err(|failure| failure.item(index))?;
            index += 1;
        }
        Ok(())
    }

    /// Numbers one after the other in one field; no field if there are none.
    fn packed(
        &mut self,
        number: u32,
        mut item: impl FnMut(&mut Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let start = self.out.len();
        let at = self.out.begin(number);
        self.list(|decoder| {
            item(decoder)?;
            // Two characters can become eight bytes here, and nowhere else.
            if decoder.out.len() > decoder.bytes_max { Err(decoder.too_large()) } else { Ok(()) }
        })?;
        if self.out.len() == at {
            self.out.truncate(start);
        } else {
            self.out.end(at);
        }
        Ok(())
    }

    fn varint(&mut self, kind: VarintType) -> Result<u64, Failure> {
        let int32 = (i32::MIN.into(), i32::MAX.into());
        Ok(match kind {
            VarintType::Bool => self.bool()?.into(),
            VarintType::Enum => self.integer(ENUM, int32.0, int32.1)? as i64 as u64,
            VarintType::Int32 => self.integer(INT32, int32.0, int32.1)? as i64 as u64,
            VarintType::Int64 => self.integer(INT64, i64::MIN.into(), i64::MAX.into())? as i64 as u64,
            VarintType::Uint32 => self.integer(UINT32, 0, u32::MAX.into())? as u64,
            VarintType::Sint32 => {
                let value = self.integer(INT32, int32.0, int32.1)? as i32;
                u64::from(((value << 1) ^ (value >> 31)) as u32)
            }
        })
    }

    fn fixed64(&mut self, kind: Fixed64Type) -> Result<u64, Failure> {
        Ok(match kind {
            Fixed64Type::Unsigned => self.integer(UINT64, 0, u64::MAX.into())? as u64,
            Fixed64Type::Signed => self.integer(INT64, i64::MIN.into(), i64::MAX.into())? as i64 as u64,
            Fixed64Type::Double => self.double()?.to_bits(),
        })
    }

    fn bool(&mut self) -> Result<bool, Failure> {
        match self.reader.peek() {
            Some(b't') if self.reader.takes_word(b"true") => Ok(true),
            Some(b'f') if self.reader.takes_word(b"false") => Ok(false),
            _ => Err(self.reader.expected("true or false")),
        }
    }

    fn integer(&mut self, expected: &'static str, least: i128, most: i128) -> Result<i128, Failure> {
        let at = self.reader.at();
        let written = self.numeral(expected)?;
        let value = number_length(&written).filter(|length| *length == written.len());
        match value.and_then(|_| number::integer(&written)) {
            Some(value) if (least..=most).contains(&value) => Ok(value),
            None if expected == ENUM && written.first().is_some_and(u8::is_ascii_alphabetic) => {
                Err(self.reader.fail_at(at, What::EnumName))
            }
            _ => Err(self.reader.fail_at(at, What::Number(expected))),
        }
    }

    fn double(&mut self) -> Result<f64, Failure> {
        let at = self.reader.at();
        let written = self.numeral(DOUBLE)?;
        let value = match &*written {
            b"NaN" => Some(f64::NAN),
            b"Infinity" => Some(f64::INFINITY),
            b"-Infinity" => Some(f64::NEG_INFINITY),
            number if number_length(number) == Some(number.len()) => number::double(number),
            _ => None,
        };
        value.ok_or_else(|| self.reader.fail_at(at, What::Number(DOUBLE)))
    }

    /// A number, or the content of a string.
    fn numeral(&mut self, expected: &'static str) -> Result<Cow<'a, [u8]>, Failure> {
        match self.reader.peek() {
            Some(b'"') => self.reader.string(expected),
            Some(b'-' | b'0'..=b'9') => self.reader.number().map(Cow::Borrowed),
            _ => Err(self.reader.expected(expected)),
        }
    }

    fn text(&mut self, number: u32) -> Result<(), Failure> {
        if let Some(plain) = self.reader.plain("a string")? {
            self.fits(plain.len())?;
            self.out.bytes(number, plain);
            return Ok(());
        }
        let start = self.out.begin(number);
        self.unescaped("a string")?;
        self.out.end(start);
        Ok(())
    }

    /// Writes a string as it is meant.
    fn unescaped(&mut self, expected: &'static str) -> Result<(), Failure> {
        let Self { reader, out, bytes_max } = self;
        reader.pieces(expected, |piece| {
            if piece.len() > bytes_max.saturating_sub(out.len()) {
                return Err(What::Size { bytes_max: *bytes_max });
            }
            out.raw(piece);
            Ok(())
        })
    }

    fn id(&mut self, number: u32, digits: usize) -> Result<(), Failure> {
        let at = self.reader.at();
        let id = self.reader.string("an id in hex")?;
        self.fits(id.len() / 2)?;
        let start = self.out.begin(number);
        if !text::unhex(&id, |byte| self.out.raw(&[byte])) {
            return Err(self.reader.fail_at(at, What::Hex { digits }));
        }
        self.out.end(start);
        Ok(())
    }

    fn base64(&mut self, number: u32) -> Result<(), Failure> {
        let at = self.reader.at();
        let start = self.out.begin(number);
        self.unescaped("bytes in base64")?;
        let Some(length) = text::unbase64(self.out.tail_mut(start)) else {
            return Err(self.reader.fail_at(at, What::Base64));
        };
        self.out.truncate(start + length);
        self.out.end(start);
        Ok(())
    }

    /// Whether that many bytes may be written still.
    fn fits(&self, bytes: usize) -> Result<(), Failure> {
        if bytes > self.bytes_max.saturating_sub(self.out.len()) { Err(self.too_large()) } else { Ok(()) }
    }

    #[cold]
    fn too_large(&self) -> Failure {
        self.reader.fail(What::Size { bytes_max: self.bytes_max })
    }
}

/// A request is at most that many times as long as its text: `0,` may stand for a tag and eight bytes.
pub const EXPANSION_MAX: usize = 5;
/// What may be written before the next look at the limit: the numbers of one message, and the lengths of those it is in.
const AHEAD_BYTES_MAX: usize = 1024;
/// The mark of the message's `oneof` among its fields' marks.
const ONEOF: u32 = 1 << 31;

const DOUBLE: &str = "a number, or one of the strings \"NaN\", \"Infinity\", \"-Infinity\"";
const ENUM: &str = "the integer of an enum's member";
const INT32: &str = "an integer from -2147483648 to 2147483647, or a string of one,";
const INT64: &str = "an integer from -9223372036854775808 to 9223372036854775807, or a string of one,";
const UINT32: &str = "an integer from 0 to 4294967295, or a string of one,";
const UINT64: &str = "an integer from 0 to 18446744073709551615, or a string of one,";
