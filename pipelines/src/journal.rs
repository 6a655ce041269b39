//! The journal: what comes in is written once, and everyone who wants it reads with a cursor.
//!
//! ```text
//!  append --- all pipelines of the entry are in memory ------------------> tails --> cursors
//!        \--- one of them is durable --> queue --> writer: one write, one fdatasync --^   |
//!                                                     |                                   |
//!                                                 segments <--- who lags reads back ------+
//! ```
//!
//! Read in this order: this file (what callers see), `state` (what stands under the one lock),
//! `tail` (the records in memory), `cursor` and `ticket` (the two ends callers hold), `writer` (group
//! commit), `format` (the bytes on disk), `segments` (the files), `scan` and `recover` (what is found at start),
//! `readback` (a cursor that lags), `positions` (where the cursors are saved), [`inspect`] (a look from outside).
//!
//! - **In:** entries of validated batches, one part per pipeline.
//! - **Out:** runs of records, in order, to each cursor.
//! - **Guaranteed:** an entry is taken by all its pipelines or by none, also after a crash; a ticket
//!   resolves only when every part is as safe as its pipeline promises; a segment is deleted only
//!   when every cursor has passed it and the positions that say so are themselves on disk; memory is
//!   bounded by the consumers' lag budgets, the tail and the queue.
//! - **Not here:** retries, joining of batches, state of aggregators (see [`crate::snapshot`]).

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use proto::{AnyBatch, SignalKind};
use thiserror::Error;

use crate::{disk::Disk, pulse::Pulse, refusal::Refusal, time::UnixNanos};

mod cursor;
mod effects;
mod format;
pub mod inspect;
mod pipeline;
mod positions;
mod producers;
mod readback;
mod recover;
mod scan;
mod segments;
mod state;
mod tail;
mod ticket;
mod writer;

pub use cursor::Cursor;
pub use ticket::Ticket;

use effects::Effects;
use segments::Segments;
use state::{Admission, Queued, State};
use tail::weight;
use writer::Writer;

/// The journal of a process. Shared by an `Arc`.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    /// The thread that writes, if any pipeline is durable.
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What callers and the journal's own threads share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Tells the writer that there is something to do.
    work: Condvar,
    /// Where durable pipelines are kept.
    segments: Option<Arc<Segments>>,
    /// The writer's sign of life.
    writer_pulse: Pulse,
}

/// When an append is answered, per pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// When the tail has it. Gone with the process.
    Memory,
    /// When the disk has it.
    Durable,
    /// When every consumer has committed it. Kept in memory, gone with the process.
    Delivered,
}

/// One pipeline, as the journal sees it.
#[derive(Clone, Debug)]
pub struct PipelineSettings {
    /// The pipeline's id as text, which names the pipeline across restarts.
    pub name: String,
    /// What flows through it.
    pub signal: SignalKind,
    /// When an append is answered.
    pub mode: Mode,
}

/// What [`Journal::open`] needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the directory is on; [`crate::disk::files`] but for tests.
    pub disk: Arc<dyn Disk>,
    /// Where segments lie. Needed if any pipeline is durable.
    pub directory: Option<PathBuf>,
    /// A segment that has reached this size is followed by a new one.
    pub segment_bytes_max: u64,
    /// What all durable pipelines together keep in memory of what is already on disk.
    pub tail_bytes_max: u64,
    /// The pipelines. [`PipelineIndex`] counts here.
    pub pipelines: Vec<PipelineSettings>,
}

/// Index into [`Settings::pipelines`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PipelineIndex(pub usize);

/// Who numbers its entries, so that a repeat is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub u128);

/// A producer's own number for an entry. Numbers of one producer rise, and it sends one only when the one before it
/// was answered with `Ok`: a number at or below the highest one taken is a repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Whose number.
    pub producer: ProducerId,
    /// The number.
    pub number: u64,
}

/// A batch for one pipeline.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which pipeline.
    pub pipeline: PipelineIndex,
    /// What it gets.
    pub batch: AnyBatch,
}

/// What one append takes: all parts or none.
#[derive(Clone, Debug)]
pub struct Entry {
    /// One per pipeline. None at all is a success that writes nothing.
    pub parts: Vec<Part>,
    /// When the data came in.
    pub arrival: UnixNanos,
    /// Set by producers that repeat what was not answered.
    pub sequence: Option<Sequence>,
    /// Points of connectors, which the next emission carries again: never written to disk.
    pub derivable: bool,
}

/// A place in one pipeline: everything up to and including it. Later is greater. Positions of
/// different pipelines have nothing to do with each other.
///
/// Inside, it counts what the pipeline has seen: so a lag is a subtraction, in bytes and in items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Weight of all records so far.
    bytes: u64,
    /// Items of all records so far.
    items: u64,
}

/// One batch, as a cursor reads it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Commit this when the record is done with.
    pub position: Position,
    /// When the data came in.
    pub arrival: UnixNanos,
    /// The data.
    pub batch: AnyBatch,
}

