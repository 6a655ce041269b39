//! Attribute values as compact bytes: what tells one series from another, and all that is kept of it.
//!
//! ```text
//! absent  00
//! string  01 <length u32> <UTF-8>      array  06 <length u32> <value>*
//! bool    02 <00|01>                   map    07 <length u32> (<string> <value>)*
//! int     03 <i64>                     empty  08
//! double  04 <f64 bits>
//! bytes   05 <length u32> <bytes>      known   09 <place in KNOWN>: a string that we write often
//!                                      all numbers little endian
//! ```
//!
//! - **Guaranteed:** equal values give equal bytes; what [`push`] wrote, [`Parts`] reads back. What [`push_label`]
//!   wrote is equal where the labels are equal: a number and its text are one label, an empty text is none.
//!   [`Parts`] ends early on bytes that are not of this form; [`check`] finds out beforehand, for bytes that come
//!   from disk.

use proto::view::Value;

use crate::value_text::push_value;

/// One value of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Part<'a> {
    /// The attribute was not there.
    Absent,
    /// A string.
    Str(&'a str),
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list of values.
    Array(Parts<'a>),
    /// Strings and values in turn.
    Map(Parts<'a>),
    /// An attribute without a value.
    Empty,
}

/// The values of a key, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Parts<'a>(pub(crate) &'a [u8]);

/// Appends a value that is not there.
pub(crate) fn push_absent(out: &mut Vec<u8>) {
    out.push(ABSENT);
}

/// Appends a string.
#[inline]
pub(crate) fn push_str(out: &mut Vec<u8>, text: &str) {
    push_slice(out, STR, text.as_bytes());
}

/// Appends a string whose bytes the gate has checked.
#[inline]
pub(crate) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    push_slice(out, STR, text);
}

/// Appends a string by its place in [`KNOWN`].
#[inline]
pub(crate) fn push_known(out: &mut Vec<u8>, place: u8) {
    out.extend_from_slice(&[KNOWN_STR, place]);
}

/// Appends a value of any type.
#[inline]
pub(crate) fn push(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Str(text) => push_str(out, text),
        other => push_other(out, other),
    }
}

/// Appends a value as the label that it becomes: its text; nothing where that is empty. `text` is room to spell
/// what is no text, so that it allocates only while it grows.
#[inline]
pub(crate) fn push_label(out: &mut Vec<u8>, value: Value<'_>, text: &mut String) {
    match value {
        Value::Str(value) if !value.is_empty() => push_str(out, value),
        other => push_spelled(out, other, text),
    }
}

/// Appends a map, which `fill` fills with strings and values in turn.
pub(crate) fn push_map(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    nested(out, MAP, fill);
}

/// Appends a name and the label that a value becomes; neither where that is empty.
pub(crate) fn push_named_label(out: &mut Vec<u8>, name: &str, value: Value<'_>, text: &mut String) {
    let before = out.len();
    push_str(out, name);
    let label = out.len();
    push_label(out, value, text);
    if out[label] == ABSENT {
        out.truncate(before);
    }
}

/// Whether the bytes are `parts` well-formed values and nothing else. Nesting is bounded.
pub(crate) fn check(bytes: &[u8], parts: usize) -> bool {
    let mut rest = Parts(bytes);
    (0..parts).all(|_| rest.next().is_some_and(|part| well_formed(part, 0))) && rest.0.is_empty()
}

/// Whether the bytes are strings and well-formed values in turn and nothing else.
pub(crate) fn check_pairs(bytes: &[u8]) -> bool {
    all_well_formed(&mut Parts(bytes), 0, true)
}

// === impl Part ===

impl Part<'_> {
    /// The value as a label would show it. Lists and maps are shown only by their size.
    pub(crate) fn to_text(self) -> String {
        match self {
            Part::Absent | Part::Empty => String::new(),
            Part::Str(text) => text.to_owned(),
            Part::Bool(value) => value.to_string(),
            Part::Int(value) => value.to_string(),
            Part::Double(value) => value.to_string(),
            Part::Bytes(bytes) | Part::Array(Parts(bytes)) | Part::Map(Parts(bytes)) => {
                format!("<{} bytes>", bytes.len())
            }
        }
    }
}

