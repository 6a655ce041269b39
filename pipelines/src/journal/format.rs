//! The bytes of a segment file.
//!
//! ```text
//! segment:  header, record, record, ... (zeros behind the last one: room set aside)
//! header:   magic "PHSJ" | version u32 | crc u32 | length u32 | body
//!   body:   number u64 | salt u64 | pipelines u32 | per pipeline: name length u32, name, start position 16
//!           | producers u32 | per producer: id u128, number u64
//! record:   magic "PREC" | length u32 | crc u32 | body
//!   body:   salt u64 | arrival u64 | producer u128 | number u64 | parts u32 | payloads u32
//!           | per part: pipeline u32 (place in the header's table), payload u32, position 16
//!           | per payload: signal u8, length u32 | the payloads
//! ```
//!
//! Numbers are little-endian; a checksum covers the length and the body. Producer 0, number 0 stands for none.
//! The salt is random and different in each segment. Whoever sends data does not know it, so that nothing inside a
//! payload can pass for a record when the search for the next record runs through what a crash has left.
//!
//! - **Guaranteed:** decoding any bytes ends in a record, or says that there is none; it never panics and allocates no
//!   more than the bytes it was given.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::Bytes;
use proto::SignalKind;

use super::{Part, Position, ProducerId, Sequence};
use crate::time::UnixNanos;

/// What a segment says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Segments are numbered in the order they were begun.
    pub(super) number: u64,
    /// What each record of the segment begins with.
    pub(super) salt: u64,
    /// Every pipeline of the journal and the place it had reached; records name pipelines by their place here.
    pub(super) pipelines: Vec<(String, Position)>,
    /// High-water marks of the producers.
    pub(super) producers: Vec<Sequence>,
}

/// One part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredPart {
    /// Place in the header's table.
    pub(super) pipeline: u32,
    /// Where the pipeline stands behind this part.
    pub(super) position: Position,
    /// Place among the payloads.
    payload: u32,
}

/// One record, its payloads still in the buffer it was read from.
#[derive(Clone, Debug)]
pub(super) struct StoredRecord {
    pub(super) arrival: UnixNanos,
    pub(super) sequence: Option<Sequence>,
    pub(super) parts: Vec<StoredPart>,
    payloads: Vec<(SignalKind, Bytes)>,
}

/// What stands at a place of a segment.
#[derive(Debug)]
pub(super) enum Decoded {
    /// A record of this many bytes.
    Record(StoredRecord, usize),
    /// No whole record begins here.
    Nothing,
}

/// Why a header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// It is cut short or its checksum is wrong.
    Damaged,
    /// Another version wrote it.
    Version(u32),
}

/// A reader that never runs past its end.
struct Fields<'a>(&'a [u8]);

// === impl Header ===

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&self.number.to_le_bytes());
        body.extend_from_slice(&self.salt.to_le_bytes());
        put_count(&mut body, self.pipelines.len());
        for (name, start) in &self.pipelines {
            put_count(&mut body, name.len());
            body.extend_from_slice(name.as_bytes());
            body.extend_from_slice(&start.to_bytes());
        }
        put_count(&mut body, self.producers.len());
        for Sequence { producer, number } in &self.producers {
            body.extend_from_slice(&producer.0.to_le_bytes());
            body.extend_from_slice(&number.to_le_bytes());
        }
        let mut out = Vec::with_capacity(16 + body.len());
        out.extend_from_slice(SEGMENT_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&checksum(&body).to_le_bytes());
        put_count(&mut out, body.len());
        out.extend_from_slice(&body);
        out
    }

    /// The header and its length.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, usize), HeaderFault> {
        let mut fields = Fields(bytes);
        let magic = fields.take(4).ok_or(HeaderFault::Damaged)?;
        let version = fields.u32().ok_or(HeaderFault::Damaged)?;
        if magic != SEGMENT_MAGIC {
            return Err(HeaderFault::Damaged);
        }
        if version != VERSION {
            return Err(HeaderFault::Version(version));
        }
        let mut checked = || {
            let crc = fields.u32()?;
            let length = fields.u32()? as usize;
            let body = fields.take(length).filter(|body| checksum(body) == crc)?;
            Some((Self::decode_body(body)?, 16 + length))
        };
        checked().ok_or(HeaderFault::Damaged)
    }

    fn decode_body(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let (number, salt) = (fields.u64()?, fields.u64()?);
        let mut pipelines = Vec::new();
        for _ in 0..fields.u32()? {
            let length = fields.u32()? as usize;
            let name = std::str::from_utf8(fields.take(length)?).ok()?.to_owned();
            pipelines.push((name, fields.position()?));
        }
        let mut producers = Vec::new();
        for _ in 0..fields.u32()? {
            producers.push(Sequence { producer: ProducerId(fields.u128()?), number: fields.u64()? });
        }
        Some(Self { number, salt, pipelines, producers })
    }
}

// === impl StoredRecord ===

impl StoredRecord {
    /// The payload of a part.
    pub(super) fn payload(&self, part: &StoredPart) -> Option<&(SignalKind, Bytes)> {
        self.payloads.get(part.payload as usize)
    }
}

