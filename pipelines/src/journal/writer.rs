//! The one thread that writes: group commit, then publish, then answer.
//!
//! ```text
//! while one group is being synced, the next one gathers in the queue
//! take the whole queue -> encode -> one write -> one fdatasync -> publish in order -> tickets
//! ```
//!
//! - **Guaranteed:** nothing is published or answered before it is synced; a failed write refuses its group and leaves
//!   the file as it was; a failed sync is final: nothing more is written, because a second sync may lie.
//! - **Not here:** who may append how much; see `state`.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::fs::{FallocateFlags, fallocate};
use tracing::{error, warn};

use super::{
    Position, Shared,
    effects::Effects,
    format::{Header, encode_record, new_salt},
    positions,
    segments::{Segment, Segments},
    state::Queued,
};
use crate::time::UnixNanos;

/// The writer's side of the journal.
pub(super) struct Writer {
    shared: Arc<Shared>,
    segments: Arc<Segments>,
    segment_bytes_max: u64,
    next_number: u64,
    /// Whether a cursor was made that could not be saved yet.
    unsaved: bool,
    open: Option<Open>,
    /// Reused from group to group.
    buffer: Vec<u8>,
    saved_at: Instant,
}

/// The segment that is being written.
struct Open {
    file: File,
    salt: u64,
    /// What is in it for good.
    bytes: u64,
    ends: Vec<(String, Position)>,
}

/// Why a group did not reach the disk.
enum Fault {
    /// The file is as it was before; another try may succeed.
    Write(io::Error),
    /// Nobody knows what the file holds.
    Final(io::Error),
}

// === impl Writer ===

impl Writer {
    #[expect(clippy::disallowed_methods, reason = "the journal's own thread keeps the pace of its upkeep")]
    pub(super) fn new(
        shared: Arc<Shared>,
        segments: Arc<Segments>,
        segment_bytes_max: u64,
        next_number: u64,
    ) -> Self {
        let saved_at = Instant::now();
        Self {
            shared,
            segments,
            segment_bytes_max,
            next_number,
            unsaved: false,
            open: None,
            buffer: Vec::new(),
            saved_at,
        }
    }

    /// Runs until the journal is closed and the queue is empty.
    pub(super) fn run(mut self) {
        self.segments.keep_spare();
        loop {
            let (group, ended, claimed) = self.shared.wait_for_work(UPKEEP);
            self.unsaved |= claimed;
            if self.unsaved || self.saved_at.elapsed() >= UPKEEP {
                self.upkeep(self.unsaved);
            }
            if !group.is_empty() {
                self.commit(group);
            } else if ended {
                break;
            }
        }
        self.cut_room();
        self.upkeep(true);
    }

    fn commit(&mut self, mut group: Vec<Queued>) {
        let (safe, outcome) = self.write(&group);
        let unsafe_rest = group.split_off(safe);
        let mut effects = Effects::default();
        let mut state = self.shared.lock();
        // What is on disk has taken its positions, whatever became of the entries behind it.
        state.publish_group(group, &mut effects);
        match outcome {
            Ok(()) => debug_assert!(unsafe_rest.is_empty(), "a write without a fault covers its group"),
            Err(Fault::Write(error)) => {
                warn!(%error, "the journal's disk takes no data, it is refused until there is room");
                state.refuse_group(unsafe_rest, &mut effects);
            }
            Err(Fault::Final(error)) => {
                error!(%error, "the journal could not be synced: nothing more is taken; restart on a healthy disk");
                state.read_only = true;
                state.refuse_group(unsafe_rest, &mut effects);
            }
        }
        drop(state);
        effects.run();
    }

    /// Puts the records of a group on disk, in one write and one sync for each segment they touch. Tells how many
    /// entries are safe, which are all unless there was a fault.
    fn write(&mut self, group: &[Queued]) -> (usize, Result<(), Fault>) {
        let mut safe = 0;
        let outcome = self.write_all(group, &mut safe);
        (safe, outcome)
    }

    fn write_all(&mut self, group: &[Queued], safe: &mut usize) -> Result<(), Fault> {
        if self.unsaved {
            // A new cursor's place is on disk before anything behind it is answered for.
            return Err(Fault::Write(io::Error::other("a new cursor could not be saved")));
        }
        let (mut ends, durable) = {
            let state = self.shared.lock();
            (state.ends(), state.durable_places())
        };
        let mut at = 0;
        while at < group.len() {
            self.rotate(&ends)?;
            let room = self.segment_bytes_max;
            let salt = self.open.as_ref().map_or(0, |open| open.salt);
            self.buffer.clear();
            while let Some(queued) = group.get(at).filter(|_| (self.buffer.len() as u64) < room) {
                queued.advance(&mut ends, &durable, |parts| {
                    encode_record(&mut self.buffer, salt, queued.entry.arrival, queued.entry.sequence, parts);
                });
                at += 1;
            }
            self.append(&ends)?;
            *safe = at;
        }
        Ok(())
    }

