//! Protobuf's framing: variable-length integers, tags, fields, and how to write them.
//!
//! ```text
//! message = field*          field  = tag payload        tag = varint(number << 3 | wire type)
//! payload = varint | 8 bytes | varint(length) bytes | 4 bytes
//! ```
//!
//! - **In:** for [`Fields`] bytes that the gate has accepted; for [`Writer`] values.
//! - **Guaranteed:** nothing here panics, whatever the bytes: [`Fields`] ends at the first fault. It
//!   is the gate's task, not this module's, to name faults.
//! - **Not here:** what the fields mean. This module knows nothing of OTLP.

/// How a payload is framed. Groups (3 and 4) are not spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireType {
    /// One variable-length integer.
    Varint = 0,
    /// Eight bytes, little endian.
    Fixed64 = 1,
    /// A length, then as many bytes.
    Len = 2,
    /// Four bytes, little endian.
    Fixed32 = 5,
}

/// A payload, framed but not interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// One variable-length integer.
    Varint(u64),
    /// Eight bytes, little endian.
    Fixed64(u64),
    /// Text, bytes, a message, or a packed list of numbers.
    Len(&'a [u8]),
    /// Four bytes, little endian.
    Fixed32(u32),
}

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field's number in its `.proto` file.
    pub number: u32,
    /// What it carries.
    pub payload: Payload<'a>,
    /// Where its tag begins, in bytes from the start of the message.
    pub start: usize,
    /// Where the next field begins.
    pub end: usize,
}

/// The fields of a message, in the order they were written.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
    /// Of the whole message.
    length: usize,
}

/// Writes fields to the end of a growing buffer.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

// === impl WireType ===

impl WireType {
    /// What stands before a payload of this framing in the field of this number.
    pub(crate) const fn tag(self, number: u32) -> u64 {
        (number as u64) << 3 | self as u64
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// The fields of the message `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// Passes over the messages of this tag that come next, as long as they are short: tag and length take a byte
    /// each. Callers meet the others one by one.
    #[inline(always)]
    pub(crate) fn pass_messages(&mut self, tag: u64) {
        while let [first, length @ 0..0x80, rest @ ..] = self.rest
            && u64::from(*first) == tag
            && let Some(after) = rest.get(usize::from(*length)..)
        {
            self.rest = after;
        }
    }

    /// The tag of the next field, see [`WireType::tag`], for readers that know which tags to expect: its payload is
    /// then taken by the method of its wire type, or passed over by [`pass`](Self::pass). Matching the tag itself
    /// asks one question a field where [`next`](Iterator::next) leaves two, number and type.
    #[inline(always)]
    pub(crate) fn tag(&mut self) -> Option<u64> {
        self.varint()
    }

    /// Passes over the payload of a tag. Rare, so it is kept out of the way of those that are expected.
    #[inline(always)]
    pub(crate) fn pass(&mut self, tag: u64) -> Option<()> {
        *self = self.passed(tag)?;
        Some(())
    }

    /// Where the next field begins, in bytes from the start of the message.
    #[inline(always)]
    pub(crate) fn at(&self) -> usize {
        self.length - self.rest.len()
    }

    /// A length, then as many bytes.
    #[inline(always)]
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.take(length)
    }

    /// Eight bytes, little endian.
    #[inline(always)]
    pub(crate) fn fixed64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Four bytes, little endian.
    #[inline(always)]
    pub(crate) fn fixed32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    // By value, so that nobody else's fields have to live in memory.
    #[cold]
    fn passed(mut self, tag: u64) -> Option<Self> {
        self.payload(tag)?;
        Some(self)
    }

    #[inline(always)]
    fn payload(&mut self, tag: u64) -> Option<Payload<'a>> {
        Some(match tag & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(self.fixed64()?),
            2 => Payload::Len(self.bytes()?),
            5 => Payload::Fixed32(self.fixed32()?),
            _ => return None,
        })
    }

    /// One variable-length integer.
    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let (value, rest) = split_varint(self.rest)?;
        self.rest = rest;
        Some(value)
    }

    #[inline(always)]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    // Inlined, a field is taken apart in registers; returned, its 56 bytes go through memory.
    #[inline(always)]
    fn next(&mut self) -> Option<Field<'a>> {
        let start = self.at();
        let tag = self.tag()?;
        let payload = self.payload(tag)?;
        Some(Field { number: u32::try_from(tag >> 3).ok()?, payload, start, end: self.at() })
    }
}

