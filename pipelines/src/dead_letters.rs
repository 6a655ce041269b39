//! Dead letters: what a destination refused for good, kept on disk until somebody has looked at it.
//!
//! ```text
//!  DIRECTORY/EXPORTER/PIPELINE.00000001.letters   one file after the other, closed at FILE_BYTES
//!                     lock                        held while a letter is written, marked or removed
//! ```
//!
//! Read in this order: this file (writing, finding, taking), `format` (the bytes of a file).
//!
//! - **In:** letters, each of them one refused request with its reason.
//! - **Out:** the same letters, oldest first, also to another process while this one writes.
//! - **Guaranteed:** a letter whose [`DeadLetters::keep`] returned `Ok` is on disk and stays there until it is taken;
//!   the letters of an exporter, over all its pipelines, take no more room than its bound; an unfinished end, which a
//!   crash leaves, is cut off; damage costs the letters it hit and no other; files of another version are left alone.
//! - **Full:** the new letter is not kept and the old ones stay. The first refusals tell what went wrong; what was
//!   counted as kept, and shown in a list, is still there when it is sent again.
//! - **Not here:** when data is given up, and what is counted ([`crate::engine::edge::LetterCounts`]).

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use proto::SignalKind;
use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

use crate::time::UnixNanos;

mod format;

use format::{Header, Scan, TAKEN_AT};

/// Where one exporter puts what a pipeline could not deliver through it.
#[derive(Debug)]
pub struct DeadLetters {
    directory: PathBuf,
    exporter: String,
    pipeline: String,
    bytes_max: u64,
    tail: Mutex<Tail>,
}

/// What a writer remembers of its newest file, so that it need not be read through for each letter.
#[derive(Debug, Default)]
struct Tail {
    path: PathBuf,
    salt: u64,
    length: u64,
    /// A write or a sync has failed there. Nobody knows what the disk has, so nothing is added to it any more.
    given_up: bool,
}

/// A file with room for a letter.
struct Open {
    file: File,
    path: PathBuf,
    salt: u64,
    end: u64,
}

/// One refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// When the oldest data in it came in.
    pub arrival: UnixNanos,
    /// When it was given up.
    pub refused: UnixNanos,
    /// What it carries.
    pub signal: SignalKind,
    /// Spans, data points, log records.
    pub items: u64,
    /// The name of the status code it was refused with.
    pub code: String,
    /// The destination's words; what is longer than [`REASON_BYTES_MAX`] is cut.
    pub reason: String,
    /// The export request.
    pub payload: Bytes,
}

/// Why a letter was not kept.
#[derive(Debug, Error)]
pub enum NotKept {
    /// The exporter's letters have reached their bound.
    #[error("the dead letters of this exporter have reached their bound of {bytes_max} bytes")]
    Full {
        /// The bound.
        bytes_max: u64,
    },
    /// The disk did not take it.
    #[error("the dead letter could not be written")]
    Storage(#[from] io::Error),
}

/// One file of letters, as a reader finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterFile {
    path: PathBuf,
}

/// What is in a [`LetterFile`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Who could not deliver them.
    pub exporter: String,
    /// Where they came from.
    pub pipeline: String,
    /// Those that nobody has taken yet, oldest first.
    pub letters: Vec<Found>,
    /// Bytes that are no letters: damage, or an end that is not finished.
    pub unreadable_bytes: u64,
}

/// A letter and its place in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The letter.
    pub letter: Letter,
    place: u64,
}

/// The right to send letters again, which one process has at a time.
#[derive(Debug)]
pub struct Replay {
    _lock: File,
}

/// Why a file of letters cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file system says no.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    /// Its beginning is damaged.
    #[error("the file does not begin like a file of dead letters")]
    Damaged,
    /// Another version of this program has written it.
    #[error(
        "it was written by another version of phasor (dead-letter format {found}, this one reads {})",
        format::VERSION
    )]
    Version {
        /// Its version.
        found: u32,
    },
}

// === impl DeadLetters ===

impl DeadLetters {
    /// The place for what `exporter` could not deliver of `pipeline`. Nothing is made or read before the first letter.
    /// `bytes_max` bounds the letters of the exporter, those of its other pipelines included.
    pub fn new(directory: &Path, exporter: &str, pipeline: &str, bytes_max: u64) -> Self {
        Self {
            directory: directory.to_owned(),
            exporter: exporter.to_owned(),
            pipeline: pipeline.to_owned(),
            bytes_max,
            tail: Mutex::default(),
        }
    }

    /// Puts a letter on disk. Blocking.
    ///
    /// # Errors
    /// It is not there; see [`NotKept`].
    pub fn keep(&self, letter: &Letter) -> Result<(), NotKept> {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.folder()?;
        let _held = hold(&folder)?;
        let header = Header::new(&self.exporter, &self.pipeline);
        let used: u64 = letter_files(&folder)?.iter().map(|path| length(path)).sum();
        if used + header.encode().len() as u64 + format::length(letter) > self.bytes_max {
            return Err(NotKept::Full { bytes_max: self.bytes_max });
        }
        let Open { file, path, salt, end } = match self.growing(&folder, &tail)? {
            Some(open) => open,
            None => self.begin(&folder, &header)?,
        };
        *tail = Tail { path, salt, length: end, given_up: false };
        let bytes = format::encode(salt, letter);
        if let Err(error) = file.write_all_at(&bytes, end).and_then(|()| file.sync_data()) {
            // The room that was taken is given back, if the disk lets us.
            let _ = file.set_len(end);
            tail.given_up = true;
            return Err(error.into());
        }
        tail.length = end + bytes.len() as u64;
        Ok(())
    }

