//! What all signals share: values, attributes, resources, scopes, lists of messages.

use std::{fmt, iter::FusedIterator, marker::PhantomData};

use crate::{
    schema::{any_value, array_value, key_value, key_value_list, resource, scope},
    wire::{Field, Fields, Payload, WireType},
};

/// A message that can be looked at where it lies.
pub trait View<'a>: Copy {
    /// Reads the fields of the message `bytes`, which the gate has accepted.
    fn read(bytes: &'a [u8]) -> Self;
}

/// A list of messages, read while it is walked.
pub struct Repeated<'a, V> {
    fields: Fields<'a>,
    number: u32,
    view: PhantomData<fn() -> V>,
}

/// The value of an attribute, or the body of a log record.
#[derive(Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Not set. Also what profiles call a string by index, which has no meaning here.
    Empty,
    /// Text.
    Str(&'a str),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list of values.
    Array(ArrayView<'a>),
    /// A map.
    KvList(Attributes<'a>),
}

/// A list of values.
#[derive(Clone, Copy)]
pub struct ArrayView<'a> {
    bytes: &'a [u8],
}

/// A value that has not been read yet.
#[derive(Clone, Copy, Debug)]
pub struct Unread<'a> {
    bytes: &'a [u8],
}

/// Keys with values, in the order they were written. OTLP wants keys unique, senders may differ.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    number: u32,
}

/// One attribute as it lies in the request.
#[derive(Clone, Copy, Debug)]
pub struct PairView<'a> {
    bytes: &'a [u8],
}

/// Who sent the data.
#[derive(Clone, Copy, Debug)]
pub struct ResourceView<'a> {
    attributes: Attributes<'a>,
    dropped_attributes: u32,
}

/// Which library made the data.
#[derive(Clone, Copy, Debug)]
pub struct ScopeView<'a> {
    name: &'a [u8],
    version: &'a [u8],
    attributes: Attributes<'a>,
    dropped_attributes: u32,
}

/// The bytes from the first to the last field of one number, so that a list is walked without what
/// stands before and after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    start: usize,
    end: usize,
}

// === impl Repeated ===

impl<'a, V: View<'a>> Repeated<'a, V> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], number: u32) -> Self {
        Self { fields: Fields::new(bytes), number, view: PhantomData }
    }
}

impl<V> Clone for Repeated<'_, V> {
    fn clone(&self) -> Self {
        Self { fields: self.fields, number: self.number, view: PhantomData }
    }
}

impl<V> fmt::Debug for Repeated<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeated").field("number", &self.number).finish_non_exhaustive()
    }
}

impl<'a, V: View<'a>> Iterator for Repeated<'a, V> {
    type Item = V;

    #[inline]
    fn next(&mut self) -> Option<V> {
        next_message(&mut self.fields, self.number).map(V::read)
    }
}

impl<'a, V: View<'a>> FusedIterator for Repeated<'a, V> {}

// === impl Value ===

impl<'a> Value<'a> {
    /// The text, if it is text.
    #[inline]
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole one.
    #[inline]
    pub fn as_int(self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(number),
            _ => None,
        }
    }

    /// The number, whole or not.
    #[inline]
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(number as f64),
            Self::Double(number) => Some(number),
            _ => None,
        }
    }

    /// Whether it is exactly this text.
    pub fn is_str(self, wanted: &str) -> bool {
        self.as_str() == Some(wanted)
    }
}

impl<'a> View<'a> for Value<'a> {
    #[inline]
    fn read(bytes: &'a [u8]) -> Self {
        Fields::new(bytes).fold(Value::Empty, |value, field| match (field.number, field.payload) {
            (any_value::STRING, Payload::Len(bytes)) => Value::Str(text(bytes)),
            (any_value::BOOL, Payload::Varint(number)) => Value::Bool(number != 0),
            (any_value::INT, Payload::Varint(number)) => Value::Int(number as i64),
            (any_value::DOUBLE, Payload::Fixed64(bits)) => Value::Double(f64::from_bits(bits)),
            (any_value::ARRAY, Payload::Len(bytes)) => Value::Array(ArrayView { bytes }),
            (any_value::KVLIST, Payload::Len(bytes)) => {
                Value::KvList(Attributes { bytes, number: key_value_list::VALUES })
            }
            (any_value::BYTES, Payload::Len(bytes)) => Value::Bytes(bytes),
            (any_value::STRING_INDEX, Payload::Varint(_)) => Value::Empty,
            _ => value,
        })
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Str(text) => fmt::Debug::fmt(text, f),
            Self::Bool(value) => fmt::Debug::fmt(value, f),
            Self::Int(number) => fmt::Debug::fmt(number, f),
            Self::Double(number) => fmt::Debug::fmt(number, f),
            Self::Bytes(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
            Self::Array(values) => fmt::Debug::fmt(values, f),
            Self::KvList(pairs) => fmt::Debug::fmt(pairs, f),
        }
    }
}

