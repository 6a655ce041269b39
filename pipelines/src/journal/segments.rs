//! The segment files: which there are, how far each reaches, and when one may go.
//!
//! A segment that everyone has passed is kept as a spare, and written over by the next one: a sync of blocks that the
//! file system has given out before costs a fraction of one that must note new blocks too.
//!
//! - **Guaranteed:** a file has a segment's name only with that segment's whole header in it, and its name is on disk
//!   before anything in it is answered for; a segment goes only when every stored cursor of every pipeline in it has
//!   passed its end.
//! - **Not here:** what is in the files (`format`), and who writes them (`writer`).

use std::{
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{OpenError, Position};
use crate::disk::{Disk, DiskFile, DiskLock};

/// The journal's directory, held by this process alone.
#[derive(Debug)]
pub(super) struct Segments {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    state: Mutex<State>,
    /// Held as long as the journal is open.
    _lock: DiskLock,
}

#[derive(Debug, Default)]
struct State {
    /// In the order of their numbers; the last one may still be growing.
    list: Vec<Segment>,
    /// Files that the next segments are written over.
    spares: Vec<PathBuf>,
}

/// One segment file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// What each of its records begins with.
    pub(super) salt: u64,
    /// The pipelines of its header and where each ended, in the header's order.
    pub(super) ends: Vec<(String, Position)>,
    /// What is in it for good: header and synced records.
    pub(super) bytes: u64,
    /// Where the first record begins.
    pub(super) first_record: u64,
}

// === impl Segments ===