// === impl Writer ===

impl Writer {
    /// An empty writer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity) }
    }

    /// What was written.
    pub fn into_vec(self) -> Vec<u8> {
        self.out
    }

    /// What was written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.out
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Nothing written yet.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes back everything after the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.out.truncate(length);
    }

    /// Bytes as they are: whole fields copied from elsewhere.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A bare variable-length integer.
    #[inline]
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// A bare tag.
    #[inline]
    pub fn tag(&mut self, number: u32, wire: WireType) {
        self.varint(wire.tag(number));
    }

    /// `uint32`, `uint64`, `int64`, `bool`, an enum: anything that is a plain varint.
    pub fn uint(&mut self, number: u32, value: u64) {
        self.tag(number, WireType::Varint);
        self.varint(value);
    }

    /// `int32`, `int64` or an enum; a negative number takes ten bytes.
    pub fn int(&mut self, number: u32, value: i64) {
        self.uint(number, value as u64);
    }

    /// `sint32`: zigzag.
    pub fn sint32(&mut self, number: u32, value: i32) {
        self.uint(number, u64::from(((value << 1) ^ (value >> 31)) as u32));
    }

    /// `bool`.
    pub fn bool(&mut self, number: u32, value: bool) {
        self.uint(number, u64::from(value));
    }

    /// `fixed64`.
    pub fn fixed64(&mut self, number: u32, value: u64) {
        self.tag(number, WireType::Fixed64);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// `fixed32`.
    pub fn fixed32(&mut self, number: u32, value: u32) {
        self.tag(number, WireType::Fixed32);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// `double`.
    pub fn double(&mut self, number: u32, value: f64) {
        self.fixed64(number, value.to_bits());
    }

    /// `bytes`, or a message that is already encoded.
    pub fn bytes(&mut self, number: u32, value: &[u8]) {
        self.tag(number, WireType::Len);
        self.varint(value.len() as u64);
        self.out.extend_from_slice(value);
    }

    /// `string`.
    pub fn string(&mut self, number: u32, value: &str) {
        self.bytes(number, value.as_bytes());
    }

    /// `string`, left out when empty, as proto3 does.
    pub fn string_unless_empty(&mut self, number: u32, value: &str) {
        if !value.is_empty() {
            self.string(number, value);
        }
    }

    /// A varint field, left out when zero, as proto3 does.
    pub fn uint_unless_zero(&mut self, number: u32, value: u64) {
        if value != 0 {
            self.uint(number, value);
        }
    }

    /// A message; `fill` writes its fields. The length is patched in afterwards.
    pub fn message(&mut self, number: u32, fill: impl FnOnce(&mut Self)) {
        let at = self.begin(number);
        fill(self);
        self.end(at);
    }

    /// `repeated fixed64`, packed. Nothing when the list is empty.
    pub fn packed_fixed64(&mut self, number: u32, values: impl IntoIterator<Item = u64>) {
        self.packed(number, values, |out, value| out.out.extend_from_slice(&value.to_le_bytes()));
    }

    /// `repeated double`, packed. Nothing when the list is empty.
    pub fn packed_double(&mut self, number: u32, values: impl IntoIterator<Item = f64>) {
        self.packed_fixed64(number, values.into_iter().map(f64::to_bits));
    }

    /// `repeated uint64`, packed. Nothing when the list is empty.
    pub fn packed_varint(&mut self, number: u32, values: impl IntoIterator<Item = u64>) {
        self.packed(number, values, Self::varint);
    }

    fn packed<T>(
        &mut self,
        number: u32,
        values: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.message(number, |out| values.for_each(|value| write(out, value)));
        }
    }

    /// Begins a message with one byte for its length; gives the place that [`end`](Self::end) needs.
    pub(crate) fn begin(&mut self, number: u32) -> usize {
        self.tag(number, WireType::Len);
        self.out.push(0);
        self.out.len()
    }

    /// What was written from `at` on.
    pub(crate) fn tail_mut(&mut self, at: usize) -> &mut [u8] {
        &mut self.out[at..]
    }

    /// Ends the message that begins at `at`. The few that need a longer length are moved up.
    pub(crate) fn end(&mut self, at: usize) {
        let end = self.out.len();
        let length = end - at;
        let extra = varint_length(length as u64) - 1;
        if extra > 0 {
            self.out.resize(end + extra, 0);
            self.out.copy_within(at..end, at + extra);
        }
        put_varint(&mut self.out[at - 1..at + extra], length as u64);
    }
}

