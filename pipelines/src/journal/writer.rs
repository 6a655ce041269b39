//! The one thread that writes: group commit, then publish, then answer.
//!
//! ```text
//! while one group is being synced, the next one gathers in the queue
//! take the whole queue -> heads and checksums -> one write -> one sync -> publish in order -> tickets
//! ```
//!
//! - **Guaranteed:** nothing is published or answered before it is synced; a failed write refuses its group and leaves
//!   the file as it was; a failed sync is final: nothing more is written, because a second sync may lie.
//! - **Not here:** who may append how much; see `state`.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{error, info, warn};

use super::{
    Position, Shared,
    effects::Effects,
    format::{Group, Header, new_salt},
    positions,
    segments::{Segment, Segments},
    state::Queued,
};
use crate::{disk::DiskFile, time::UnixNanos};

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
    group: Group,
    saved_at: Instant,
    /// When the newest segment was begun.
    rotated_at: Instant,
}

/// The segment that is being written.
struct Open {
    file: Box<dyn DiskFile>,
    salt: u64,
    /// What is in it for good.
    bytes: u64,
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
        let now = Instant::now();
        Self {
            shared,
            segments,
            segment_bytes_max,
            next_number,
            unsaved: false,
            open: None,
            group: Group::default(),
            saved_at: now,
            rotated_at: now,
        }
    }

    /// Runs until the journal is closed and the queue is empty.
    pub(super) fn run(mut self) {
        self.segments.keep_room();
        loop {
            self.shared.writer_pulse.beat();
            let (group, ended, claimed) = self.shared.wait_for_work(UPKEEP);
            self.unsaved |= claimed;
            if self.unsaved || self.saved_at.elapsed() >= UPKEEP {
                self.upkeep(self.unsaved);
            }
            if !group.is_empty() {
                self.commit(group);
            } else if !ended && self.shared.lock().refusing {
                self.try_again();
            } else if ended {
                break;
            }
        }
        self.cut_rest();
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
            Ok(()) => {
                debug_assert!(unsafe_rest.is_empty(), "a write without a fault covers its group");
                state.refusing = false;
            }
            Err(Fault::Write(error)) => {
                if !state.refusing {
                    warn!(%error, "the journal's disk takes no data, it is refused until there is room");
                }
                state.refusing = true;
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

    /// Looks whether the disk takes data again, so that senders who were sent away are told.
    fn try_again(&mut self) {
        let ends = self.shared.lock().ends();
        if self.rotate(&ends).is_ok() && self.segments.keep_room() {
            self.shared.lock().refusing = false;
            info!("the journal's disk takes data again");
        }
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
            self.group.clear();
            while let Some(queued) = group.get(at).filter(|_| self.group.bytes() < room) {
                queued.advance(&mut ends, &durable, |parts| {
                    self.group.push(salt, queued.entry.arrival, queued.entry.sequence, parts);
                });
                at += 1;
            }
            self.append(&ends)?;
            *safe = at;
        }
        Ok(())
    }

    fn append(&mut self, ends: &[(String, Position)]) -> Result<(), Fault> {
        let (Some(open), 1..) = (&mut self.open, self.group.bytes()) else { return Ok(()) };
        let slices = self.group.slices();
        let mut written = open.file.write_at(&slices, open.bytes);
        while written.is_err() && self.segments.give_spare() {
            written = open.file.write_at(&slices, open.bytes);
        }
        if let Err(error) = written {
            // What was written of it is cut off, so that the file ends with its last whole record. Nothing is added to
            // it any more: once everyone has passed it, it goes, and makes the room that is missing.
            let cut = open.file.set_len(open.bytes).and_then(|()| open.file.sync());
            self.open = None;
            return Err(match cut {
                Ok(()) => Fault::Write(error),
                Err(second) => Fault::Final(second),
            });
        }
        open.file.sync().map_err(Fault::Final)?;
        open.bytes += self.group.bytes();
        self.segments.grow(open.bytes, ends);
        Ok(())
    }

    /// Sees to it that there is a segment with room.
    #[expect(clippy::disallowed_methods, reason = "the journal's own thread keeps the pace of its upkeep")]
    fn rotate(&mut self, ends: &[(String, Position)]) -> Result<(), Fault> {
        if self.open.as_ref().is_some_and(|open| open.bytes < self.segment_bytes_max) {
            return Ok(());
        }
        self.open = None;
        if !self.segments.has_spare() {
            // Perhaps a segment was passed since the last time.
            self.upkeep(false);
        }
        self.rotated_at = Instant::now();
        let number = self.next_number;
        // A number is never used twice, also if its file could not be made.
        self.next_number += 1;
        let salt = new_salt();
        let producers = self.shared.lock().producers.marks();
        let header = Header { number, salt, pipelines: ends.to_vec(), producers }.encode();
        let file = self.segments.make(number, &header, self.segment_bytes_max).map_err(Fault::Write)?;
        let bytes = header.len() as u64;
        self.segments.push(Segment { number, salt, ends: ends.to_vec(), bytes, first_record: bytes });
        self.open = Some(Open { file, salt, bytes });
        Ok(())
    }

    /// Cuts off what is behind the last record of the open segment, and closes it.
    fn cut_rest(&mut self) {
        if let Some(open) = self.open.take()
            && let Err(error) = open.file.set_len(open.bytes).and_then(|()| open.file.sync())
        {
            warn!(%error, "unused room of a segment was not given back");
        }
    }

    /// Saves the cursors if they have moved, and puts away what everyone has passed.
    #[expect(clippy::disallowed_methods, reason = "the journal's own thread keeps the pace of its upkeep")]
    fn upkeep(&mut self, at_once: bool) {
        self.saved_at = Instant::now();
        // Also when nothing moves: quiet is what gives the disk back.
        if self.rotated_at.elapsed() > SPARES_KEPT {
            self.segments.give_spare();
        }
        let Some(cursors) = self.shared.lock().cursors_to_save(UnixNanos::now(), at_once) else { return };
        let save = || positions::save(self.segments.disk(), self.segments.directory(), &cursors);
        // On a full disk the room set aside goes first: saved cursors are what lets segments go.
        let saved = save().or_else(|error| if self.segments.give_room() { save() } else { Err(error) });
        if let Err(error) = saved {
            warn!(%error, "the cursors were not saved, trying again");
            self.shared.lock().save_again();
            return;
        }
        self.unsaved = false;
        let passed = |pipeline: &str, end: Position| {
            cursors.iter().filter(|cursor| cursor.pipeline == pipeline).all(|cursor| cursor.position >= end)
        };
        if let Err(error) = self.segments.retire_passed(self.open.is_some(), passed) {
            warn!(%error, "a segment that everyone has passed was not put away");
        }
        self.segments.keep_room();
    }
}

/// Cursors are saved, and segments removed, about this often.
const UPKEEP: Duration = Duration::from_secs(1);
/// After this long without a new segment, the spare files go one by one.
const SPARES_KEPT: Duration = Duration::from_secs(10);
