//! What is found at start: every segment is read and checked once.
//!
//! - **Guaranteed:** a torn record at the very end is cut off; damage with good records behind it is reported and
//!   passed over, and never a reason not to start; another format version is a reason, and then nothing is touched.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
};

use bytes::Bytes;

use super::{
    Damage, OpenError, Position, Recovered, Sequence,
    format::{Decoded, Header, HeaderFault, decode_record, find_record, may_hold_records},
    segments::{Segment, Segments},
};

/// What the segments say.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// For the caller of `open`.
    pub(super) report: Recovered,
    /// How far each pipeline had come.
    pub(super) ends: BTreeMap<String, Position>,
    /// High-water marks of the producers.
    pub(super) producers: Vec<Sequence>,
    /// The number for the next segment.
    pub(super) next_number: u64,
}

/// Reads every segment and fills the list of `segments`.
pub(super) fn recover(segments: &Segments) -> Result<Found, OpenError> {
    let numbers = segments.numbers().map_err(|source| failed(segments, source))?;
    refuse_other_versions(segments, &numbers)?;
    let mut found = Found { next_number: 1, ..Found::default() };
    for (index, number) in numbers.iter().enumerate() {
        let is_last = index + 1 == numbers.len();
        let bytes = fs::read(segments.path(*number)).map_err(|source| failed(segments, source))?;
        found.next_number = number + 1;
        match Header::decode(&bytes) {
            Ok((header, length)) => {
                let segment = found.scan(segments, header, length, Bytes::from(bytes), is_last);
                segments.push(segment.map_err(|source| failed(segments, source))?);
            }
            Err(_) => {
                found.set_aside(segments, *number, &bytes).map_err(|source| failed(segments, source))?
            }
        }
    }
    Ok(found)
}

/// Before anything is changed, every header is looked at.
fn refuse_other_versions(segments: &Segments, numbers: &[u64]) -> Result<(), OpenError> {
    for number in numbers {
        let path = segments.path(*number);
        let mut head = [0; 16];
        let read = File::open(&path).and_then(|file| {
            use std::os::unix::fs::FileExt;
            file.read_at(&mut head, 0)
        });
        let read = read.map_err(|source| failed(segments, source))?;
        if let Err(HeaderFault::Version(found)) = Header::decode(&head[..read]) {
            return Err(OpenError::Version { path, found });
        }
    }
    Ok(())
}

fn failed(segments: &Segments, source: io::Error) -> OpenError {
    OpenError::Io { path: segments.directory().to_owned(), source }
}

// === impl Found ===

impl Found {
    fn scan(
        &mut self,
        segments: &Segments,
        header: Header,
        first_record: usize,
        bytes: Bytes,
        is_last: bool,
    ) -> io::Result<Segment> {
        let path = segments.path(header.number);
        let mut ends = header.pipelines;
        for (name, start) in &ends {
            let end = self.ends.entry(name.clone()).or_default();
            *end = (*end).max(*start);
        }
        self.producers.extend(header.producers);
        let mut at = first_record;
        let mut end = at;
        loop {
            match decode_record(&bytes, header.salt, at) {
                Decoded::Record(record, length) => {
                    self.report.records += 1;
                    self.report.bytes += length as u64;
                    self.producers.extend(record.sequence);
                    for part in &record.parts {
                        if let Some((name, end)) = ends.get_mut(part.pipeline as usize) {
                            *end = (*end).max(part.position);
                            self.ends.insert(name.clone(), *end);
                        }
                    }
                    at += length;
                    end = at;
                }
                Decoded::Nothing => match find_record(&bytes, header.salt, at) {
                    Some(next) => {
                        let damage =
                            Damage { file: path.clone(), offset: at as u64, bytes: (next - at) as u64 };
                        self.report.damaged.push(damage);
                        at = next;
                    }
                    None => break,
                },
            }
        }
        // Behind the last good record there is room set aside, all zeros, or what a crash has cut off.
        let torn = bytes[end..].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if torn > 0 && is_last {
            self.report.torn_bytes += torn as u64;
        } else if torn > 0 {
            self.report.damaged.push(Damage { file: path.clone(), offset: end as u64, bytes: torn as u64 });
        }
        if is_last && bytes.len() > end {
            let file = File::options().write(true).open(&path)?;
            file.set_len(end as u64)?;
            file.sync_all()?;
        }
        let (bytes, first_record) = (end as u64, first_record as u64);
        Ok(Segment { number: header.number, salt: header.salt, ends, bytes, first_record })
    }

    /// A segment without a readable header: begun when the process died, or damaged. Its records cannot be told
    /// apart by pipeline; what there is of it is kept under another name.
    fn set_aside(&mut self, segments: &Segments, number: u64, bytes: &[u8]) -> io::Result<()> {
        let path = segments.path(number);
        let holds_records = may_hold_records(bytes);
        if !holds_records {
            self.report.torn_bytes +=
                bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
            return fs::remove_file(path);
        }
        let damage = Damage { file: path.clone(), offset: 0, bytes: bytes.len() as u64 };
        self.report.damaged.push(damage);
        fs::rename(&path, path.with_extension("damaged"))
    }
}
