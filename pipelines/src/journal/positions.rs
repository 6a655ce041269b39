//! The cursors' places on disk.
//!
//! ```text
//! magic "PHSC" | version u32 | crc u32 (of version and entries) | entries: pipeline length u32, pipeline, cursor length u32, cursor,
//!                                         position 16, last held u64 (nanoseconds since 1970)
//! ```
//!
//! - **Guaranteed:** the file is replaced as a whole (written beside, synced, renamed, its name synced), so that it is
//!   always one of the states that were saved.
//! - **Not here:** when it is saved; see `writer`.

use std::{
    io::{self, IoSlice},
    path::Path,
};

use super::{OpenError, Position};
use crate::{disk::Disk, time::UnixNanos};

/// A cursor's place as it is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredCursor {
    pub(super) pipeline: String,
    pub(super) name: String,
    pub(super) position: Position,
    /// When somebody last held it.
    pub(super) held: UnixNanos,
}

/// Reads the file. None at all is an empty list; a damaged one is reported by `None`.
pub(super) fn load(disk: &dyn Disk, directory: &Path) -> Result<Option<Vec<StoredCursor>>, OpenError> {
    let path = directory.join(FILE);
    let bytes = match disk.open(&path).and_then(|file| file.read_all()) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Vec::new())),
        Err(source) => return Err(OpenError::Io { path, source }),
    };
    match entries(&bytes) {
        Some((VERSION, entries)) => Ok(decode(entries)),
        Some((found, _)) => Err(OpenError::Version { path, found }),
        None => Ok(None),
    }
}

/// Replaces the file. Blocking.
pub(super) fn save(disk: &dyn Disk, directory: &Path, cursors: &[StoredCursor]) -> io::Result<()> {
    let beside = directory.join(BESIDE);
    let file = disk.create(&beside)?;
    file.write_at(&[IoSlice::new(&encode(cursors))], 0)?;
    file.sync()?;
    disk.rename(&beside, &directory.join(FILE))?;
    disk.sync_folder(directory)
}

fn encode(cursors: &[StoredCursor]) -> Vec<u8> {
    let mut entries = Vec::new();
    for cursor in cursors {
        for text in [&cursor.pipeline, &cursor.name] {
            entries.extend_from_slice(&(text.len() as u32).to_le_bytes());
            entries.extend_from_slice(text.as_bytes());
        }
        entries.extend_from_slice(&cursor.position.to_bytes());
        entries.extend_from_slice(&cursor.held.0.to_le_bytes());
    }
    let mut out = Vec::with_capacity(HEAD + entries.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&checksum(VERSION, &entries).to_le_bytes());
    out.extend_from_slice(&entries);
    out
}

/// The version and what stands behind the head, if the checksum is right.
fn entries(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (version, rest) = rest.split_first_chunk()?;
    let (crc, entries) = rest.split_first_chunk()?;
    let version = u32::from_le_bytes(*version);
    let crc = u32::from_le_bytes(*crc);
    // Version 1 left itself out of the checksum.
    let is_first = version == 1 && crc32fast::hash(entries) == crc;
    let whole = magic == MAGIC && (is_first || checksum(version, entries) == crc);
    whole.then_some((version, entries))
}

fn checksum(version: u32, entries: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&version.to_le_bytes());
    hasher.update(entries);
    hasher.finalize()
}

fn decode(mut rest: &[u8]) -> Option<Vec<StoredCursor>> {
    let mut cursors = Vec::new();
    while !rest.is_empty() {
        let pipeline = text(&mut rest)?;
        let name = text(&mut rest)?;
        let (position, after) = rest.split_first_chunk()?;
        let (held, after) = after.split_first_chunk()?;
        let held = UnixNanos(u64::from_le_bytes(*held));
        cursors.push(StoredCursor { pipeline, name, position: Position::from_bytes(*position), held });
        rest = after;
    }
    Some(cursors)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let (length, after) = rest.split_first_chunk()?;
    let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    Some(std::str::from_utf8(text).ok()?.to_owned())
}

const FILE: &str = "cursors";
/// Where the next one is written.
const BESIDE: &str = "cursors.new";
const MAGIC: &[u8; 4] = b"PHSC";
const VERSION: u32 = 2;
const HEAD: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_any_flip_is_seen() {
        let cursor = |name: &str, byte: u8| StoredCursor {
            pipeline: "traces".to_owned(),
            name: name.to_owned(),
            position: Position::from_bytes([byte; 16]),
            held: UnixNanos(7),
        };
        let cursors = vec![cursor("debug", 1), cursor("otlp_grpc/a", 2)];
        let folder = tempfile::tempdir().unwrap();
        let disk = crate::disk::files();
        let load = || load(&*disk, folder.path()).unwrap();
        assert_eq!(load(), Some(Vec::new()));
        save(&*disk, folder.path(), &cursors).unwrap();
        assert_eq!(load(), Some(cursors.clone()));
        let bytes = encode(&cursors);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(entries(&flipped), None, "bit {bit}");
        }
    }
}