// === impl Unread ===

impl<'a> Unread<'a> {
    /// Reads it.
    #[inline]
    pub fn read(self) -> Value<'a> {
        Value::read(self.bytes)
    }
}

// === impl ArrayView ===

impl<'a> ArrayView<'a> {
    /// The values, in order.
    #[inline]
    pub fn iter(self) -> Repeated<'a, Value<'a>> {
        Repeated::new(self.bytes, array_value::VALUES)
    }
}

impl<'a> IntoIterator for ArrayView<'a> {
    type Item = Value<'a>;
    type IntoIter = Repeated<'a, Value<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for ArrayView<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for ArrayView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

// === impl Attributes ===

impl<'a> Attributes<'a> {
    /// No attributes.
    pub const EMPTY: Self = Self { bytes: &[], number: 0 };

    pub(crate) fn new(bytes: &'a [u8], extent: Extent, number: u32) -> Self {
        Self { bytes: extent.of(bytes), number }
    }

    pub(crate) fn of(bytes: &'a [u8], number: u32) -> Self {
        Self { bytes, number }
    }

    /// The pairs as they lie in the request, to be copied by
    /// [`AttributesWriter::copy`](crate::encode::AttributesWriter::copy).
    #[inline]
    pub fn pairs(self) -> Repeated<'a, PairView<'a>> {
        Repeated::new(self.bytes, self.number)
    }

    /// The pairs, in order.
    #[inline]
    pub fn iter(self) -> Pairs<'a> {
        Pairs { fields: Fields::new(self.bytes), number: self.number }
    }

    /// The value of the first attribute with this key, as the Collector's `Map.Get` does.
    pub fn find(self, key: &str) -> Option<Value<'a>> {
        let mut fields = Fields::new(self.bytes);
        while let Some(pair) = next_message(&mut fields, self.number) {
            let (found, value) = pair_of(pair);
            if found == key.as_bytes() {
                return Some(Value::read(value));
            }
        }
        None
    }

    /// The pairs with nothing read but their frame, in order, for those who look for a few keys among many.
    #[inline]
    pub fn unread(self) -> impl Iterator<Item = (&'a [u8], Unread<'a>)> {
        let mut fields = Fields::new(self.bytes);
        std::iter::from_fn(move || {
            let (key, value) = pair_of(next_message(&mut fields, self.number)?);
            Some((key, Unread { bytes: value }))
        })
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }
}

impl<'a> IntoIterator for Attributes<'a> {
    type Item = (&'a str, Value<'a>);
    type IntoIter = Pairs<'a>;

    #[inline]
    fn into_iter(self) -> Pairs<'a> {
        self.iter()
    }
}

impl PartialEq for Attributes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The pairs of [`Attributes`].
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    fields: Fields<'a>,
    number: u32,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = pair_of(next_message(&mut self.fields, self.number)?);
        Some((text(key), Value::read(value)))
    }
}

impl FusedIterator for Pairs<'_> {}

// === impl PairView ===

impl<'a> PairView<'a> {
    /// The key.
    #[inline]
    pub fn key(self) -> &'a str {
        text(pair_of(self.bytes).0)
    }

    /// The value.
    #[inline]
    pub fn value(self) -> Value<'a> {
        Value::read(pair_of(self.bytes).1)
    }

    /// The whole `KeyValue`.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> View<'a> for PairView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

// === impl ResourceView ===

impl<'a> ResourceView<'a> {
    /// What describes the sender.
    #[inline]
    pub fn attributes(self) -> Attributes<'a> {
        self.attributes
    }

    /// How many attributes the sender left out.
    #[inline]
    pub fn dropped_attributes_count(self) -> u32 {
        self.dropped_attributes
    }
}

