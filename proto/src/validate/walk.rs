//! One walk over a request by the table of [`crate::schema`].
//!
//! The table is turned, at compile time, into one step for each message and tag byte, so that a field
//! up to number 31 costs one look-up: it says at once whether the wire type is right and what to do.
//! Longer tags (higher numbers, or written in more bytes than needed) take the slow way to the same
//! steps.

use crate::{
    schema::{FieldName, Kind, Message, any_value, key_value},
    validate::{Fault, IdFault, ItemFault, MESSAGE_DEPTH_MAX, Malformed, VALUE_DEPTH_MAX},
    wire::{VARINT_BYTES_MAX, WireType, varint},
};

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Spans, data points, log records.
    pub(super) items: usize,
    /// A singular message was sent in parts.
    pub(super) repeats: bool,
    /// Which items must go, by their place among all items; ascending.
    pub(super) rejected: Vec<usize>,
    /// What was wrong with the first of them.
    pub(super) first: Option<ItemFault>,
    /// Address of the request's first byte, for offsets.
    base: usize,
    /// The item at hand holds a wrong id.
    pending: Option<ItemFault>,
    /// Why the walk stopped.
    malformed: Option<Malformed>,
}

/// The walk has stopped; [`Walk::malformed`] says why. Without size, so that success stays in a register.
struct Stop;

/// What to do with a field.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Step {
    /// A known field with a wrong wire type.
    WireType,
    Group,
    NumberZero,
    Varint,
    Fixed64,
    Fixed32,
    /// Length-delimited, of no further interest.
    Bytes,
    Text,
    TraceId,
    SpanId,
    ParentId,
    PackedVarints,
    PackedFixed64s,
    One,
    Many,
    /// An attribute, tried by the shape that nearly all have.
    Pair,
}

/// What to do in a message, by tag byte; and its child messages, by field number.
struct Plan {
    steps: [Step; TAGS],
    children: [Message; NUMBERS],
    /// A bit for each singular message. The messages of a `oneof` share one, because each replaces
    /// what the one before it brought.
    marks: [u32; NUMBERS],
    /// What the message itself counts as in the nesting: messages low, values high.
    weight: u32,
    ids: Ids,
    item: bool,
}

/// What a message needs to know of its own ids at its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ids {
    None,
    Optional,
    Required,
}

/// The ids of the message at hand; the last one sent counts.
#[derive(Clone, Copy, Default)]
struct Seen<'a> {
    trace: &'a [u8],
    span: &'a [u8],
    parent: &'a [u8],
}

// === impl Walk ===

impl Walk {
    /// Walks the whole request.
    pub(super) fn over(root: Message, bytes: &[u8]) -> Result<Self, Malformed> {
        let mut walk = Self { base: bytes.as_ptr().addr(), ..Self::default() };
        match walk.message(root, bytes, 0) {
            Ok(()) => Ok(walk),
            Err(Stop) => Err(walk.malformed.expect("a stopped walk says why")),
        }
    }