/// How far a consumer may fall behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Weight (payload bytes and [`RECORD_COST`] each) between commit and end.
    pub lag_bytes_max: u64,
    /// What happens there.
    pub on_full: OnFull,
}

/// What happens when a consumer has used up its lag budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// Appends to the pipeline are refused, retryably.
    Refuse,
    /// The consumer loses the oldest records it has not read, counted.
    DropOldest,
}

/// What recovery found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Readable records.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of an unfinished record cut off at the very end.
    pub torn_bytes: u64,
    /// Damage in the middle, skipped.
    pub damaged: Vec<Damage>,
    /// The file with the cursors' places was not readable: every consumer begins at the oldest record there is.
    pub cursors_lost: bool,
}

/// A range of a file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// How far it reaches.
    pub bytes: u64,
}

/// Why a journal could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A durable pipeline, and nowhere to write.
    #[error(
        "pipeline `{pipeline}` is durable, but the journal has no directory: set one, or make the pipeline answer from memory"
    )]
    NoDirectory {
        /// The pipeline.
        pipeline: String,
    },
    /// The same pipeline twice.
    #[error("pipeline `{pipeline}` is named twice")]
    Duplicate {
        /// The pipeline.
        pipeline: String,
    },
    /// The file system says no.
    #[error("{path}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process writes there.
    #[error(
        "another phasor uses the journal in {directory}; stop it, or give this one another data directory"
    )]
    Locked {
        /// Where.
        directory: PathBuf,
    },
    /// A newer version of this program has written it. Nothing was touched.
    #[error(
        "{path} was written by another version of phasor (journal format {found}, this one reads {}); \
         use the version that wrote it, or another data directory",
        format::VERSION
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// Why there is no cursor.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CursorError {
    /// No such pipeline.
    #[error("the journal has no pipeline number {index}")]
    NoPipeline {
        /// What was asked for.
        index: usize,
    },
    /// Somebody holds it.
    #[error("the cursor `{name}` of pipeline `{pipeline}` is in use")]
    InUse {
        /// The pipeline.
        pipeline: String,
        /// The cursor.
        name: String,
    },
}

/// The journal in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Weight of the records in memory.
    pub tail_bytes: u64,
    /// Weight of the entries that wait for the disk.
    pub queued_bytes: u64,
    /// Bytes of the segment files that are in use.
    pub disk_bytes: u64,
    /// Number of segment files.
    pub segments: usize,
    /// Whether a failed sync has ended all writing.
    pub read_only: bool,
    /// Whether the disk did not take the last group; it is tried again and again.
    pub refusing: bool,
    /// Entries taken since the start.
    pub appended: u64,
    /// Entries refused since the start.
    pub refused: u64,
    /// Places of the files that could not be read back since the start.
    pub unreadable: u64,
    /// One per cursor: those in use, and those given free, as they stood when they were.
    pub cursors: Vec<CursorStats>,
}

/// One cursor in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorStats {
    /// The pipeline.
    pub pipeline: String,
    /// The cursor.
    pub name: String,
    /// What the pipeline promises, and so what becomes of what the cursor leaves behind.
    pub mode: Mode,
    /// Weight between what the consumer has taken in and the end.
    pub lag_bytes: u64,
    /// Items between the same.
    pub lag_items: u64,
    /// Weight between commit and end: what an aggregator has taken in stays until two snapshots hold it.
    pub held_bytes: u64,
    /// The bound of `held_bytes`.
    pub lag_bytes_max: u64,
    /// Items lost to `drop_oldest`.
    pub dropped_items: u64,
}

// === impl Journal ===

