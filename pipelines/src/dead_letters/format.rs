//! The bytes of a file of dead letters.
//!
//! ```text
//! file:    magic "PHSD" | version u32 | crc u32 | length u32 | body, letter, letter, ...
//!   body:  salt u64 | exporter length u32, exporter | pipeline length u32, pipeline
//! letter:  magic "PLTR" | length u32 | crc u32 | taken u8 | body
//!   body:  salt u64 | arrival u64 | refused u64 | items u64 | signal u8 | code length u32, code
//!          | reason length u32, reason | payload
//! ```
//!
//! Numbers are little-endian; a checksum (CRC-32) covers the length and the body. `taken` stands outside of it, because
//! it is the one byte that changes later. The salt is random and different in each file: whoever sends data does not
//! know it, so that nothing inside a payload can pass for a letter when damage has to be passed over.
//!
//! - **Guaranteed:** reading any bytes ends, never panics, and allocates no more than the bytes it was given.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::Bytes;
use proto::SignalKind;

use super::{Found, Letter, REASON_BYTES_MAX, ReadError};
use crate::{fields::Fields, time::UnixNanos};

/// What a file says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// What each of its letters begins with.
    pub(super) salt: u64,
    pub(super) exporter: String,
    pub(super) pipeline: String,
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) header: Header,
    /// Every letter, and whether it was taken.
    pub(super) letters: Vec<(Found, bool)>,
    /// Where the next letter belongs. Nothing behind it is a letter.
    pub(super) end: u64,
    /// Bytes before `end` that are no letters any more.
    pub(super) damaged_bytes: u64,
}

/// How long [`encode`] makes it.
pub(super) fn length(letter: &Letter) -> u64 {
    let reason = letter.reason.floor_char_boundary(REASON_BYTES_MAX);
    (LETTER_HEAD + BODY_HEAD + letter.code.len() + reason + letter.payload.len()) as u64
}

/// A letter with all that stands around it.
pub(super) fn encode(salt: u64, letter: &Letter) -> Vec<u8> {
    let Letter { arrival, refused, signal, items, code, reason, payload } = letter;
    let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
    let mut out = Vec::with_capacity(length(letter) as usize);
    out.extend_from_slice(LETTER_MAGIC);
    out.extend_from_slice(&[0; LETTER_HEAD - 4]);
    for number in [salt, arrival.0, refused.0, *items] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.push(*signal as u8);
    put_text(&mut out, code);
    put_text(&mut out, reason);
    out.extend_from_slice(payload);
    let body = &out[LETTER_HEAD..];
    let (length, crc) = (body.len() as u32, checksum(body));
    out[4..8].copy_from_slice(&length.to_le_bytes());
    out[8..12].copy_from_slice(&crc.to_le_bytes());
    debug_assert_eq!(out.len() as u64, self::length(letter), "the length is known beforehand");
    out
}

// === impl Header ===

