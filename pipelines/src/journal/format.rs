//! The bytes of a segment file.
//!
//! ```text
//! segment:  header, record, record, ... (behind the last one whatever the file held before)
//! header:   magic "PHSJ" | version u32 | crc u32 | length u32 | body      (in every version)
//!   body:   number u64 | salt u64 | pipelines u32 | per pipeline: name length u32, name, start position 16
//!           | producers u32 | per producer: id u128, number u64
//! record:   magic "PREC" | length u32 | crc u32 | body
//!   body:   salt u64 | arrival u64 | producer u128 | number u64 | parts u32 | payloads u32
//!           | per part: pipeline u32 (place in the header's table), payload u32, position 16
//!           | per payload: signal u8, length u32 | the payloads
//! ```
//!
//! Numbers are little-endian; a checksum covers the length and the body, and in the header the version too: another
//! version is known from a flipped bit. Producer 0, number 0 stands for none.
//! The salt is random and different in each segment. Whoever sends data does not know it, so that nothing inside a
//! payload can pass for a record when the search for the next record runs through what a crash has left; and a
//! file can be used again for another segment, over what it held.
//!
//! - **Guaranteed:** decoding any bytes ends in a record, or says that there is none; it never panics and allocates no
//!   more than the bytes it was given.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::IoSlice,
    ops::Range,
};

use bytes::Bytes;
use proto::{AnyBatch, SignalKind};

use super::{Part, Position, ProducerId, Sequence};
use crate::{fields::Fields, time::UnixNanos};

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

/// Records on their way to the disk: what is written about them, and their payloads where they are.
#[derive(Debug, Default)]
pub(super) struct Group {
    written: Vec<u8>,
    pieces: Vec<Piece>,
    bytes: u64,
}

/// A piece of a [`Group`].
#[derive(Debug)]
enum Piece {
    /// A range of what is written.
    Written(Range<usize>),
    Payload(Bytes),
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

/// Why a header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// It is cut short or its checksum is wrong.
    Damaged,
    /// Another version wrote it, and it is whole.
    Version(u32),
}

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
        let mut out = Vec::with_capacity(HEADER_HEAD + body.len());
        out.extend_from_slice(SEGMENT_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&header_checksum(VERSION, &body).to_le_bytes());
        put_count(&mut out, body.len());
        out.extend_from_slice(&body);
        out
    }

    /// How long a header claims to be, by its first bytes.
    pub(super) fn claimed_length(head: &[u8]) -> Option<usize> {
        let mut fields = Fields(head);
        fields.take(4).filter(|magic| *magic == SEGMENT_MAGIC)?;
        let (_version, _crc) = (fields.u32()?, fields.u32()?);
        Some(HEADER_HEAD + fields.u32()? as usize)
    }

    /// Reads a header from all its bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let checked = || {
            let body = bytes.get(HEADER_HEAD..Self::claimed_length(bytes)?)?;
            let mut fields = Fields(bytes.get(4..HEADER_HEAD)?);
            let (version, crc) = (fields.u32()?, fields.u32()?);
            // Version 1 left itself out of the checksum.
            let is_first = version == 1 && checksum(body.len(), body, &[]) == crc;
            (is_first || header_checksum(version, body) == crc).then_some((version, body))
        };
        match checked() {
            Some((VERSION, body)) => Self::decode_body(body).ok_or(HeaderFault::Damaged),
            Some((version, _)) => Err(HeaderFault::Version(version)),
            None => Err(HeaderFault::Damaged),
        }
    }

    fn decode_body(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let (number, salt) = (fields.u64()?, fields.u64()?);
        let mut pipelines = Vec::new();
        for _ in 0..fields.u32()? {
            pipelines.push((fields.text()?, position(&mut fields)?));
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

// === impl Group ===

impl Group {
    /// The bytes of all records.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Forgets the records, and keeps the room for the next ones.
    pub(super) fn clear(&mut self) {
        self.written.clear();
        self.pieces.clear();
        self.bytes = 0;
    }

    /// Adds a record of these parts, each with its pipeline's place in the header and the place it reaches by it.
    pub(super) fn push(
        &mut self,
        salt: u64,
        arrival: UnixNanos,
        sequence: Option<Sequence>,
        parts: &[(&Part, u32, Position)],
    ) {
        let payloads = distinct(parts);
        let start = self.written.len();
        let out = &mut self.written;
        out.extend_from_slice(RECORD_MAGIC);
        // Length and checksum, when they are known.
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&salt.to_le_bytes());
        out.extend_from_slice(&arrival.0.to_le_bytes());
        let (producer, number) = sequence.map_or((0, 0), |sequence| (sequence.producer.0, sequence.number));
        out.extend_from_slice(&producer.to_le_bytes());
        out.extend_from_slice(&number.to_le_bytes());
        put_count(out, parts.len());
        put_count(out, payloads.len());
        for (part, pipeline, position) in parts {
            let payload = payloads.iter().position(|payload| is_same(payload, &part.batch));
            out.extend_from_slice(&pipeline.to_le_bytes());
            put_count(out, payload.expect("every part's payload is among the distinct ones"));
            out.extend_from_slice(&position.to_bytes());
        }
        for payload in &payloads {
            out.push(payload.kind() as u8);
            put_count(out, payload.bytes().len());
        }
        let payload_bytes: usize = payloads.iter().map(|payload| payload.bytes().len()).sum();
        let length = out.len() - start - RECORD_HEAD + payload_bytes;
        let crc = checksum(length, &out[start + RECORD_HEAD..], &payloads);
        out[start + 4..start + 8].copy_from_slice(&(length as u32).to_le_bytes());
        out[start + 8..start + 12].copy_from_slice(&crc.to_le_bytes());
        self.pieces.push(Piece::Written(start..out.len()));
        self.pieces.extend(payloads.iter().map(|payload| Piece::Payload(payload.bytes().clone())));
        self.bytes += (RECORD_HEAD + length) as u64;
    }

    /// The records, to be written one behind the other.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        let slices = self.pieces.iter().map(|piece| match piece {
            Piece::Written(range) => IoSlice::new(&self.written[range.clone()]),
            Piece::Payload(bytes) => IoSlice::new(bytes),
        });
        slices.collect()
    }
}

