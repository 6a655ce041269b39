//! One file that holds whole requests and nothing else.
//!
//! - **Guaranteed:** [`Writer::write`] either puts a whole entry at the end or leaves the file as it was; where even that
//!   fails, the file is closed, and repaired when it is opened for the next entry.
//! - **Not here:** what an entry is.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use tracing::{error, warn};

use super::{
    LENGTH_BYTES,
    config::{Config, Rotation},
    rotation::{self, folder},
};

/// The file of one exporter.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    rotation: Option<Rotation>,
    fsync: bool,
    is_lines: bool,
    /// Nothing after a failure that could not be undone.
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Where the next entry goes.
    bytes: u64,
}

// === impl Writer ===

impl Writer {
    pub(super) fn open(config: &Config) -> io::Result<Self> {
        if config.create_directory {
            let mode = config.permissions().unwrap_or_default();
            DirBuilder::new().recursive(true).mode(mode).create(folder(&config.path))?;
        }
        let writer = Self {
            path: config.path.clone(),
            rotation: config.rotation,
            fsync: config.fsync,
            is_lines: config.form().is_lines(),
            open: Mutex::new(None),
        };
        let mut open = writer.reopen()?;
        if !config.append {
            open.file.set_len(0)?;
            open.bytes = 0;
        }
        *writer.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
        Ok(writer)
    }

    /// Puts an entry at the end, on the disk if it is to be.
    pub(super) fn write(&self, entry: &[u8]) -> io::Result<()> {
        let mut place = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = match place.take() {
            Some(open) => self.rotated(open, entry.len() as u64)?,
            None => self.reopen()?,
        };
        match self.append(&mut open, entry) {
            Ok(()) => {
                *place = Some(open);
                Ok(())
            }
            Err(error) => {
                // What was not taken back is found when the file is opened again.
                if open.file.set_len(open.bytes).is_ok() {
                    *place = Some(open);
                }
                Err(error)
            }
        }
    }

    fn append(&self, open: &mut Open, entry: &[u8]) -> io::Result<()> {
        open.file.seek(SeekFrom::Start(open.bytes))?;
        open.file.write_all(entry)?;
        if self.fsync {
            open.file.sync_data()?;
        }
        open.bytes += entry.len() as u64;
        Ok(())
    }

    /// The file as it is to be written: ours alone, ending in a whole entry.
    fn reopen(&self) -> io::Result<Open> {
        let is_new = !self.path.exists();
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another exporter or process writes it"),
            TryLockError::Error(error) => error,
        })?;
        if is_new && self.fsync {
            File::open(folder(&self.path))?.sync_all()?;
        }
        let length = file.metadata()?.len();
        let bytes =
            if self.is_lines { end_of_lines(&mut file, length)? } else { end_of_frames(&file, length)? };
        if bytes < length {
            let (file, torn) = (self.path.display(), length - bytes);
            warn!(%file, torn, "a request that was half written by a crash is cut off; it was not delivered");
        }
        if bytes < length {
            file.set_len(bytes)?;
        }
        Ok(Open { file, bytes })
    }

    /// The file, or a new one if this entry would make it too large.
    fn rotated(&self, open: Open, entry_bytes: u64) -> io::Result<Open> {
        let Some(rotation) = self.rotation else { return Ok(open) };
        if open.bytes == 0 || open.bytes + entry_bytes <= rotation.max_megabytes.saturating_mul(1 << 20) {
            return Ok(open);
        }
        let now = Timestamp::now();
        std::fs::rename(&self.path, rotation::name(&self.path, now))?;
        drop(open);
        let next = self.reopen()?;
        if let Err(error) = rotation::clean(&self.path, rotation, now) {
            let file = self.path.display();
            error!(%file, %error, "old files cannot be deleted");
        }
        Ok(next)
    }
}

/// Behind the last line break.
fn end_of_lines(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let mut chunk = vec![0; CHUNK_BYTES];
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES as u64);
        let chunk = &mut chunk[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(chunk)?;
        if let Some(place) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Behind the last request that is there as a whole.
fn end_of_frames(file: &File, length: u64) -> io::Result<u64> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0))?;
    let mut end = 0;
    while length - end >= LENGTH_BYTES as u64 {
        let mut frame = [0; LENGTH_BYTES];
        reader.read_exact(&mut frame)?;
        let frame = u64::from(u32::from_be_bytes(frame));
        if frame > length - end - LENGTH_BYTES as u64 {
            break;
        }
        end += LENGTH_BYTES as u64 + frame;
        reader.seek_relative(frame as i64)?;
    }
    Ok(end)
}

const CHUNK_BYTES: usize = 64 << 10;