/// Appends a record of these parts, each with its pipeline's place in the header and the place it reaches by it.
pub(super) fn encode_record(
    out: &mut Vec<u8>,
    salt: u64,
    arrival: UnixNanos,
    sequence: Option<Sequence>,
    parts: &[(&Part, u32, Position)],
) {
    // Equal payloads are stored once: the parts of a fan-out share one buffer.
    let mut payloads: Vec<&proto::AnyBatch> = Vec::with_capacity(parts.len());
    let same = |a: &proto::AnyBatch, b: &proto::AnyBatch| {
        a.kind() == b.kind() && a.bytes().as_ptr() == b.bytes().as_ptr() && a.bytes().len() == b.bytes().len()
    };
    let start = out.len();
    out.extend_from_slice(RECORD_MAGIC);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&salt.to_le_bytes());
    out.extend_from_slice(&arrival.0.to_le_bytes());
    let (producer, number) = sequence.map_or((0, 0), |sequence| (sequence.producer.0, sequence.number));
    out.extend_from_slice(&producer.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    put_count(out, parts.len());
    let payload_count_at = out.len();
    out.extend_from_slice(&[0; 4]);
    for (part, pipeline, position) in parts {
        let known = payloads.iter().position(|payload| same(payload, &part.batch));
        let payload = known.unwrap_or_else(|| {
            payloads.push(&part.batch);
            payloads.len() - 1
        });
        out.extend_from_slice(&pipeline.to_le_bytes());
        put_count(out, payload);
        out.extend_from_slice(&position.to_bytes());
    }
    for payload in &payloads {
        out.push(payload.kind() as u8);
        put_count(out, payload.bytes().len());
    }
    for payload in &payloads {
        out.extend_from_slice(payload.bytes());
    }
    out[payload_count_at..payload_count_at + 4].copy_from_slice(&(payloads.len() as u32).to_le_bytes());
    let body_start = start + RECORD_HEAD;
    let length = (out.len() - body_start) as u32;
    let crc = checksum(&out[body_start..]);
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    out[start + 8..start + 12].copy_from_slice(&crc.to_le_bytes());
}

/// What begins at `at` of a segment with this salt.
pub(super) fn decode_record(segment: &Bytes, salt: u64, at: usize) -> Decoded {
    let found = || {
        let mut fields = Fields(segment.get(at..)?);
        if fields.take(4)? != RECORD_MAGIC {
            return None;
        }
        let length = fields.u32()? as usize;
        let crc = fields.u32()?;
        // The salt first: a checksum over whatever a payload claims as a length would be costly.
        let body = fields.take(length).filter(|body| body.starts_with(&salt.to_le_bytes()))?;
        if checksum(body) != crc {
            return None;
        }
        let start = at + RECORD_HEAD;
        Some((decode_body(body, &segment.slice(start..start + length))?, RECORD_HEAD + length))
    };
    found().map_or(Decoded::Nothing, |(record, length)| Decoded::Record(record, length))
}

/// The place of the next whole record at or after `at`, if there is one.
pub(super) fn find_record(segment: &Bytes, salt: u64, mut at: usize) -> Option<usize> {
    loop {
        let rest = segment.get(at..)?;
        at += rest.windows(4).position(|window| window == RECORD_MAGIC)?;
        if let Decoded::Record(..) = decode_record(segment, salt, at) {
            return Some(at);
        }
        at += 1;
    }
}

/// Whether anything looks like the beginning of a record.
pub(super) fn may_hold_records(segment: &[u8]) -> bool {
    segment.windows(4).any(|window| window == RECORD_MAGIC)
}

/// A salt that nobody can guess.
pub(super) fn new_salt() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The length a record claims to have, if one may begin here.
pub(super) fn claimed_length(head: &[u8; RECORD_HEAD]) -> Option<usize> {
    let (magic, rest) = head.split_at(4);
    let length = u32::from_le_bytes(*rest.first_chunk()?);
    (magic == RECORD_MAGIC).then_some(RECORD_HEAD + length as usize)
}

fn decode_body(body: &[u8], shared: &Bytes) -> Option<StoredRecord> {
    let mut fields = Fields(body);
    let _salt = fields.u64()?;
    let arrival = UnixNanos(fields.u64()?);
    let (producer, number) = (fields.u128()?, fields.u64()?);
    let sequence =
        (producer != 0 || number != 0).then_some(Sequence { producer: ProducerId(producer), number });
    let (part_count, payload_count) = (fields.u32()?, fields.u32()?);
    let mut parts = Vec::new();
    for _ in 0..part_count {
        let (pipeline, payload) = (fields.u32()?, fields.u32()?);
        parts.push(StoredPart { pipeline, payload, position: fields.position()? });
    }
    let mut lengths = Vec::new();
    for _ in 0..payload_count {
        let signal = *fields.take(1)?.first()?;
        let signal = SignalKind::ALL.into_iter().find(|kind| *kind as u8 == signal)?;
        lengths.push((signal, fields.u32()? as usize));
    }
    let mut payloads = Vec::with_capacity(lengths.len());
    for (signal, length) in lengths {
        let start = body.len() - fields.0.len();
        fields.take(length)?;
        payloads.push((signal, shared.slice(start..start + length)));
    }
    Some(StoredRecord { arrival, sequence, parts, payloads })
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    debug_assert!(u32::try_from(count).is_ok(), "a batch and its parts are far below 4 GiB");
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

fn checksum(body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(body.len() as u64).to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

// === impl Fields ===

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(*self.take(8)?.first_chunk()?))
    }

    fn u128(&mut self) -> Option<u128> {
        Some(u128::from_le_bytes(*self.take(16)?.first_chunk()?))
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position::from_bytes(*self.take(16)?.first_chunk()?))
    }
}

/// The format above. Another number is refused, and nothing is touched.
pub(super) const VERSION: u32 = 1;
/// Magic, length and checksum of a record.
pub(super) const RECORD_HEAD: usize = 12;
const SEGMENT_MAGIC: &[u8] = b"PHSJ";
const RECORD_MAGIC: &[u8] = b"PREC";