impl Header {
    /// Of a new file.
    pub(super) fn new(exporter: &str, pipeline: &str) -> Self {
        let salt = RandomState::new().build_hasher().finish();
        Self { salt, exporter: exporter.to_owned(), pipeline: pipeline.to_owned() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = self.salt.to_le_bytes().to_vec();
        put_text(&mut body, &self.exporter);
        put_text(&mut body, &self.pipeline);
        let mut out = Vec::with_capacity(FILE_HEAD + body.len());
        out.extend_from_slice(FILE_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&checksum(&body).to_le_bytes());
        put_count(&mut out, body.len());
        out.extend_from_slice(&body);
        out
    }

    /// The header and its length.
    fn decode(file: &[u8]) -> Result<(Self, usize), ReadError> {
        let mut fields = Fields(file);
        if fields.take(4).is_none_or(|magic| magic != FILE_MAGIC) {
            return Err(ReadError::Damaged);
        }
        let version = fields.u32().ok_or(ReadError::Damaged)?;
        if version != VERSION {
            return Err(ReadError::Version { found: version });
        }
        let mut checked = || {
            let (crc, length) = (fields.u32()?, fields.u32()? as usize);
            let body = fields.take(length).filter(|body| checksum(body) == crc)?;
            let mut fields = Fields(body);
            let (salt, exporter, pipeline) = (fields.u64()?, fields.text()?, fields.text()?);
            Some((Self { salt, exporter, pipeline }, FILE_HEAD + length))
        };
        checked().ok_or(ReadError::Damaged)
    }
}

// === impl Scan ===

impl Scan {
    /// Reads a file through.
    ///
    /// # Errors
    /// It does not begin as it should.
    pub(super) fn of(file: Bytes) -> Result<Self, ReadError> {
        let (header, first) = Header::decode(&file)?;
        let salt = header.salt;
        let mut scan = Self { header, letters: Vec::new(), end: first as u64, damaged_bytes: 0 };
        while let Some((place, letter, taken, length)) = next(&file, salt, scan.end as usize) {
            scan.damaged_bytes += place as u64 - scan.end;
            scan.letters.push((Found { letter, place: place as u64 }, taken));
            scan.end = (place + length) as u64;
        }
        Ok(scan)
    }
}

/// The first letter at or after `at`: its place, itself, whether it was taken, and its length.
fn next(file: &Bytes, salt: u64, mut at: usize) -> Option<(usize, Letter, bool, usize)> {
    loop {
        let rest = file.get(at..)?;
        at += rest.windows(LETTER_MAGIC.len()).position(|window| window == LETTER_MAGIC)?;
        if let Some((letter, taken, length)) = decode(file, salt, at) {
            return Some((at, letter, taken, length));
        }
        at += 1;
    }
}

/// The letter that begins at `at`, if there is one.
fn decode(file: &Bytes, salt: u64, at: usize) -> Option<(Letter, bool, usize)> {
    let mut fields = Fields(file.get(at..)?);
    if fields.take(4)? != LETTER_MAGIC {
        return None;
    }
    let (length, crc, taken) = (fields.u32()? as usize, fields.u32()?, *fields.take(1)?.first()?);
    // The salt first: a checksum over whatever a payload claims as a length would be costly.
    let body = fields.take(length).filter(|body| body.starts_with(&salt.to_le_bytes()))?;
    if checksum(body) != crc {
        return None;
    }
    let start = at + LETTER_HEAD;
    let letter = decode_body(body, &file.slice(start..start + length))?;
    Some((letter, taken != 0, LETTER_HEAD + length))
}

fn decode_body(body: &[u8], shared: &Bytes) -> Option<Letter> {
    let mut fields = Fields(body);
    let _salt = fields.u64()?;
    let (arrival, refused, items) = (UnixNanos(fields.u64()?), UnixNanos(fields.u64()?), fields.u64()?);
    let signal = *fields.take(1)?.first()?;
    let signal = SignalKind::ALL.into_iter().find(|kind| *kind as u8 == signal)?;
    let (code, reason) = (fields.text()?, fields.text()?);
    let payload = shared.slice(body.len() - fields.0.len()..);
    Some(Letter { arrival, refused, signal, items, code, reason, payload })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    debug_assert!(u32::try_from(count).is_ok(), "a request is far below 4 GiB");
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

fn checksum(body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(body.len() as u64).to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// The format above. A file of another number is left as it is.
pub(super) const VERSION: u32 = 1;
/// Where the byte `taken` stands in a letter.
pub(super) const TAKEN_AT: u64 = 12;
const FILE_MAGIC: &[u8] = b"PHSD";
const LETTER_MAGIC: &[u8] = b"PLTR";
/// Magic, version, checksum and length.
const FILE_HEAD: usize = 16;
/// Magic, length, checksum and `taken`.
const LETTER_HEAD: usize = 13;
/// What stands in a body beside the code, the reason and the payload.
const BODY_HEAD: usize = 4 * 8 + 1 + 2 * 4;