/// Reads one varint: at most ten bytes, the tenth at most 1. Gives the value and the bytes it took.
#[inline(always)]
pub fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    match *bytes {
        [first, ..] if first < 0x80 => Some((u64::from(first), 1)),
        [first, second, ..] if second < 0x80 => Some((u64::from(first & 0x7f) | u64::from(second) << 7, 2)),
        _ => varint_long(bytes),
    }
}

/// A varint from the front of `bytes`, and what follows it.
#[inline(always)]
fn split_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    match bytes {
        [first @ 0..0x80, rest @ ..] => Some((u64::from(*first), rest)),
        [first, second @ 0..0x80, rest @ ..] => {
            Some((u64::from(first & 0x7f) | u64::from(*second) << 7, rest))
        }
        [] => None,
        _ => varint_long(bytes).map(|(value, length)| (value, &bytes[length..])),
    }
}

#[inline(never)]
fn varint_long(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            let fits = index + 1 < VARINT_BYTES_MAX || byte <= 1;
            return fits.then_some((value, index + 1));
        }
    }
    None
}

/// Bytes that `value` takes as a varint.
#[inline]
pub fn varint_length(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Bytes that a length-delimited field takes, tag and length included.
pub fn field_length(number: u32, payload: usize) -> usize {
    varint_length(u64::from(number) << 3) + varint_length(payload as u64) + payload
}

/// Undoes zigzag, as `sint32` is written.
pub fn zigzag32(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

fn put_varint(into: &mut [u8], mut value: u64) {
    let last = into.len() - 1;
    for byte in &mut into[..last] {
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    into[last] = value as u8;
}

/// Longest varint.
pub const VARINT_BYTES_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: u64, bytes: &[u8]) {
        let mut out = Writer::default();
        out.varint(value);
        assert_eq!(out.as_slice(), bytes);
        assert_eq!(varint(bytes), Some((value, bytes.len())));
        assert_eq!(varint_length(value), bytes.len());
        assert_eq!(varint(&bytes[..bytes.len() - 1]), None, "a cut varint is none");
    }

    #[test]
    fn varints_are_read_as_they_are_written() {
        check(0, &[0]);
        check(127, &[0x7f]);
        check(128, &[0x80, 1]);
        check(300, &[0xac, 2]);
        check(u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    }

    #[test]
    fn a_varint_beyond_64_bits_is_refused() {
        assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]), None);
        assert_eq!(varint(&[0x80; 11]), None);
    }

    #[test]
    fn lengths_of_nested_messages_are_patched_in() {
        for size in [0, 1, 127, 128, 16_383, 16_384] {
            let mut out = Writer::default();
            out.message(1, |out| out.message(2, |out| out.raw(&vec![7; size])));
            let outer = Fields::new(out.as_slice()).next().unwrap();
            let Payload::Len(inner) = outer.payload else { panic!("{outer:?}") };
            let inner = Fields::new(inner).next().unwrap();
            assert_eq!((outer.number, outer.end), (1, out.len()));
            assert_eq!((inner.number, inner.payload), (2, Payload::Len(&vec![7; size])));
        }
    }

    #[test]
    fn zigzag_is_undone() {
        for value in [0, -1, 1, i32::MIN, i32::MAX] {
            let mut out = Writer::default();
            out.sint32(1, value);
            let Some(Field { payload: Payload::Varint(raw), .. }) = Fields::new(out.as_slice()).next() else {
                panic!("one varint")
            };
            assert_eq!(zigzag32(raw), value);
        }
    }
}
