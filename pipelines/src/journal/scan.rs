//! Reads a segment's file record by record, past whatever is not one.
//!
//! - **Guaranteed:** a record is given only if its checksum is right and it carries the segment's salt; memory holds
//!   one record, or [`CHUNK`] bytes while it looks for the next one.
//! - **Not here:** what a gap means; `recover` and `readback` each have their own view of it.

use std::{io, ops::Range};

use bytes::Bytes;
use memchr::memmem;

use super::format::{RECORD_HEAD, StoredRecord, claimed_length, decode_record};
use crate::disk::DiskFile;

/// A place in a file, between a record and the next.
#[derive(Debug)]
pub(super) struct Scan {
    salt: u64,
    at: u64,
}

/// What comes next in a file.
#[derive(Debug)]
pub(super) enum Next {
    /// A record that ends where the scan now stands.
    Record(StoredRecord),
    /// No record here, and the next one behind this range.
    Gap(Range<u64>),
    /// No further record.
    End,
}

// === impl Scan ===

impl Scan {
    pub(super) fn new(salt: u64, at: u64) -> Self {
        Self { salt, at }
    }

    /// The end of what was read.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Goes back to a place where a record begins.
    pub(super) fn go_back(&mut self, at: u64) {
        self.at = at;
    }

    /// The next record of a file that counts up to `end`.
    pub(super) fn next(&mut self, file: &dyn DiskFile, end: u64) -> io::Result<Next> {
        if let Some((record, length)) = self.record(file, self.at, end)? {
            self.at += length;
            return Ok(Next::Record(record));
        }
        match self.find(file, end)? {
            Some(next) => {
                let gap = self.at..next;
                self.at = next;
                Ok(Next::Gap(gap))
            }
            None => Ok(Next::End),
        }
    }

    /// How much of an unfinished or damaged record stands where the last whole one ends. What the file held before
    /// it became this segment is none: it carries another salt.
    pub(super) fn torn(&self, file: &dyn DiskFile, end: u64) -> io::Result<u64> {
        let head = file.read(self.at, SALTED_HEAD)?;
        let Some(salt) = head.get(RECORD_HEAD..).and_then(|salt| salt.first_chunk()) else {
            return Ok(head.len() as u64);
        };
        // A flipped bit makes no other salt of it.
        if (u64::from_le_bytes(*salt) ^ self.salt).count_ones() > SALT_BITS_FLIPPED_MAX {
            return Ok(0);
        }
        let claimed = claimed_length(&head, self.salt).unwrap_or(SALTED_HEAD) as u64;
        Ok(claimed.min(end.saturating_sub(self.at)))
    }

    fn record(&self, file: &dyn DiskFile, at: u64, end: u64) -> io::Result<Option<(StoredRecord, u64)>> {
        let head = file.read(at, SALTED_HEAD)?;
        let left = end.saturating_sub(at);
        let Some(length) = claimed_length(&head, self.salt).filter(|length| *length as u64 <= left) else {
            return Ok(None);
        };
        let record = Bytes::from(file.read(at, length)?);
        Ok(decode_record(&record).map(|record| (record, length as u64)))
    }

    /// Where the next record behind this place begins.
    fn find(&self, file: &dyn DiskFile, end: u64) -> io::Result<Option<u64>> {
        let salt = self.salt.to_le_bytes();
        let needle = memmem::Finder::new(&salt);
        // The salt stands behind the head; chunks overlap so that none is cut in two.
        let mut from = self.at + RECORD_HEAD as u64 + 1;
        while from < end {
            let wanted = usize::try_from(end - from).map_or(CHUNK, |left| left.min(CHUNK));
            let chunk = file.read(from, wanted)?;
            for found in needle.find_iter(&chunk) {
                let at = from + found as u64 - RECORD_HEAD as u64;
                if self.record(file, at, end)?.is_some() {
                    return Ok(Some(at));
                }
            }
            if chunk.len() < salt.len() {
                break;
            }
            from += (chunk.len() - salt.len() + 1) as u64;
        }
        Ok(None)
    }
}

/// A record's head and the salt behind it.
const SALTED_HEAD: usize = RECORD_HEAD + 8;
/// Two salts differ in about half of their bits.
const SALT_BITS_FLIPPED_MAX: u32 = 8;
/// What is looked through at once.
const CHUNK: usize = 1 << 20;
