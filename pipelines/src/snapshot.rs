//! The saved state of an aggregator, in one of two slots.
//!
//! ```text
//! slot file: magic "PHSN" | version u32 | crc-32 u32 | generation u64 | fingerprint u64
//!            | state length u64 | state
//! ```
//!
//! Numbers are little-endian; the checksum covers the version and everything behind it. A save goes to the slot that does not hold
//! the newest valid snapshot, so that a crash in the middle of it leaves the other one whole.
//!
//! - **Guaranteed:** [`Snapshots::load`] gives the newest snapshot whose save returned `Ok`, or one whose save was
//!   cut off right before it could say so. Space once taken by a slot is kept, so that a full disk does not stop a
//!   state of the same size from being saved.
//! - **Not here:** what the state means (positions are part of it), and when it is saved.

use std::{
    io::{self, IoSlice},
    path::{Path, PathBuf},
};

use thiserror::Error;
use tracing::warn;

use crate::disk::{Disk, DiskFile};

/// The two slots of one aggregator.
#[derive(Debug)]
pub struct Snapshots {
    slots: [Slot; 2],
}

/// A state as it was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What the state means; see [`crate::consumer::Aggregator::fingerprint`].
    pub fingerprint: u64,
    /// What was given to [`Snapshots::save`].
    pub state: Vec<u8>,
}

/// Why there are no snapshots.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The file system says no.
    #[error("{path}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A newer version of this program has written it. It is left as it is.
    #[error(
        "{path} was written by another version of phasor (snapshot format {found}, this one reads {VERSION}); \
         use the version that wrote it, or another data directory"
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

#[derive(Debug)]
struct Slot {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// Of the valid snapshot it holds; zero if it holds none.
    generation: u64,
}

// === impl Snapshots ===

impl Snapshots {
    /// Opens or makes the slots of the aggregator `name` in `directory`, which is made if it is missing.
    ///
    /// # Errors
    /// See [`SnapshotError`]. Damaged slots are no error: they count as empty.
    pub fn open(disk: &dyn Disk, directory: &Path, name: &str) -> Result<Self, SnapshotError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| SnapshotError::Io { path, source }
        };
        disk.make_folder(directory).map_err(at(directory))?;
        let slots = [Slot::open(disk, directory, name, 'a')?, Slot::open(disk, directory, name, 'b')?];
        // The names of the files must outlive a power cut too.
        disk.sync_folder(directory).map_err(at(directory))?;
        Ok(Self { slots })
    }

    /// The newest valid snapshot, if there is one.
    pub fn load(&self) -> Option<Snapshot> {
        let newest = self.newest();
        [newest, 1 - newest].into_iter().find_map(|slot| self.slots[slot].read().ok().flatten())
    }

    /// Saves a state. Blocking.
    ///
    /// # Errors
    /// The state is not on disk; the snapshot before it still is.
    pub fn save(&mut self, fingerprint: u64, state: &[u8]) -> Result<(), SnapshotError> {
        let generation = self.slots.iter().map(|slot| slot.generation).max().unwrap_or_default() + 1;
        let older = 1 - self.newest();
        let slot = &mut self.slots[older];
        slot.write(generation, fingerprint, state)
            .map_err(|source| SnapshotError::Io { path: slot.path.clone(), source })
    }

    fn newest(&self) -> usize {
        usize::from(self.slots[1].generation > self.slots[0].generation)
    }
}

// === impl Slot ===

impl Slot {
    fn open(disk: &dyn Disk, directory: &Path, name: &str, letter: char) -> Result<Self, SnapshotError> {
        let path = directory.join(format!("{name}.{letter}"));
        let io = |source| SnapshotError::Io { path: path.clone(), source };
        let file = match disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(&path),
            file => file,
        };
        let mut slot = Self { path: path.clone(), file: file.map_err(io)?, generation: 0 };
        let bytes = slot.file.read_all().map_err(io)?;
        match decode(&bytes) {
            Some((VERSION, generation, _)) => {
                // Its sync may have failed, or never have begun, and then only this process can read it.
                slot.file.write_at(&[IoSlice::new(&bytes)], 0).and_then(|()| slot.file.sync()).map_err(io)?;
                slot.generation = generation;
            }
            Some((found, ..)) => return Err(SnapshotError::Version { path, found }),
            None if bytes.iter().all(|byte| *byte == 0) => {}
            // A save that was cut off looks the same; the other slot holds the one before it.
            None => warn!(path = %path.display(), "this slot holds no whole snapshot, the other one is used"),
        }
        Ok(slot)
    }

    fn read(&self) -> io::Result<Option<Snapshot>> {
        Ok(decode(&self.file.read_all()?).map(|(.., snapshot)| snapshot))
    }

    fn write(&mut self, generation: u64, fingerprint: u64, state: &[u8]) -> io::Result<()> {
        let head = head(generation, fingerprint, state);
        // From here until the sync the slot holds nothing, and says so if the write fails halfway.
        self.generation = 0;
        let length = (head.len() + state.len()) as u64;
        if self.file.bytes()? < length {
            // Where the file system cannot reserve, the write below finds out whether there is room.
            // There is room for twice the state: a slot that is full when the disk is would keep its journal for ever.
            let _ = self.file.allocate(ROOM_BYTES_MIN.max(length * 2));
        }
        self.file.write_at(&[IoSlice::new(&head), IoSlice::new(state)], 0)?;
        self.file.sync()?;
        self.generation = generation;
        Ok(())
    }
}

