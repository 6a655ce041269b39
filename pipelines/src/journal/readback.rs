//! How a cursor that lags reads what has left memory.
//!
//! - **In:** the segment files, up to what is synced.
//! - **Guaranteed:** records come in order and pass the gate again, so that a [`Record`] from disk is as good as one
//!   from memory; what is not readable is passed over, logged and counted.
//! - **Not here:** the cursor's place; it moves when the records are handed out.

use std::{io, ops::Range};

use proto::AnyBatch;
use tracing::error;

use super::{
    Position, Record,
    format::StoredRecord,
    scan::{Next, Scan},
    segments::{Segment, Segments},
};
use crate::disk::DiskFile;

/// Where a cursor reads: an open segment and a place in it. Only a shortcut; it can be lost.
#[derive(Debug)]
pub(super) struct ReadBack {
    segment: Segment,
    file: Box<dyn DiskFile>,
    scan: Scan,
    /// Where the cursor stands behind what was given out.
    given: Position,
}

/// What a cursor wants to read: records of `pipeline` after `from` and up to `until`, about `bytes_max` bytes of payload.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) pipeline: String,
    pub(super) from: Position,
    pub(super) until: Position,
    pub(super) bytes_max: usize,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) records: Vec<Record>,
    bytes: usize,
    /// Places that could not be read.
    pub(super) unreadable: u64,
}

/// Reads. Blocking.
pub(super) fn read(
    segments: &Segments,
    wanted: &Wanted,
    shortcut: Option<ReadBack>,
) -> io::Result<(Option<ReadBack>, Run)> {
    let mut run = Run::default();
    let mut place = shortcut.filter(|shortcut| shortcut.given == wanted.from);
    let mut given = wanted.from;
    loop {
        let mut reading = match place.take() {
            Some(reading) => reading,
            None => match segments.behind(&wanted.pipeline, given)? {
                Some((segment, file)) => ReadBack::new(segment, file, given),
                None => return Ok((None, run)),
            },
        };
        let Some(table_place) = reading.segment.place(&wanted.pipeline) else { return Ok((None, run)) };
        let stands = |run: &Run| run.records.last().map_or(wanted.until, |last| last.position);
        let mut before = reading.scan.at();
        while let Some(record) = reading.next(&mut run)? {
            for part in record.parts.iter().filter(|part| part.pipeline == table_place) {
                if part.position <= given {
                    continue;
                }
                if part.position > wanted.until {
                    // Read again when the cursor comes here.
                    reading.scan.go_back(before);
                    reading.given = stands(&run);
                    return Ok((Some(reading), run));
                }
                given = part.position;
                if let Some((kind, payload)) = record.payload(part) {
                    let batch = AnyBatch::validate(*kind, payload.clone());
                    run.take(part.position, record.arrival, batch, &wanted.pipeline);
                }
            }
            before = reading.scan.at();
            if run.bytes >= wanted.bytes_max || run.records.len() >= RUN_RECORDS_MAX {
                reading.given = stands(&run);
                return Ok((Some(reading), run));
            }
        }
        // This segment has no more; the next one with records of the pipeline begins behind it.
        let end = reading.segment.ends.get(table_place as usize).map_or(given, |(_, end)| *end);
        given = given.max(end);
        if given >= wanted.until {
            reading.given = stands(&run);
            return Ok((Some(reading), run));
        }
        // The newest segment may have grown since it was looked at: then reading goes on where it was.
        let current = segments.current(reading.segment.number);
        match current.filter(|current| current.bytes > reading.segment.bytes) {
            Some(segment) => place = Some(ReadBack { segment, ..reading }),
            None => run.pass_over(&reading, reading.scan.at()..reading.segment.bytes),
        }
    }
}

// === impl ReadBack ===

impl ReadBack {
    fn new(segment: Segment, file: Box<dyn DiskFile>, given: Position) -> Self {
        Self { file, scan: Scan::new(segment.salt, segment.first_record), segment, given }
    }

    /// The next record of the segment.
    fn next(&mut self, run: &mut Run) -> io::Result<Option<StoredRecord>> {
        loop {
            match self.scan.next(&*self.file, self.segment.bytes)? {
                Next::Record(record) => return Ok(Some(record)),
                Next::End => return Ok(None),
                Next::Gap(gap) => run.pass_over(self, gap),
            }
        }
    }
}

// === impl Run ===

impl Run {
    fn pass_over(&mut self, reading: &ReadBack, gap: Range<u64>) {
        if !gap.is_empty() {
            let (segment, bytes) = (reading.segment.number, gap.end - gap.start);
            error!(segment, offset = gap.start, bytes, "damage in the journal is passed over");
            self.unreadable += 1;
        }
    }

    fn take(
        &mut self,
        position: Position,
        arrival: crate::time::UnixNanos,
        batch: Result<(AnyBatch, Option<proto::Rejected>), proto::Malformed>,
        pipeline: &str,
    ) {
        match batch {
            Ok((batch, _)) => {
                self.bytes += batch.bytes().len();
                self.records.push(Record { position, arrival, batch });
            }
            Err(error) => {
                error!(pipeline, %error, "a record of the journal is not readable, it is left out");
                self.unreadable += 1;
            }
        }
    }
}

/// As many as come out of memory at once.
const RUN_RECORDS_MAX: usize = 1024;