impl<'a> View<'a> for ResourceView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let (mut extent, mut dropped_attributes) = (Extent::NONE, 0);
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (resource::ATTRIBUTES, _) => extent.cover(&field),
                (resource::DROPPED_ATTRIBUTES, Payload::Varint(count)) => dropped_attributes = count as u32,
                _ => {}
            }
        }
        Self { attributes: Attributes::new(bytes, extent, resource::ATTRIBUTES), dropped_attributes }
    }
}

// === impl ScopeView ===

impl<'a> ScopeView<'a> {
    /// The library's name.
    #[inline]
    pub fn name(self) -> &'a str {
        text(self.name)
    }

    /// The library's version.
    #[inline]
    pub fn version(self) -> &'a str {
        text(self.version)
    }

    /// What else describes the library.
    #[inline]
    pub fn attributes(self) -> Attributes<'a> {
        self.attributes
    }

    /// How many attributes the sender left out.
    #[inline]
    pub fn dropped_attributes_count(self) -> u32 {
        self.dropped_attributes
    }
}

impl<'a> View<'a> for ScopeView<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut view = Self { name: &[], version: &[], attributes: Attributes::EMPTY, dropped_attributes: 0 };
        let mut extent = Extent::NONE;
        for field in Fields::new(bytes) {
            match (field.number, field.payload) {
                (scope::NAME, Payload::Len(name)) => view.name = name,
                (scope::VERSION, Payload::Len(version)) => view.version = version,
                (scope::ATTRIBUTES, _) => extent.cover(&field),
                (scope::DROPPED_ATTRIBUTES, Payload::Varint(count)) => view.dropped_attributes = count as u32,
                _ => {}
            }
        }
        view.attributes = Attributes::new(bytes, extent, scope::ATTRIBUTES);
        view
    }
}

// === impl Extent ===

impl Extent {
    pub(crate) const NONE: Self = Self { start: usize::MAX, end: 0 };

    #[inline]
    pub(crate) fn cover(&mut self, field: &Field<'_>) {
        self.start = self.start.min(field.start);
        self.end = field.end;
    }

    /// Covers the message whose payload comes next, after a tag that began at `start`, and those of the same tag
    /// that follow at once.
    #[inline(always)]
    pub(crate) fn cover_run(&mut self, start: usize, tag: u64, fields: &mut Fields<'_>) -> Option<()> {
        fields.bytes()?;
        fields.pass_messages(tag);
        self.start = self.start.min(start);
        self.end = fields.at();
        Some(())
    }

    /// The covered part of the message `bytes`.
    #[inline]
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }
}

/// Validated bytes as text. The gate has checked them; checking again keeps this crate free of
/// `unsafe`.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// An id that may be absent: none if it is empty or all zero, which OTLP calls invalid.
#[inline]
pub(crate) fn id<const N: usize>(bytes: &[u8]) -> Option<&[u8; N]> {
    bytes.try_into().ok().filter(|id: &&[u8; N]| **id != [0; N])
}

/// The tags of a `KeyValue`'s key and value; both are framed by a length.
const KEY_TAG: u8 = (key_value::KEY << 3) as u8 | WireType::Len as u8;
const VALUE_TAG: u8 = (key_value::VALUE << 3) as u8 | WireType::Len as u8;

/// Skips to the next message of this number.
#[inline]
fn next_message<'a>(fields: &mut Fields<'a>, number: u32) -> Option<&'a [u8]> {
    loop {
        let field = fields.next()?;
        if field.number == number
            && let Payload::Len(bytes) = field.payload
        {
            return Some(bytes);
        }
    }
}

/// Key and value of a `KeyValue`, still as bytes.
#[inline]
fn pair_of(bytes: &[u8]) -> (&[u8], &[u8]) {
    // Nearly every pair is exactly a short key and a short value.
    if let [KEY_TAG, key_length @ 0..=0x7f, rest @ ..] = bytes
        && let Some((key, [VALUE_TAG, value_length @ 0..=0x7f, value @ ..])) =
            rest.split_at_checked(usize::from(*key_length))
        && value.len() == usize::from(*value_length)
    {
        return (key, value);
    }
    pair_of_any(bytes)
}

#[inline(never)]
fn pair_of_any(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut pair: (&[u8], &[u8]) = (&[], &[]);
    for field in Fields::new(bytes) {
        match (field.number, field.payload) {
            (key_value::KEY, Payload::Len(key)) => pair.0 = key,
            (key_value::VALUE, Payload::Len(value)) => pair.1 = value,
            _ => {}
        }
    }
    pair
}