    fn message(&mut self, message: Message, bytes: &[u8], depth: u32) -> Result<(), Stop> {
        let plan = &PLANS[message as usize];
        let mut rest = bytes;
        let mut parts = 0_u32;
        let mut ids = Seen::default();
        while let [tag, after @ ..] = rest {
            let (step, number) = if *tag < 0x80 {
                rest = after;
                (plan.steps[usize::from(*tag)], u32::from(*tag >> 3))
            } else if let [1, after @ ..] = after {
                // Two bytes, the second of them 1: fields 16 to 31.
                rest = after;
                (plan.steps[usize::from(*tag)], 16 + u32::from((*tag & 0x7f) >> 3))
            } else {
                self.long_tag(message, &mut rest)?
            };
            match step {
                Step::Varint => match rest {
                    [byte, after @ ..] if *byte < 0x80 => rest = after,
                    _ => rest = self.long_varint(message, number, rest)?,
                },
                Step::Fixed64 => match rest.split_first_chunk::<8>() {
                    Some((_, after)) => rest = after,
                    None => return self.stop(message, number, rest, Fault::Truncated),
                },
                Step::Fixed32 => match rest.split_first_chunk::<4>() {
                    Some((_, after)) => rest = after,
                    None => return self.stop(message, number, rest, Fault::Truncated),
                },
                Step::WireType | Step::Group | Step::NumberZero => {
                    return self.refuse(message, step, *tag, number, rest);
                }
                _ => {
                    let (payload, after) = self.payload(message, number, rest)?;
                    match step {
                        Step::Text if !is_utf8(payload) => {
                            return self.stop(message, number, payload, Fault::Utf8);
                        }
                        Step::Pair if depth >> VALUE_SHIFT == 0 && is_plain_pair(payload) => {}
                        Step::Many | Step::One | Step::Pair => {
                            if step == Step::One {
                                let mark = plan.marks[number as usize & (NUMBERS - 1)];
                                self.repeats |= parts & mark != 0;
                                parts |= mark;
                            }
                            let child = plan.children[number as usize & (NUMBERS - 1)];
                            let depth = depth + PLANS[child as usize].weight;
                            if (depth & MESSAGE_MASK) > MESSAGE_DEPTH_MAX
                                || depth >> VALUE_SHIFT > VALUE_DEPTH_MAX
                            {
                                return self.stop(message, number, payload, Fault::Depth);
                            }
                            self.message(child, payload, depth)?;
                        }
                        Step::TraceId => ids.trace = payload,
                        Step::SpanId => ids.span = payload,
                        Step::ParentId => ids.parent = payload,
                        Step::PackedVarints => self.packed_varints(message, number, payload)?,
                        Step::PackedFixed64s if payload.len() % 8 != 0 => {
                            return self.stop(message, number, payload, Fault::Packed);
                        }
                        _ => {}
                    }
                    rest = after;
                }
            }
        }
        if plan.ids != Ids::None {
            self.check_ids(message, plan.ids, ids);
        }
        if plan.item {
            self.end_item();
        }
        Ok(())
    }

    #[inline]
    fn payload<'a>(
        &mut self,
        message: Message,
        number: u32,
        rest: &'a [u8],
    ) -> Result<(&'a [u8], &'a [u8]), Stop> {
        if let [length, after @ ..] = rest
            && *length < 0x80
            && let Some(split) = after.split_at_checked(usize::from(*length))
        {
            return Ok(split);
        }
        self.long_payload(message, number, rest)
    }

    #[inline(never)]
    fn long_payload<'a>(
        &mut self,
        message: Message,
        number: u32,
        rest: &'a [u8],
    ) -> Result<(&'a [u8], &'a [u8]), Stop> {
        let Some((length, taken)) = varint(rest) else {
            return self.stop(message, number, rest, Fault::Varint);
        };
        let split = usize::try_from(length).ok().and_then(|length| rest[taken..].split_at_checked(length));
        match split {
            Some(split) => Ok(split),
            None => self.stop(message, number, rest, Fault::Truncated),
        }
    }

    /// Skips a varint of more than one byte without putting its value together.
    #[inline]
    fn long_varint<'a>(&mut self, message: Message, number: u32, rest: &'a [u8]) -> Result<&'a [u8], Stop> {
        match rest.iter().take(VARINT_BYTES_MAX).position(|byte| *byte < 0x80) {
            Some(last) if last + 1 < VARINT_BYTES_MAX || rest[last] <= 1 => Ok(&rest[last + 1..]),
            _ => self.stop(message, number, rest, Fault::Varint),
        }
    }

    #[inline(never)]
    fn long_tag(&mut self, message: Message, rest: &mut &[u8]) -> Result<(Step, u32), Stop> {
        let Some((tag, taken)) = varint(rest) else { return self.stop(message, 0, rest, Fault::Varint) };
        let Ok(tag) = u32::try_from(tag) else { return self.stop(message, 0, rest, Fault::Tag) };
        *rest = &rest[taken..];
        let step = step(message, tag);
        match step {
            Step::WireType | Step::Group | Step::NumberZero => {
                self.refuse(message, step, (tag & 7) as u8, tag >> 3, rest)
            }
            _ => Ok((step, tag >> 3)),
        }
    }

    #[inline(never)]
    fn packed_varints(&mut self, message: Message, number: u32, payload: &[u8]) -> Result<(), Stop> {
        let mut rest = payload;
        while !rest.is_empty() {
            match varint(rest) {
                Some((_, taken)) => rest = &rest[taken..],
                None => return self.stop(message, number, rest, Fault::Packed),
            }
        }
        Ok(())
    }

    #[inline]
    fn check_ids(&mut self, message: Message, rule: Ids, ids: Seen<'_>) {
        let fault = match rule {
            Ids::Required => {
                required::<16>(ids.trace).or(required::<8>(ids.span)).or(optional::<8>(ids.parent))
            }
            _ => optional::<16>(ids.trace).or(optional::<8>(ids.span)),
        };
        if fault.is_some() {
            self.wrong_id(message, rule, ids);
        }
    }

    /// Remembers the first wrong id of the item at hand.
    #[cold]
    fn wrong_id(&mut self, message: Message, rule: Ids, ids: Seen<'_>) {
        let faults = match rule {
            Ids::Required => [required::<16>(ids.trace), required::<8>(ids.span), optional::<8>(ids.parent)],
            _ => [optional::<16>(ids.trace), optional::<8>(ids.span), None],
        };
        let kinds = [Kind::TraceId, Kind::SpanId, Kind::ParentId];
        let Some((kind, fault)) =
            kinds.into_iter().zip(faults).find_map(|(kind, fault)| Some((kind, fault?)))
        else {
            return;
        };
        let number = message.fields().iter().find(|field| field.kind == kind).map_or(0, |field| field.number);
        self.pending.get_or_insert(ItemFault { field: FieldName { message, number }, fault });
    }

    #[inline]
    fn end_item(&mut self) {
        if let Some(fault) = self.pending.take() {
            self.first.get_or_insert(fault);
            self.rejected.push(self.items);
        }
        self.items += 1;
    }

    #[cold]
    fn refuse<T>(
        &mut self,
        message: Message,
        step: Step,
        tag: u8,
        number: u32,
        at: &[u8],
    ) -> Result<T, Stop> {
        let fault = match step {
            Step::Group => Fault::Group(tag & 7),
            Step::NumberZero => Fault::NumberZero,
            _ => Fault::WireType(tag & 7),
        };
        self.stop(message, number, at, fault)
    }

    #[cold]
    fn stop<T>(&mut self, message: Message, number: u32, at: &[u8], fault: Fault) -> Result<T, Stop> {
        let offset = at.as_ptr().addr() - self.base;
        self.malformed = Some(Malformed { offset, field: FieldName { message, number }, fault });
        Err(Stop)
    }
}

