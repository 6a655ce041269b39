//! How a cursor that lags reads what has left memory.
//!
//! - **In:** the segment files, up to what is synced.
//! - **Guaranteed:** records come in order and pass the gate again, so that a [`Record`] from disk is as good as one
//!   from memory; damage is passed over and logged, as recovery reported it.
//! - **Not here:** the cursor's place; it moves when the records are handed out.

use std::{fs::File, io, os::unix::fs::FileExt};

use bytes::Bytes;
use proto::AnyBatch;
use tracing::error;

use super::{
    Position, Record,
    format::{Decoded, RECORD_HEAD, StoredRecord, claimed_length, decode_record, find_record},
    segments::{Segment, Segments},
};

/// Where a cursor reads: an open segment and a place in it. Only a shortcut; it can be lost.
#[derive(Debug)]
pub(super) struct ReadBack {
    segment: Segment,
    file: File,
    offset: u64,
    /// Where the cursor stands behind what was given out.
    given: Position,
}

/// Reads records of `pipeline` after `from` and up to `until`, about `bytes_max` bytes of payload. Blocking.
pub(super) fn read(
    segments: &Segments,
    pipeline: &str,
    from: Position,
    until: Position,
    bytes_max: usize,
    shortcut: Option<ReadBack>,
) -> io::Result<(Option<ReadBack>, Vec<Record>)> {
    let mut run = Vec::new();
    let mut bytes = 0;
    let mut place = shortcut.filter(|shortcut| shortcut.given == from);
    let mut given = from;
    let stands = |run: &[Record]| run.last().map_or(until, |last| last.position);
    loop {
        let mut reading = match place.take() {
            Some(reading) => reading,
            None => match segments.behind(pipeline, given) {
                Some(segment) => ReadBack::open(segments, segment, given)?,
                None => return Ok((None, run)),
            },
        };
        let Some(table_place) = reading.segment.place(pipeline) else { return Ok((None, run)) };
        let mut offset = reading.offset;
        while let Some(record) = reading.next()? {
            for part in record.parts.iter().filter(|part| part.pipeline == table_place) {
                if part.position <= given {
                    continue;
                }
                if part.position > until {
                    // Read again when the cursor comes here.
                    (reading.offset, reading.given) = (offset, stands(&run));
                    return Ok((Some(reading), run));
                }
                given = part.position;
                let Some((kind, payload)) = record.payload(part) else { continue };
                match AnyBatch::validate(*kind, payload.clone()) {
                    Ok((batch, _)) => {
                        bytes += payload.len();
                        run.push(Record { position: part.position, arrival: record.arrival, batch });
                    }
                    Err(error) => {
                        error!(pipeline, %error, "a record of the journal is not readable, it is left out")
                    }
                }
            }
            offset = reading.offset;
            if bytes >= bytes_max || run.len() >= RUN_RECORDS_MAX {
                reading.given = stands(&run);
                return Ok((Some(reading), run));
            }
        }
        // This segment has no more; the next one with records of the pipeline begins behind it.
        let end = reading.segment.ends.get(table_place as usize).map_or(given, |(_, end)| *end);
        given = given.max(end);
        if given >= until {
            reading.given = stands(&run);
            return Ok((Some(reading), run));
        }
        // The newest segment may have grown since it was looked at: then reading goes on where it was.
        place = segments
            .behind(pipeline, given)
            .filter(|segment| segment.number == reading.segment.number)
            .map(|segment| ReadBack { segment, ..reading });
    }
}

// === impl ReadBack ===

impl ReadBack {
    fn open(segments: &Segments, segment: Segment, given: Position) -> io::Result<Self> {
        let file = File::open(segments.path(segment.number))?;
        Ok(Self { file, offset: segment.first_record, segment, given })
    }

    /// The next record of the segment.
    fn next(&mut self) -> io::Result<Option<StoredRecord>> {
        let left = self.segment.bytes.saturating_sub(self.offset);
        if left < RECORD_HEAD as u64 {
            return Ok(None);
        }
        let mut head = [0; RECORD_HEAD];
        self.file.read_exact_at(&mut head, self.offset)?;
        if let Some(length) = claimed_length(&head).filter(|length| *length as u64 <= left) {
            let mut bytes = vec![0; length];
            self.file.read_exact_at(&mut bytes, self.offset)?;
            if let Decoded::Record(record, length) = decode_record(&Bytes::from(bytes), self.segment.salt, 0)
            {
                self.offset += length as u64;
                return Ok(Some(record));
            }
        }
        self.skip_damage(left)
    }

    fn skip_damage(&mut self, left: u64) -> io::Result<Option<StoredRecord>> {
        let mut bytes = vec![0; usize::try_from(left).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, self.offset)?;
        let bytes = Bytes::from(bytes);
        let Some(next) = find_record(&bytes, self.segment.salt, 0) else {
            self.offset = self.segment.bytes;
            return Ok(None);
        };
        error!(
            segment = self.segment.number,
            offset = self.offset,
            bytes = next,
            "damage in the journal is passed over"
        );
        self.offset += next as u64;
        match decode_record(&bytes, self.segment.salt, next) {
            Decoded::Record(record, length) => {
                self.offset += length as u64;
                Ok(Some(record))
            }
            Decoded::Nothing => Ok(None),
        }
    }
}

/// As many as come out of memory at once.
const RUN_RECORDS_MAX: usize = 1024;