/// What stands before the state.
fn head(generation: u64, fingerprint: u64, state: &[u8]) -> [u8; HEADER_BYTES] {
    let mut head = [0; HEADER_BYTES];
    head[..4].copy_from_slice(&MAGIC);
    head[4..8].copy_from_slice(&VERSION.to_le_bytes());
    for (place, number) in head[CRC_END..].chunks_mut(8).zip([generation, fingerprint, state.len() as u64]) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    let crc = checksum(VERSION, &[&head[CRC_END..], state]);
    head[CRC_END - 4..CRC_END].copy_from_slice(&crc.to_le_bytes());
    head
}

/// Version, generation and content; nothing for anything but a whole snapshot. Bytes behind it are what an older,
/// longer one has left.
fn decode(bytes: &[u8]) -> Option<(u32, u64, Snapshot)> {
    let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let version = u32::from_le_bytes(*bytes.get(MAGIC.len()..)?.first_chunk()?);
    let crc = u32::from_le_bytes(*bytes.get(CRC_END - 4..)?.first_chunk()?);
    let length = usize::try_from(number(HEADER_BYTES - 8)?).ok()?;
    let end = HEADER_BYTES.checked_add(length)?;
    let covered = bytes.get(CRC_END..end)?;
    // Version 1 left itself out of the checksum.
    let is_first = version == 1 && crc32fast::hash(covered) == crc;
    if !bytes.starts_with(&MAGIC) || !(is_first || checksum(version, &[covered]) == crc) {
        return None;
    }
    let snapshot = Snapshot { fingerprint: number(CRC_END + 8)?, state: bytes[HEADER_BYTES..end].to_vec() };
    Some((version, number(CRC_END)?, snapshot))
}

fn checksum(version: u32, covered: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&version.to_le_bytes());
    covered.iter().for_each(|covered| hasher.update(covered));
    hasher.finalize()
}

const MAGIC: [u8; 4] = *b"PHSN";
/// The format above. Another number is refused, and the file left as it is.
const VERSION: u32 = 2;
/// What a slot takes from the disk at least.
const ROOM_BYTES_MIN: u64 = 64 << 10;
/// Where the checksum ends and what it covers begins.
const CRC_END: usize = 12;
const HEADER_BYTES: usize = CRC_END + 24;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{disk, testing::disk::FaultyDisk};

    fn open(folder: &Path) -> Snapshots {
        Snapshots::open(&*disk::files(), folder, "test").unwrap()
    }

    fn saved(number: u64) -> Snapshot {
        let state = format!("state {number}").repeat(20 - number as usize).into_bytes();
        Snapshot { fingerprint: 7, state }
    }

    fn save(snapshots: &mut Snapshots, number: u64) {
        let Snapshot { fingerprint, state } = saved(number);
        snapshots.save(fingerprint, &state).unwrap();
    }

    #[test]
    fn the_newest_is_loaded_also_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(open(folder.path()).load(), None);
        for number in 1..6 {
            let mut snapshots = open(folder.path());
            save(&mut snapshots, number);
            assert_eq!(snapshots.load(), Some(saved(number)));
            assert_eq!(open(folder.path()).load(), Some(saved(number)));
        }
    }

    #[test]
    fn a_torn_save_leaves_the_one_before() {
        let disk = FaultyDisk::new(1);
        let open = || Snapshots::open(&disk, Path::new("/snapshots"), "test").unwrap();
        let mut snapshots = open();
        save(&mut snapshots, 1);
        save(&mut snapshots, 2);
        // The second save went to slot a or b; tear both in turn, at every length.
        for name in ["test.a", "test.b"] {
            let path = Path::new("/snapshots").join(name);
            let bytes = disk.open(&path).unwrap().read_all().unwrap();
            // What is behind the snapshot is room, all zeros.
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            for cut in 0..=end {
                disk.create(&path).unwrap().write_at(&[IoSlice::new(&bytes[..cut])], 0).unwrap();
                let found = open().load().expect("the other slot is whole");
                assert!(found == saved(1) || found == saved(2));
            }
            disk.create(&path).unwrap().write_at(&[IoSlice::new(&bytes)], 0).unwrap();
        }
        assert_eq!(open().load(), Some(saved(2)));
    }

    fn encode(generation: u64, fingerprint: u64, state: &[u8]) -> Vec<u8> {
        [&head(generation, fingerprint, state)[..], state].concat()
    }

    #[test]
    fn a_flipped_bit_anywhere_is_seen() {
        let bytes = encode(3, 7, b"the state");
        assert!(decode(&bytes).is_some());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn another_version_is_refused_and_left_alone() {
        for version in [1, 99] {
            let folder = tempfile::tempdir().unwrap();
            save(&mut open(folder.path()), 1);
            let path = folder.path().join("test.b");
            let mut bytes = encode(9, 7, b"x");
            bytes[4] = version;
            let covered = &bytes[CRC_END..];
            let crc = if version == 1 { crc32fast::hash(covered) } else { checksum(99, &[covered]) };
            bytes[CRC_END - 4..CRC_END].copy_from_slice(&crc.to_le_bytes());
            fs::write(&path, &bytes).unwrap();
            let error = Snapshots::open(&*disk::files(), folder.path(), "test").unwrap_err();
            assert!(error.to_string().contains(&format!("snapshot format {version},")), "{error}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }
}