/// What is wrong with an id that must be there.
#[inline]
fn required<const N: usize>(id: &[u8]) -> Option<IdFault> {
    match <&[u8; N]>::try_from(id) {
        Err(_) => Some(IdFault::Length { found: id.len(), required: N }),
        Ok(id) if *id == [0; N] => Some(IdFault::Zero),
        Ok(_) => None,
    }
}

/// What is wrong with an id that may be empty or all zero.
#[inline]
fn optional<const N: usize>(id: &[u8]) -> Option<IdFault> {
    (!id.is_empty() && id.len() != N).then_some(IdFault::Length { found: id.len(), required: N })
}

/// Whether an attribute is nothing but a short key and a short scalar value, both well formed: then
/// two of three levels of messages need not be walked. Whatever is not so is walked.
#[inline]
fn is_plain_pair(bytes: &[u8]) -> bool {
    let [KEY_TAG, key, rest @ ..] = bytes else { return false };
    if *key >= 0x80 {
        return false;
    }
    let Some((key, [VALUE_TAG, length, value @ ..])) = rest.split_at_checked(usize::from(*key)) else {
        return false;
    };
    if value.len() != usize::from(*length) || *length >= 0x80 || !is_utf8(key) {
        return false;
    }
    match value {
        [STRING_TAG, length, text @ ..] => {
            text.len() == usize::from(*length) && *length < 0x80 && is_utf8(text)
        }
        [BOOL_TAG | INT_TAG, number] => *number < 0x80,
        [INT_TAG, low, high] => *low >= 0x80 && *high < 0x80,
        [DOUBLE_TAG, double @ ..] => double.len() == 8,
        _ => false,
    }
}

/// Most strings are short and ASCII; that is settled here, eight bytes at a time.
#[inline]
fn is_utf8(text: &[u8]) -> bool {
    is_ascii(text) || simdutf8::basic::from_utf8(text).is_ok()
}