// === impl Parts ===

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(match tag {
            ABSENT => Part::Absent,
            STR => Part::Str(std::str::from_utf8(self.slice()?).ok()?),
            BOOL => Part::Bool(self.array::<1>()? != [0]),
            INT => Part::Int(i64::from_le_bytes(self.array()?)),
            DOUBLE => Part::Double(f64::from_bits(u64::from_le_bytes(self.array()?))),
            BYTES => Part::Bytes(self.slice()?),
            ARRAY => Part::Array(Parts(self.slice()?)),
            MAP => Part::Map(Parts(self.slice()?)),
            EMPTY => Part::Empty,
            KNOWN_STR => Part::Str(KNOWN.get(usize::from(self.array::<1>()?[0]))?),
            _ => return None,
        })
    }
}

impl<'a> Parts<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn slice(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }
}

fn push_spelled(out: &mut Vec<u8>, value: Value<'_>, text: &mut String) {
    text.clear();
    push_value(text, value);
    match text.as_str() {
        "" => push_absent(out),
        text => push_str(out, text),
    }
}

fn push_other(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Empty => out.push(EMPTY),
        Value::Str(text) => push_str(out, text),
        Value::Bool(value) => out.extend([BOOL, u8::from(value)]),
        Value::Int(value) => {
            out.push(INT);
            out.extend(value.to_le_bytes());
        }
        Value::Double(value) => {
            // One NaN is as good as another, and 0 equals -0: the same series for all of them.
            let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
            out.push(DOUBLE);
            out.extend(value.to_bits().to_le_bytes());
        }
        Value::Bytes(bytes) => push_slice(out, BYTES, bytes),
        Value::Array(values) => {
            nested(out, ARRAY, |out| values.into_iter().for_each(|value| push(out, value)))
        }
        Value::KvList(pairs) => nested(out, MAP, |out| {
            for (key, value) in pairs {
                push_str(out, key);
                push(out, value);
            }
        }),
    }
}

#[inline]
fn push_slice(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    let [a, b, c, d] = length_of(bytes.len());
    out.extend_from_slice(&[tag, a, b, c, d]);
    out.extend_from_slice(bytes);
}

fn nested(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    out.extend([0; 4]);
    fill(out);
    let length = length_of(out.len() - start - 4);
    out[start..start + 4].copy_from_slice(&length);
}

/// Requests are far smaller than 4 GiB, so no length in them can overflow.
fn length_of(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a value is smaller than the request that carried it").to_le_bytes()
}

fn well_formed(part: Part<'_>, depth: usize) -> bool {
    match part {
        Part::Array(mut parts) => depth < DEPTH_MAX && all_well_formed(&mut parts, depth, false),
        Part::Map(mut parts) => depth < DEPTH_MAX && all_well_formed(&mut parts, depth, true),
        Part::Absent => depth == 0,
        _ => true,
    }
}

fn all_well_formed(parts: &mut Parts<'_>, depth: usize, pairs: bool) -> bool {
    while !parts.0.is_empty() {
        if pairs && !matches!(parts.next(), Some(Part::Str(_))) {
            return false;
        }
        if !parts.next().is_some_and(|part| well_formed(part, depth + 1)) {
            return false;
        }
    }
    true
}

const ABSENT: u8 = 0;
const STR: u8 = 1;
const BOOL: u8 = 2;
const INT: u8 = 3;
const DOUBLE: u8 = 4;
const BYTES: u8 = 5;
const ARRAY: u8 = 6;
const MAP: u8 = 7;
const EMPTY: u8 = 8;
const KNOWN_STR: u8 = 9;

/// Strings that keys hold by their place, because they are in every key. Saved states hold the places: add at
/// the end only.
pub(crate) const KNOWN: [&str; 11] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
    "STATUS_CODE_UNSET",
    "STATUS_CODE_OK",
    "STATUS_CODE_ERROR",
    "counted",
    "extrapolated",
];

/// The place of `counted` among the known strings.
pub(crate) const COUNTED: u8 = 9;
/// The place of `extrapolated` among the known strings.
pub(crate) const EXTRAPOLATED: u8 = 10;

/// As deep as the gate lets values nest, and some more.
const DEPTH_MAX: usize = 64;