impl Segments {
    /// Takes the directory for this process.
    pub(super) fn lock(disk: Arc<dyn Disk>, directory: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: directory.to_owned(), source };
        disk.make_folder(directory).map_err(io)?;
        let lock = disk.lock(&directory.join("lock")).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::Locked { directory: directory.to_owned() },
            _ => io(error),
        })?;
        Ok(Self { disk, directory: directory.to_owned(), state: Mutex::default(), _lock: lock })
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// The directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the segment of this number lies.
    pub(super) fn path(&self, number: u64) -> PathBuf {
        segment_path(&self.directory, number)
    }

    /// Looks into the directory: numbers of the segment files, ascending. Spares are taken note of.
    pub(super) fn look(&self) -> io::Result<Vec<u64>> {
        let names = self.disk.names(&self.directory)?;
        let spares = names.iter().filter(|name| is_of(name, SPARE_EXTENSION));
        self.state().spares = spares.map(|name| self.directory.join(name)).collect();
        Ok(numbers(&names))
    }

    /// Makes the file of the next segment from a spare, or anew with room for `bytes`. It has the name only when it
    /// has the header.
    pub(super) fn make(&self, number: u64, header: &[u8], bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let spare = self.state().spares.pop();
        let (file, path) = match spare {
            Some(path) => (self.disk.open(&path)?, path),
            None => {
                let path = self.spare(number);
                let file = self.disk.create(&path)?;
                // Where the file system cannot do that, or the disk has not so much left, the file grows as it is
                // written.
                let _ = file.allocate(bytes);
                (file, path)
            }
        };
        let named = || {
            file.write_at(&[IoSlice::new(header)], 0)?;
            file.sync()?;
            self.disk.rename(&path, &self.path(number))?;
            self.disk.sync_folder(&self.directory)
        };
        match named() {
            Ok(()) => Ok(file),
            Err(error) => {
                // Under which name it is now depends on how far it came; neither holds a record.
                let _ = self.disk.remove(&path);
                let _ = self.disk.remove(&self.path(number));
                Err(error)
            }
        }
    }

    /// Sets a little room aside, if there is any and none is set aside yet. Tells whether it is.
    pub(super) fn keep_room(&self) -> bool {
        let path = self.directory.join(ROOM);
        if self.disk.open(&path).is_ok() {
            return true;
        }
        // Best effort: a disk without this much room refuses data anyway.
        let room =
            self.disk.create(&path).and_then(|file| file.write_at(&[IoSlice::new(&[0; ROOM_BYTES])], 0));
        if room.is_err() {
            let _ = self.disk.remove(&path);
        }
        room.is_ok()
    }

    /// Gives room back, a spare first; `false` if there was none.
    pub(super) fn give_room(&self) -> bool {
        self.give_spare() || self.disk.remove(&self.directory.join(ROOM)).is_ok()
    }

    /// Removes a spare file; `false` if there is none.
    pub(super) fn give_spare(&self) -> bool {
        let spare = self.state().spares.pop();
        spare.is_some_and(|path| self.disk.remove(&path).is_ok())
    }

    pub(super) fn has_spare(&self) -> bool {
        !self.state().spares.is_empty()
    }

    /// Where each segment ends for `pipeline`, oldest first.
    pub(super) fn ends_of(&self, pipeline: &str) -> Vec<Position> {
        self.state().list.iter().filter_map(|segment| segment.end(pipeline)).collect()
    }

    /// Adds the newest segment.
    pub(super) fn push(&self, segment: Segment) {
        self.state().list.push(segment);
    }

    /// Takes note of how far the newest segment reaches now.
    pub(super) fn grow(&self, bytes: u64, ends: &[(String, Position)]) {
        if let Some(last) = self.state().list.last_mut() {
            last.bytes = bytes;
            last.ends.clear();
            last.ends.extend_from_slice(ends);
        }
    }

    /// The first segment with records of `pipeline` behind `from`, and its file.
    pub(super) fn behind(
        &self,
        pipeline: &str,
        from: Position,
    ) -> io::Result<Option<(Segment, Box<dyn DiskFile>)>> {
        let state = self.state();
        let behind = |segment: &&Segment| segment.end(pipeline).is_some_and(|end| end > from);
        let Some(segment) = state.list.iter().find(behind) else { return Ok(None) };
        // Under the lock: a segment that is retired meanwhile is another one soon.
        let file = self.disk.open(&self.path(segment.number))?;
        Ok(Some((segment.clone(), file)))
    }

    /// The segment of this number as it is now, if it is still there.
    pub(super) fn current(&self, number: u64) -> Option<Segment> {
        self.state().list.iter().find(|segment| segment.number == number).cloned()
    }

    /// Bytes and number of the files in use.
    pub(super) fn size(&self) -> (u64, usize) {
        let state = self.state();
        (state.list.iter().map(|segment| segment.bytes).sum(), state.list.len())
    }

    /// Retires the segments that nobody needs: `passed` tells whether every stored cursor of a pipeline has passed a
    /// place. The newest segment stays if it is `growing`.
    pub(super) fn retire_passed(
        &self,
        growing: bool,
        passed: impl Fn(&str, Position) -> bool,
    ) -> io::Result<()> {
        let is_passed = |segment: &Segment| segment.ends.iter().all(|(name, end)| passed(name, *end));
        loop {
            let mut state = self.state();
            let removable = state.list.len() > usize::from(growing);
            let Some(number) =
                state.list.first().filter(|first| removable && is_passed(first)).map(|first| first.number)
            else {
                return Ok(());
            };
            state.list.remove(0);
            let path = self.path(number);
            if state.spares.len() < SPARES_MAX {
                let spare = self.spare(number);
                self.disk.rename(&path, &spare)?;
                state.spares.push(spare);
            } else {
                self.disk.remove(&path)?;
            }
        }
    }

    fn spare(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:020}.{SPARE_EXTENSION}"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the segment of this number lies.
pub(super) fn segment_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}.{EXTENSION}"))
}

/// Numbers of the segment files among these names, ascending.
pub(super) fn numbers(names: &[String]) -> Vec<u64> {
    let segments = names.iter().filter(|name| is_of(name, EXTENSION));
    let stems = segments.filter_map(|name| Path::new(name).file_stem()?.to_str()?.parse::<u64>().ok());
    let mut numbers: Vec<_> = stems.collect();
    numbers.sort_unstable();
    numbers
}

fn is_of(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

// === impl Segment ===

impl Segment {
    fn end(&self, pipeline: &str) -> Option<Position> {
        self.ends.iter().find(|(name, _)| name == pipeline).map(|(_, end)| *end)
    }

    /// The place of a pipeline in the header's table.
    pub(super) fn place(&self, pipeline: &str) -> Option<u32> {
        self.ends.iter().position(|(name, _)| name == pipeline).map(|place| place as u32)
    }
}

const EXTENSION: &str = "segment";
const SPARE_EXTENSION: &str = "spare";
/// Spare files at most: what a burst leaves behind until it is quiet again.
const SPARES_MAX: usize = 4;
/// Room for the cursors' places on a disk that is full.
const ROOM: &str = "room";
const ROOM_BYTES: usize = 64 << 10;