    /// The exporter's folder, made if it is missing.
    fn folder(&self) -> io::Result<PathBuf> {
        let folder = self.directory.join(file_name(&self.exporter));
        if !folder.is_dir() {
            fs::create_dir_all(&folder)?;
            for made in folder.ancestors().skip(1).take(2) {
                sync_folder(made)?;
            }
        }
        Ok(folder)
    }

    /// The newest file of the pipeline, if it takes another letter.
    fn growing(&self, folder: &Path, known: &Tail) -> io::Result<Option<Open>> {
        let Some(path) = self.files(folder)?.pop() else { return Ok(None) };
        if path == known.path && known.given_up {
            return Ok(None);
        }
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let (salt, end) = if path == known.path && length == known.length {
            (known.salt, length)
        } else {
            match Scan::of(fs::read(&path)?.into()) {
                Ok(scan)
                    if scan.header.exporter == self.exporter && scan.header.pipeline == self.pipeline =>
                {
                    (scan.header.salt, scan.end)
                }
                // Somebody else's, or not readable: it is left as it is.
                Ok(_) | Err(_) => return Ok(None),
            }
        };
        if end >= FILE_BYTES {
            return Ok(None);
        }
        if end < length {
            file.set_len(end)?;
            file.sync_data()?;
        }
        Ok(Some(Open { file, path, salt, end }))
    }

    /// Begins a new file.
    fn begin(&self, folder: &Path, header: &Header) -> io::Result<Open> {
        let number = self.files(folder)?.last().and_then(|path| number_of(path)).unwrap_or_default() + 1;
        let path = folder.join(format!("{}.{number:08}.{SUFFIX}", file_name(&self.pipeline)));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let bytes = header.encode();
        if let Err(error) = file.write_all_at(&bytes, 0).and_then(|()| sync_folder(folder)) {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Open { file, path, salt: header.salt, end: bytes.len() as u64 })
    }

    /// The pipeline's own files, oldest first.
    fn files(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let prefix = format!("{}.", file_name(&self.pipeline));
        let is_own = |path: &PathBuf| {
            path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(&prefix))
        };
        Ok(letter_files(folder)?.into_iter().filter(is_own).collect())
    }
}

// === impl LetterFile ===

impl LetterFile {
    /// Every file of letters below this directory, by exporter and pipeline, oldest first. A directory that is not
    /// there has none.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn all(directory: &Path) -> io::Result<Vec<Self>> {
        let mut files = Vec::new();
        for folder in entries(directory)?.into_iter().filter(|path| path.is_dir()) {
            files.extend(letter_files(&folder)?.into_iter().map(|path| Self { path }));
        }
        Ok(files)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it; nothing if it has gone since it was found. At most some [`FILE_BYTES`] and one letter are read.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(&self) -> Result<Option<Contents>, ReadError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let length = bytes.len() as u64;
        let Scan { header: Header { exporter, pipeline, .. }, letters, end, damaged_bytes } =
            Scan::of(bytes)?;
        let letters = letters.into_iter().filter(|(_, taken)| !taken).map(|(found, _)| found).collect();
        Ok(Some(Contents { exporter, pipeline, letters, unreadable_bytes: damaged_bytes + length - end }))
    }

    /// Takes letters out, so that they are not found again. A file without any other letter is removed. Blocking; safe
    /// beside a process that adds letters.
    ///
    /// # Errors
    /// Those of the file system; some letters may then be found again.
    pub fn take(&self, letters: &[Found]) -> io::Result<()> {
        let Some(folder) = self.path.parent() else { return Ok(()) };
        let _held = hold(folder)?;
        let file = match OpenOptions::new().read(true).write(true).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for found in letters {
            file.write_all_at(&[1], found.place + TAKEN_AT)?;
        }
        file.sync_data()?;
        // Under the lock nobody adds to it. What is damaged nobody can read, so it goes with the last letter.
        let scan = Scan::of(fs::read(&self.path)?.into());
        if scan.is_ok_and(|scan| scan.letters.iter().all(|(_, taken)| *taken)) {
            fs::remove_file(&self.path)?;
            sync_folder(folder)?;
        }
        Ok(())
    }
}

// === impl Replay ===

impl Replay {
    /// Takes the right for the letters below this directory, which is there; nothing if another process has it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn begin(directory: &Path) -> io::Result<Option<Self>> {
        let lock = open_lock(&directory.join("replay.lock"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The files of letters in a folder, by their names: pipeline by pipeline, oldest first.
fn letter_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let files = entries(folder)?;
    Ok(files.into_iter().filter(|path| path.extension() == Some(OsStr::new(SUFFIX))).collect())
}

/// What is in a folder, sorted by name.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = listed.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Keeps every other process from changing this folder's letters, as long as the file lives.
fn hold(folder: &Path) -> io::Result<File> {
    let lock = open_lock(&folder.join("lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    Ok(lock)
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn length(path: &Path) -> u64 {
    // What went away meanwhile takes no room.
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// `PIPELINE.00000007.letters` has the number 7.
fn number_of(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.rsplit_once('.')?.1.parse().ok()
}

/// A name as a file name of its own: `otlp_grpc/eu` is `otlp_grpc%2Feu`. One that is too long for a file name ends in
/// its checksum instead.
fn file_name(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    if text.len() > NAME_BYTES_MAX {
        text.truncate(NAME_BYTES_MAX);
        text.push_str(&format!("~{:08x}", crc32fast::hash(name.as_bytes())));
    }
    text
}

/// A file that has reached this size is followed by a new one. Letters that are taken give their room back when the
/// whole file is taken.
pub const FILE_BYTES: u64 = 4 << 20;
/// What is kept of a destination's words.
pub const REASON_BYTES_MAX: usize = 1 << 10;
const SUFFIX: &str = "letters";
const NAME_BYTES_MAX: usize = 180;

#[cfg(test)]
mod tests;
