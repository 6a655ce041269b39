//! A look at a journal's files from outside, also while a server writes them.
//!
//! - **Guaranteed:** looking changes nothing and takes no lock; what a running server writes meanwhile is seen or not.
//!   Removing a cursor takes the lock, so a server that runs is never surprised.
//! - **Not here:** repair; opening the journal does that, and says so.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use proto::AnyBatch;

use super::{
    Damage, OpenError, Position,
    format::{Header, HeaderFault, StoredRecord},
    positions::{self, StoredCursor},
    recover::read_header,
    scan::{Next, Scan},
    segments::{Segments, numbers, segment_path},
};
use crate::{
    disk::{Disk, DiskFile},
    time::UnixNanos,
};

/// What a journal's directory holds.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// Oldest first.
    pub segments: Vec<SegmentFile>,
    /// Where the cursors stood when they were last saved; nothing if their file is damaged.
    pub cursors: Option<Vec<SavedCursor>>,
}

/// One segment file.
#[derive(Clone, Debug, Default)]
pub struct SegmentFile {
    /// The file.
    pub path: PathBuf,
    /// Whole records.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Items by pipeline, as the positions of its records tell.
    pub items: BTreeMap<String, u64>,
    /// When the first and the last of its records came in.
    pub arrivals: Option<(UnixNanos, UnixNanos)>,
    /// What cannot be read. The end of the newest segment may be a record that is being written.
    pub damaged: Vec<Damage>,
}

/// One cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedCursor {
    /// The pipeline.
    pub pipeline: String,
    /// The cursor: the name of a consumer.
    pub name: String,
    /// Weight between its commit and the end (see [`super::RECORD_COST`]).
    pub lag_bytes: u64,
    /// Items likewise.
    pub lag_items: u64,
    /// When somebody last held it.
    pub held: UnixNanos,
}

/// Reads the directory; with `payloads` every payload passes the gate too, as it would on its way to a consumer.
///
/// # Errors
/// `Io` if there is no such directory or a file cannot be read, `Version` if another version of this program wrote it.
pub fn inspect(disk: &dyn Disk, directory: &Path, payloads: bool) -> Result<Inspection, OpenError> {
    let mut inspection = Inspection::default();
    let mut ends = BTreeMap::new();
    let names =
        disk.names(directory).map_err(|source| OpenError::Io { path: directory.to_owned(), source })?;
    for number in numbers(&names) {
        let path = segment_path(directory, number);
        let io = |source| OpenError::Io { path: path.clone(), source };
        let file = match disk.open(&path) {
            // A running server has put it away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file.map_err(io)?,
        };
        let mut segment = SegmentFile { path: path.clone(), ..SegmentFile::default() };
        match read_header(&*file).map_err(io)? {
            Ok((header, first_record)) => {
                segment.read(&*file, &header, first_record, payloads, &mut ends).map_err(io)?;
            }
            Err(HeaderFault::Version(found)) => return Err(OpenError::Version { path, found }),
            Err(HeaderFault::Damaged) => {
                let bytes = file.bytes().map_err(io)?;
                segment.damaged.push(Damage { file: path.clone(), offset: 0, bytes });
            }
        }
        inspection.segments.push(segment);
    }
    let stored = positions::load(disk, directory)?;
    inspection.cursors = stored.map(|stored| stored.into_iter().map(|cursor| saved(cursor, &ends)).collect());
    Ok(inspection)
}

/// Forgets a cursor, and what only it still wanted; `false` if there is none.
///
/// # Errors
/// `Locked` while a server runs on the directory; `Io` and `Version` as in [`inspect`].
pub fn remove_cursor(
    disk: Arc<dyn Disk>,
    directory: &Path,
    pipeline: &str,
    name: &str,
) -> Result<bool, OpenError> {
    let segments = Segments::lock(disk, directory)?;
    let Some(mut stored) = positions::load(segments.disk(), directory)? else { return Ok(false) };
    let count = stored.len();
    stored.retain(|cursor| cursor.pipeline != pipeline || cursor.name != name);
    let removed = stored.len() < count;
    if removed {
        positions::save(segments.disk(), directory, &stored)
            .map_err(|source| OpenError::Io { path: directory.to_owned(), source })?;
    }
    Ok(removed)
}

fn saved(cursor: StoredCursor, ends: &BTreeMap<String, Position>) -> SavedCursor {
    let end = ends.get(&cursor.pipeline).copied().unwrap_or_default().max(cursor.position);
    SavedCursor {
        lag_bytes: end.bytes - cursor.position.bytes,
        lag_items: end.items - cursor.position.items,
        pipeline: cursor.pipeline,
        name: cursor.name,
        held: cursor.held,
    }
}

// === impl SegmentFile ===

impl SegmentFile {
    fn read(
        &mut self,
        file: &dyn DiskFile,
        header: &Header,
        first_record: u64,
        payloads: bool,
        ends: &mut BTreeMap<String, Position>,
    ) -> io::Result<()> {
        let length = file.bytes()?;
        let mut scan = Scan::new(header.salt, first_record);
        let mut places: Vec<Position> = header.pipelines.iter().map(|(_, start)| *start).collect();
        loop {
            let start = scan.at();
            match scan.next(file, length)? {
                Next::Record(record) => {
                    self.records += 1;
                    self.bytes += scan.at() - start;
                    self.count(&record, &mut places, header);
                    if payloads && !is_readable(&record) {
                        self.damage(start, scan.at() - start);
                    }
                }
                Next::Gap(gap) => self.damage(gap.start, gap.end - gap.start),
                Next::End => break,
            }
        }
        let torn = scan.torn(file, length)?;
        if torn > 0 {
            self.damage(scan.at(), torn);
        }
        for ((name, _), place) in header.pipelines.iter().zip(places) {
            let end = ends.entry(name.clone()).or_default();
            *end = (*end).max(place);
        }
        Ok(())
    }

    fn count(&mut self, record: &StoredRecord, places: &mut [Position], header: &Header) {
        let first = self.arrivals.map_or(record.arrival, |(first, _)| first);
        self.arrivals = Some((first, record.arrival));
        for part in &record.parts {
            let index = part.pipeline as usize;
            let (Some(place), Some((name, _))) = (places.get_mut(index), header.pipelines.get(index)) else {
                continue;
            };
            *self.items.entry(name.clone()).or_default() += part.position.items.saturating_sub(place.items);
            *place = part.position;
        }
    }

    fn damage(&mut self, offset: u64, bytes: u64) {
        self.damaged.push(Damage { file: self.path.clone(), offset, bytes });
    }
}

fn is_readable(record: &StoredRecord) -> bool {
    record.parts.iter().all(|part| {
        let payload = record.payload(part);
        payload.is_some_and(|(kind, payload)| AnyBatch::validate(*kind, payload.clone()).is_ok())
    })
}