/// Equal payloads are stored once: the parts of a fan-out share one buffer.
fn distinct<'a>(parts: &[(&'a Part, u32, Position)]) -> Vec<&'a AnyBatch> {
    let mut payloads: Vec<&AnyBatch> = Vec::with_capacity(parts.len());
    for (part, ..) in parts {
        if !payloads.iter().any(|payload| is_same(payload, &part.batch)) {
            payloads.push(&part.batch);
        }
    }
    payloads
}

fn is_same(a: &AnyBatch, b: &AnyBatch) -> bool {
    a.kind() == b.kind() && a.bytes().as_ptr() == b.bytes().as_ptr() && a.bytes().len() == b.bytes().len()
}

/// The length of a record of this salt, if one may begin with `head`, of [`RECORD_HEAD`] bytes and the salt.
///
/// The salt is looked at first: a checksum over whatever a payload claims as a length would be costly.
pub(super) fn claimed_length(head: &[u8], salt: u64) -> Option<usize> {
    let mut fields = Fields(head);
    fields.take(4).filter(|magic| *magic == RECORD_MAGIC)?;
    let (length, _crc) = (fields.u32()? as usize, fields.u32()?);
    (fields.u64()? == salt).then_some(RECORD_HEAD + length)
}

/// The record that these bytes are, if its checksum says so.
pub(super) fn decode_record(record: &Bytes) -> Option<StoredRecord> {
    let crc = Fields(record.get(8..)?).u32()?;
    let body = record.slice(RECORD_HEAD..);
    (checksum(body.len(), &body, &[]) == crc).then(|| decode_body(&body, &body)).flatten()
}

/// A number that nobody can guess.
pub(super) fn new_salt() -> u64 {
    RandomState::new().build_hasher().finish()
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
        parts.push(StoredPart { pipeline, payload, position: position(&mut fields)? });
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

fn position(fields: &mut Fields<'_>) -> Option<Position> {
    Some(Position::from_bytes(*fields.take(16)?.first_chunk()?))
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    debug_assert!(u32::try_from(count).is_ok(), "a batch and its parts are far below 4 GiB");
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

/// Over the length, the body as it is written, and the payloads behind it.
fn checksum(length: usize, written: &[u8], payloads: &[&AnyBatch]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(length as u64).to_le_bytes());
    hasher.update(written);
    payloads.iter().for_each(|payload| hasher.update(payload.bytes()));
    hasher.finalize()
}

fn header_checksum(version: u32, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&version.to_le_bytes());
    hasher.update(&(body.len() as u64).to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// The format above. Another number is refused, and nothing is touched.
pub(super) const VERSION: u32 = 2;
/// Magic, version, checksum and length of a header.
pub(super) const HEADER_HEAD: usize = 16;
/// Magic, length and checksum of a record.
pub(super) const RECORD_HEAD: usize = 12;
const SEGMENT_MAGIC: &[u8] = b"PHSJ";
const RECORD_MAGIC: &[u8] = b"PREC";

/// Makes a header say that another version wrote it.
#[cfg(test)]
pub(super) fn as_version(segment: &mut [u8], version: u32) {
    let length = Header::claimed_length(segment).expect("a segment begins with a header");
    let body = &segment[HEADER_HEAD..length];
    let crc = if version == 1 { checksum(body.len(), body, &[]) } else { header_checksum(version, body) };
    segment[4..8].copy_from_slice(&version.to_le_bytes());
    segment[8..12].copy_from_slice(&crc.to_le_bytes());
}