impl Journal {
    /// Opens the journal and finds its end.
    ///
    /// # Errors
    /// See [`OpenError`]. Damaged content is never an error; it is reported.
    pub fn open(settings: Settings) -> Result<(Arc<Self>, Recovered), OpenError> {
        settings.check()?;
        let durable = settings.pipelines.iter().any(|pipeline| pipeline.mode == Mode::Durable);
        let Some(directory) = settings.directory.as_ref().filter(|_| durable) else {
            let shared = Arc::new(Shared::new(State::new(&settings), None));
            let journal = Self { shared, disk: settings.disk, writer: Mutex::default() };
            return Ok((Arc::new(journal), Recovered::default()));
        };
        let segments = Arc::new(Segments::lock(Arc::clone(&settings.disk), directory)?);
        let stored = positions::load(&*settings.disk, directory)?;
        let found = recover::recover(&segments)?;
        let mut report = found.report;
        let mut state = State::new(&settings);
        match stored {
            Some(stored) => state.recover(&found.ends, stored, found.producers),
            // Without the cursors' places everything that is there is read again: at least once.
            None => {
                report.cursors_lost = true;
                state.recover_from_start(&found.ends, found.producers);
            }
        }
        state.mark(|pipeline| segments.ends_of(pipeline));
        let shared = Arc::new(Shared::new(state, Some(Arc::clone(&segments))));
        let writer =
            Writer::new(Arc::clone(&shared), segments, settings.segment_bytes_max, found.next_number);
        let writer = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Io { path: directory.clone(), source })?;
        let journal = Self { shared, disk: settings.disk, writer: Mutex::new(Some(writer)) };
        Ok((Arc::new(journal), report))
    }

    /// Takes an entry for all its pipelines, or refuses it for all. Returns at once; what was
    /// promised is kept when the ticket resolves. Dropping the ticket does not take the entry back.
    ///
    /// # Errors
    /// `Retry` when a bound is reached, the disk is failing or the journal is closed; `Permanent`
    /// for a batch that is larger than a bound.
    pub fn append(&self, entry: Entry) -> Result<Ticket, Refusal> {
        let mut effects = Effects::default();
        let admission = self.shared.lock().admit(entry, &mut effects);
        effects.run();
        match admission? {
            Admission::Done => Ok(Ticket::ready()),
            Admission::Waiting(ticket) => Ok(ticket),
            Admission::Queued(ticket) => {
                self.shared.work.notify_one();
                Ok(ticket)
            }
        }
    }

    /// Claims the named cursor of a pipeline. A name the journal has not seen starts at the end; a
    /// known one goes on where it had committed.
    ///
    /// # Errors
    /// See [`CursorError`].
    pub fn cursor(&self, pipeline: PipelineIndex, name: &str, bounds: Bounds) -> Result<Cursor, CursorError> {
        let key = self.shared.lock().claim(pipeline, name, bounds)?;
        Ok(Cursor::new(Arc::clone(&self.shared), pipeline, key))
    }

    /// Takes no more entries. Cursors go on, see the end when they have read everything, and what they commit is
    /// still saved.
    pub fn seal(&self) {
        let mut effects = Effects::default();
        self.shared.lock().close(&mut effects);
        effects.run();
    }

    /// Takes no more entries, and resolves when what was taken is on disk, and the cursors' places with it. Cursors
    /// go on and see the end when they have read everything. Calling it twice is harmless.
    pub async fn close(&self) {
        self.shared.end();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A thread that panicked has left its mark in the log; there is nothing more to wait for.
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }

    /// What it is on, for what is kept beside it.
    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// How often the thread that writes has gone round, which it does at least every second. Nothing if there is none:
    /// no pipeline is durable, or the journal is closed.
    pub fn writer_beats(&self) -> Option<u64> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.is_some().then(|| self.shared.writer_pulse.beats())
    }

    /// The journal in numbers.
    pub fn stats(&self) -> Stats {
        let mut stats = self.shared.lock().stats();
        if let Some(segments) = &self.shared.segments {
            (stats.disk_bytes, stats.segments) = segments.size();
        }
        stats
    }
}

impl Drop for Journal {
    /// Ends the writer, which keeps what is in its queue.
    fn drop(&mut self) {
        self.shared.end();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }
}

// === impl Shared ===

impl Shared {
    fn new(state: State, segments: Option<Arc<Segments>>) -> Self {
        Self { state: Mutex::new(state), work: Condvar::new(), segments, writer_pulse: Pulse::default() }
    }

    fn end(&self) {
        let mut effects = Effects::default();
        self.lock().end(&mut effects);
        effects.run();
        self.work.notify_one();
    }

    /// What has gathered for the writer, whether nothing more is to come, and whether a cursor was made since the last
    /// time. Returns empty-handed after `within` at the latest.
    fn wait_for_work(&self, within: Duration) -> (Vec<Queued>, bool, bool) {
        let state = self.lock();
        let (mut state, _) = self
            .work
            .wait_timeout_while(state, within, |state| state.has_no_work())
            .unwrap_or_else(PoisonError::into_inner);
        (state.take_queue(), state.ended(), state.take_claimed())
    }

    /// The one lock. It is held for bookkeeping only: no I/O, no wake-up, no drop of a payload.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Settings ===

impl Settings {
    fn check(&self) -> Result<(), OpenError> {
        for (index, pipeline) in self.pipelines.iter().enumerate() {
            if self.directory.is_none() && pipeline.mode == Mode::Durable {
                return Err(OpenError::NoDirectory { pipeline: pipeline.name.clone() });
            }
            if self.pipelines.iter().take(index).any(|other| other.name == pipeline.name) {
                return Err(OpenError::Duplicate { pipeline: pipeline.name.clone() });
            }
        }
        Ok(())
    }
}

// === impl Position ===

impl Position {
    /// The place after one more batch.
    fn after(self, batch: &AnyBatch) -> Self {
        Self { bytes: self.bytes + weight(batch), items: self.items + batch.items() as u64 }
    }
}

// === impl Position ===

impl Position {
    /// For a snapshot, which keeps it inside the state.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.items) << 64 | u128::from(self.bytes)).to_le_bytes()
    }

    /// What [`Position::to_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_le_bytes(bytes);
        Self { bytes: both as u64, items: (both >> 64) as u64 }
    }
}

/// What a record costs beside its payload, in memory and in every lag budget: bounds hold for many
/// small records too.
pub const RECORD_COST: u64 = 64;

#[cfg(test)]
mod tests;