    fn append(&mut self, ends: &[(String, Position)]) -> Result<(), Fault> {
        let (Some(open), false) = (&mut self.open, self.buffer.is_empty()) else { return Ok(()) };
        if let Err(error) = open.file.write_all_at(&self.buffer, open.bytes) {
            // What was written of it is cut off, so that the file ends with its last whole record.
            return Err(match open.file.set_len(open.bytes) {
                Ok(()) => Fault::Write(error),
                Err(second) => Fault::Final(second),
            });
        }
        open.file.sync_data().map_err(Fault::Final)?;
        open.bytes += self.buffer.len() as u64;
        open.ends.clear();
        open.ends.extend_from_slice(ends);
        self.segments.grow(open.bytes, ends);
        // One huge group must not hold its memory for ever.
        self.buffer.shrink_to(BUFFER_KEPT);
        Ok(())
    }

    /// Sees to it that there is a segment with room.
    fn rotate(&mut self, ends: &[(String, Position)]) -> Result<(), Fault> {
        if self.open.as_ref().is_some_and(|open| open.bytes < self.segment_bytes_max) {
            return Ok(());
        }
        self.cut_room();
        let number = self.next_number;
        // A number is never used twice, also if its file could not be made.
        self.next_number += 1;
        let salt = new_salt();
        let header = Header {
            number,
            salt,
            pipelines: ends.to_vec(),
            producers: self.shared.lock().producers.marks(),
        };
        let bytes = header.encode();
        let path = self.segments.path(number);
        let create = || {
            let file = File::options().create_new(true).read(true).write(true).open(&path)?;
            // Room set aside spares every later sync the change of the file's length. Where the file system cannot
            // do that, or the disk has not so much left, the file grows as it is written.
            let _ = fallocate(&file, FallocateFlags::empty(), 0, self.segment_bytes_max);
            file.write_all_at(&bytes, 0)?;
            file.sync_all()?;
            self.segments.sync_names()?;
            Ok(file)
        };
        let file = create().map_err(|error: io::Error| {
            // What there is of it holds no record.
            let _ = std::fs::remove_file(&path);
            Fault::Write(error)
        })?;
        let length = bytes.len() as u64;
        self.segments.push(Segment {
            number,
            salt,
            ends: ends.to_vec(),
            bytes: length,
            first_record: length,
        });
        self.open = Some(Open { file, salt, bytes: length, ends: ends.to_vec() });
        Ok(())
    }

    /// Gives back the room that the open segment did not use, and closes it.
    fn cut_room(&mut self) {
        if let Some(open) = self.open.take()
            && let Err(error) = open.file.set_len(open.bytes).and_then(|()| open.file.sync_all())
        {
            warn!(%error, "unused room of a segment was not given back");
        }
    }

    /// Saves the cursors if they have moved, and removes what everyone has passed.
    #[expect(clippy::disallowed_methods, reason = "the journal's own thread keeps the pace of its upkeep")]
    fn upkeep(&mut self, at_once: bool) {
        self.saved_at = Instant::now();
        let Some(cursors) = self.shared.lock().cursors_to_save(UnixNanos::now(), at_once) else { return };
        let save = || positions::save(self.segments.directory(), &cursors);
        // On a full disk the spare room goes first: saved cursors are what lets segments go.
        let saved = save().or_else(|error| if self.segments.give_spare() { save() } else { Err(error) });
        if let Err(error) = saved {
            warn!(%error, "the cursors were not saved, trying again");
            self.shared.lock().save_again();
            return;
        }
        self.unsaved = false;
        let passed = |pipeline: &str, end: Position| {
            cursors.iter().filter(|cursor| cursor.pipeline == pipeline).all(|cursor| cursor.position >= end)
        };
        if let Err(error) = self.segments.remove_passed(self.open.is_some(), passed) {
            warn!(%error, "a segment that everyone has passed was not removed");
        }
        self.segments.keep_spare();
    }
}

/// Cursors are saved, and segments removed, about this often.
const UPKEEP: Duration = Duration::from_secs(1);
/// What the encoding buffer keeps from group to group.
const BUFFER_KEPT: usize = 4 << 20;
