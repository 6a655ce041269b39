//! What is found at start: every segment is read and checked once.
//!
//! - **Guaranteed:** what is found is safe on disk before anyone hears of it; a torn record at the very end is cut off; damage with good records behind it is reported and
//!   passed over, and never a reason not to start; another format version is a reason, and then nothing is touched.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
};

use super::{
    Damage, OpenError, Position, Recovered,
    format::{HEADER_HEAD, Header, HeaderFault},
    producers::Producers,
    scan::{Next, Scan},
    segments::{Segment, Segments},
};
use crate::disk::DiskFile;

/// What the segments say.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// For the caller of `open`.
    pub(super) report: Recovered,
    /// How far each pipeline had come.
    pub(super) ends: BTreeMap<String, Position>,
    /// High-water marks of the producers.
    pub(super) producers: Producers,
    /// The number for the next segment.
    pub(super) next_number: u64,
}

/// Reads every segment and fills the list of `segments`.
pub(super) fn recover(segments: &Segments) -> Result<Found, OpenError> {
    let io = |source| OpenError::Io { path: segments.directory().to_owned(), source };
    let numbers = segments.look().map_err(io)?;
    // Before anything is changed, every header is looked at.
    let mut headers = Vec::with_capacity(numbers.len());
    for number in numbers {
        let path = segments.path(number);
        let file = segments.disk().open(&path).map_err(io)?;
        match read_header(&*file).map_err(io)? {
            Err(HeaderFault::Version(found)) => return Err(OpenError::Version { path, found }),
            header => headers.push((number, file, header.ok())),
        }
    }
    let mut found = Found { next_number: 1, ..Found::default() };
    let last = headers.last().map(|(number, ..)| *number);
    for (number, file, header) in headers {
        found.next_number = number + 1;
        match header {
            Some((header, first_record)) if header.number == number => {
                let is_last = Some(number) == last;
                segments.push(found.scan(segments, &*file, header, first_record, is_last).map_err(io)?);
            }
            // Everyone had passed it, and it was about to become another segment when the power went.
            Some(_) => segments.disk().remove(&segments.path(number)).map_err(io)?,
            None => found.set_aside(segments, number, &*file).map_err(io)?,
        }
    }
    Ok(found)
}

/// The header of a segment and its length.
pub(super) fn read_header(file: &dyn DiskFile) -> io::Result<Result<(Header, u64), HeaderFault>> {
    let head = file.read(0, HEADER_HEAD)?;
    let claimed = Header::claimed_length(&head).filter(|length| *length <= HEADER_BYTES_MAX);
    let Some(length) = claimed else { return Ok(Err(HeaderFault::Damaged)) };
    Ok(Header::decode(&file.read(0, length)?).map(|header| (header, length as u64)))
}

// === impl Found ===

impl Found {
    fn scan(
        &mut self,
        segments: &Segments,
        file: &dyn DiskFile,
        header: Header,
        first_record: u64,
        is_last: bool,
    ) -> io::Result<Segment> {
        let path = segments.path(header.number);
        let mut ends = header.pipelines;
        for (name, start) in &ends {
            let end = self.ends.entry(name.clone()).or_default();
            *end = (*end).max(*start);
        }
        header.producers.iter().for_each(|mark| self.producers.recover(*mark));
        let bytes = file.bytes()?;
        let mut scan = Scan::new(header.salt, first_record);
        loop {
            let start = scan.at();
            match scan.next(file, bytes)? {
                Next::Record(record) => {
                    self.report.records += 1;
                    self.report.bytes += scan.at() - start;
                    if let Some(sequence) = record.sequence {
                        self.producers.recover(sequence);
                    }
                    for part in &record.parts {
                        if let Some((name, end)) = ends.get_mut(part.pipeline as usize) {
                            *end = (*end).max(part.position);
                            self.ends.insert(name.clone(), *end);
                        }
                    }
                }
                Next::Gap(gap) => {
                    self.report.damaged.push(Damage {
                        file: path.clone(),
                        offset: gap.start,
                        bytes: gap.end - gap.start,
                    });
                }
                Next::End => break,
            }
        }
        // Behind the last good record is what the file held before, or what a crash has cut off.
        let (end, torn) = (scan.at(), scan.torn(file, bytes)?);
        if torn > 0 && is_last {
            self.report.torn_bytes += torn;
        } else if torn > 0 {
            self.report.damaged.push(Damage { file: path, offset: end, bytes: torn });
        }
        if is_last {
            make_safe(file, end)?;
        }
        Ok(Segment { number: header.number, salt: header.salt, ends, bytes: end, first_record })
    }

    /// A segment whose header is damaged. Its records cannot be told apart by pipeline; it is kept under another name.
    fn set_aside(&mut self, segments: &Segments, number: u64, file: &dyn DiskFile) -> io::Result<()> {
        let path = segments.path(number);
        self.report.damaged.push(Damage { file: path.clone(), offset: 0, bytes: file.bytes()? });
        segments.disk().rename(&path, &path.with_extension("damaged"))
    }
}

/// What a process could read need not be on disk: the one before it may have died before its sync, or its sync may have
/// failed, and then a second one lies. Written again, byte for byte, it is; what is behind `end` is cut off.
fn make_safe(file: &dyn DiskFile, end: u64) -> io::Result<()> {
    let mut at = 0;
    while at < end {
        let wanted = usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
        let bytes = file.read(at, wanted)?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_at(&[IoSlice::new(&bytes)], at)?;
        at += bytes.len() as u64;
    }
    file.set_len(end)?;
    file.sync()
}

/// What is written again at once.
const CHUNK: usize = 1 << 20;
/// More than any header has: some thousand pipelines and producers.
const HEADER_BYTES_MAX: usize = 16 << 20;