#[inline]
fn is_ascii(text: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut bits = 0;
    if let Some(last) = text.last_chunk::<8>() {
        let mut rest = text;
        while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
            bits |= u64::from_le_bytes(*chunk);
            rest = after;
        }
        bits |= u64::from_le_bytes(*last);
    } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        bits = u64::from(u32::from_le_bytes(*first) | u32::from_le_bytes(*last));
    } else {
        bits = text.iter().fold(0, |bits, byte| bits | u64::from(*byte));
    }
    bits & HIGH == 0
}

// === impl Plan ===

impl Plan {
    const fn of(message: Message) -> Self {
        let mut plan = Self {
            steps: [Step::Group; TAGS],
            children: [message; NUMBERS],
            marks: [0; NUMBERS],
            weight: if matches!(message, Message::AnyValue) { 1 | 1 << VALUE_SHIFT } else { 1 },
            ids: match message {
                Message::Span => Ids::Required,
                Message::Link | Message::LogRecord | Message::Exemplar => Ids::Optional,
                _ => Ids::None,
            },
            item: message.is_item(),
        };
        let mut tag = 0;
        while tag < TAGS {
            plan.steps[tag] = step(message, tag as u32);
            tag += 1;
        }
        let fields = message.fields();
        let mut index = 0;
        while index < fields.len() {
            if let Kind::One(child) | Kind::Many(child) = fields[index].kind {
                let number = fields[index].number as usize;
                plan.children[number] = child;
                plan.marks[number] = if fields[index].oneof { 1 } else { 1 << number };
            }
            index += 1;
        }
        plan
    }
}

/// What to do with a tag in a message.
const fn step(message: Message, tag: u32) -> Step {
    let (number, wire) = (tag >> 3, tag & 7);
    if number == 0 {
        return Step::NumberZero;
    }
    let fields = message.fields();
    let mut index = 0;
    while index < fields.len() {
        if fields[index].number == number {
            return known(fields[index].kind, wire);
        }
        index += 1;
    }
    match wire {
        0 => Step::Varint,
        1 => Step::Fixed64,
        2 => Step::Bytes,
        5 => Step::Fixed32,
        _ => Step::Group,
    }
}

const fn known(kind: Kind, wire: u32) -> Step {
    match (kind, wire) {
        (_, 3 | 4 | 6 | 7) => Step::Group,
        (Kind::Varint(_) | Kind::Varints, 0) => Step::Varint,
        (Kind::Fixed64(_) | Kind::Fixed64s(_), 1) => Step::Fixed64,
        (Kind::Fixed32, 5) => Step::Fixed32,
        (Kind::Varints, 2) => Step::PackedVarints,
        (Kind::Fixed64s(_), 2) => Step::PackedFixed64s,
        (Kind::Text | Kind::Texts, 2) => Step::Text,
        (Kind::Bytes, 2) => Step::Bytes,
        (Kind::TraceId, 2) => Step::TraceId,
        (Kind::SpanId, 2) => Step::SpanId,
        (Kind::ParentId, 2) => Step::ParentId,
        (Kind::One(_), 2) => Step::One,
        (Kind::Many(Message::KeyValue), 2) => Step::Pair,
        (Kind::Many(_), 2) => Step::Many,
        _ => Step::WireType,
    }
}

const KEY_TAG: u8 = tag(key_value::KEY, WireType::Len);
const VALUE_TAG: u8 = tag(key_value::VALUE, WireType::Len);
const STRING_TAG: u8 = tag(any_value::STRING, WireType::Len);
const BOOL_TAG: u8 = tag(any_value::BOOL, WireType::Varint);
const INT_TAG: u8 = tag(any_value::INT, WireType::Varint);
const DOUBLE_TAG: u8 = tag(any_value::DOUBLE, WireType::Fixed64);

const fn tag(number: u32, wire: WireType) -> u8 {
    (number << 3 | wire as u32) as u8
}

/// Tags with a step of their own, and the field numbers they reach.
const TAGS: usize = 256;
const NUMBERS: usize = 32;
const VALUE_SHIFT: u32 = 16;
const MESSAGE_MASK: u32 = (1 << VALUE_SHIFT) - 1;

static PLANS: [Plan; Message::ALL.len()] = {
    let mut plans = [const { Plan::of(Message::AnyValue) }; Message::ALL.len()];
    let mut index = 0;
    while index < plans.len() {
        plans[index] = Plan::of(Message::ALL[index]);
        index += 1;
    }
    plans
};
