//! The segment files: which there are, how far each reaches, and when one may go.
//!
//! - **Guaranteed:** a file's name is on disk before anything in it is answered for; a segment is removed only when
//!   every stored cursor of every pipeline in it has passed its end.
//! - **Not here:** what is in the files (`format`), and who writes them (`writer`).

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::fs::{FlockOperation, flock};

use super::{OpenError, Position};

/// The journal's directory, held by this process alone.
#[derive(Debug)]
pub(super) struct Segments {
    directory: PathBuf,
    /// In the order of their numbers; the last one may still be growing.
    list: Mutex<Vec<Segment>>,
    /// Held as long as the journal is open.
    _lock: File,
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
    pub(super) fn lock(directory: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(io)?;
        let path = directory.join("lock");
        let lock = File::options().create(true).write(true).truncate(false).open(&path).map_err(io)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => OpenError::Locked { directory: directory.to_owned() },
            other => io(other.into()),
        })?;
        Ok(Self { directory: directory.to_owned(), list: Mutex::default(), _lock: lock })
    }

    /// The directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the segment of this number lies.
    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:020}.{EXTENSION}"))
    }

    /// Numbers of the segment files, ascending.
    pub(super) fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let is_segment = path.extension().is_some_and(|extension| extension == EXTENSION);
            let number =
                path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
            numbers.extend(number.filter(|_| is_segment));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Makes names that were created or removed outlive a power cut.
    pub(super) fn sync_names(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    /// Sets a little room aside, if there is any and none is set aside yet.
    pub(super) fn keep_spare(&self) {
        let path = self.directory.join(SPARE);
        // Best effort: a disk without this much room refuses data anyway.
        if !path.exists() && fs::write(&path, [0; SPARE_BYTES]).is_err() {
            let _ = fs::remove_file(&path);
        }
    }

    /// Gives the room back; `false` if there was none.
    pub(super) fn give_spare(&self) -> bool {
        fs::remove_file(self.directory.join(SPARE)).is_ok()
    }

    /// Where each segment ends for `pipeline`, oldest first.
    pub(super) fn ends_of(&self, pipeline: &str) -> Vec<Position> {
        self.list().iter().filter_map(|segment| segment.end(pipeline)).collect()
    }

    /// Adds the newest segment.
    pub(super) fn push(&self, segment: Segment) {
        self.list().push(segment);
    }

    /// Takes note of how far the newest segment reaches now.
    pub(super) fn grow(&self, bytes: u64, ends: &[(String, Position)]) {
        if let Some(last) = self.list().last_mut() {
            last.bytes = bytes;
            last.ends.clear();
            last.ends.extend_from_slice(ends);
        }
    }

    /// The first segment with records of `pipeline` behind `from`.
    pub(super) fn behind(&self, pipeline: &str, from: Position) -> Option<Segment> {
        let list = self.list();
        list.iter().find(|segment| segment.end(pipeline).is_some_and(|end| end > from)).cloned()
    }

    /// Bytes and number of the files.
    pub(super) fn size(&self) -> (u64, usize) {
        let list = self.list();
        (list.iter().map(|segment| segment.bytes).sum(), list.len())
    }

    /// Removes the segments that nobody needs: `passed` tells whether every stored cursor of a pipeline has passed a
    /// place. The newest segment stays if it is `growing`.
    pub(super) fn remove_passed(
        &self,
        growing: bool,
        passed: impl Fn(&str, Position) -> bool,
    ) -> io::Result<()> {
        let is_passed = |segment: &Segment| segment.ends.iter().all(|(name, end)| passed(name, *end));
        loop {
            let number = {
                let mut list = self.list();
                let removable = list.len() > usize::from(growing);
                match list.first().filter(|first| removable && is_passed(first)).map(|first| first.number) {
                    Some(number) => {
                        list.remove(0);
                        number
                    }
                    None => return Ok(()),
                }
            };
            fs::remove_file(self.path(number))?;
        }
    }

    fn list(&self) -> MutexGuard<'_, Vec<Segment>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
/// Room for the cursors' places on a disk that is full.
const SPARE: &str = "spare";
const SPARE_BYTES: usize = 64 << 10;
