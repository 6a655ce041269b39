//! What the journal and the snapshots ask of a disk, and the real one.
//!
//! - **Guaranteed (by an implementation):** what was written is there for this process at once, and after a power cut
//!   once [`DiskFile::sync`] has returned `Ok`; a name that was made, changed or removed is so after a power cut once
//!   [`Disk::sync_folder`] has. Until then any part of it may be missing.
//! - **Not here:** a retry. After a failed sync nobody knows what the disk holds, and a second one may lie.

use std::{
    any::Any,
    fmt,
    fs::{self, DirBuilder, File},
    io::{self, IoSlice},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use rustix::{
    fs::{FallocateFlags, FlockOperation, fallocate, flock},
    io::{Errno, pwritev},
};

/// A place for files. Every call blocks.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes a folder, and those above it.
    ///
    /// # Errors
    /// The file system's.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;

    /// The names in a folder, in no order.
    ///
    /// # Errors
    /// The file system's; `NotFound` if there is no such folder.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// A new, empty file; one of that name is emptied.
    ///
    /// # Errors
    /// The file system's.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// A file that is there, to read and to write.
    ///
    /// # Errors
    /// The file system's; `NotFound` if there is none.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, in place of whatever had it.
    ///
    /// # Errors
    /// The file system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Who has it open reads on.
    ///
    /// # Errors
    /// The file system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names of a folder outlive a power cut.
    ///
    /// # Errors
    /// The file system's.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Takes a lock file for this process, until what it gives is dropped or the process ends.
    ///
    /// # Errors
    /// `WouldBlock` if another one has it.
    fn lock(&self, path: &Path) -> io::Result<DiskLock>;
}

/// A file of a [`Disk`]. Every call blocks.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Fills `buffer` from `at` on, as far as the file reaches, and tells how far that was.
    ///
    /// # Errors
    /// The file system's.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all pieces, one behind the other, from `at` on.
    ///
    /// # Errors
    /// The file system's. Then any part of it may have been written.
    fn write_at(&self, pieces: &[IoSlice<'_>], at: u64) -> io::Result<()>;

    /// Cuts the file, or lengthens it with zeros.
    ///
    /// # Errors
    /// The file system's.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// How long the file is.
    ///
    /// # Errors
    /// The file system's.
    fn bytes(&self) -> io::Result<u64>;

    /// Sets room aside, so that the file is at least this long.
    ///
    /// # Errors
    /// The file system's, which may not be able to, or have no room.
    fn allocate(&self, bytes: u64) -> io::Result<()>;

    /// Makes content and length outlive a power cut.
    ///
    /// # Errors
    /// The file system's. What was written since the last sync is then lost or not; no later sync will tell.
    fn sync(&self) -> io::Result<()>;
}

/// A lock that is held as long as this lives.
pub type DiskLock = Box<dyn Any + Send + Sync>;

/// The file system of this machine. What it makes only its owner can read: payloads are nobody else's business.
#[derive(Clone, Copy, Debug)]
struct Files;

/// The file system of this machine.
pub fn files() -> Arc<dyn Disk> {
    Arc::new(Files)
}

// === impl dyn DiskFile ===

impl dyn DiskFile + '_ {
    /// The bytes from `at` on, `bytes` of them or as many as there are.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn read(&self, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; bytes];
        let read = self.read_at(&mut buffer, at)?;
        buffer.truncate(read);
        Ok(buffer)
    }

    /// The whole file.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn read_all(&self) -> io::Result<Vec<u8>> {
        self.read(0, usize::try_from(self.bytes()?).map_err(io::Error::other)?)
    }
}

// === impl Files ===

impl Disk for Files {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        fs::read_dir(folder)?.map(name).collect()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(
            File::options().create(true).truncate(true).read(true).write(true).mode(0o600).open(path)?,
        ))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::options().read(true).write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<DiskLock> {
        let file = File::options().create(true).write(true).truncate(false).mode(0o600).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }
}

impl DiskFile for File {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match FileExt::read_at(self, &mut buffer[read..], at + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], mut at: u64) -> io::Result<()> {
        let mut pieces = pieces.to_vec();
        let mut left = &mut pieces[..];
        // Nothing to write is nothing the system has to be asked.
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match pwritev(self, &left[..left.len().min(PIECES_MAX)], at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at += written as u64;
                    IoSlice::advance_slices(&mut left, written);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        File::set_len(self, bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        Ok(fallocate(self, FallocateFlags::empty(), 0, bytes)?)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// What Linux takes in one call.
const PIECES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_pieces_are_written_as_one_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = files().create(&path).unwrap();
        let parts: Vec<Vec<u8>> = (0..3_000_usize).map(|part| vec![part as u8; part % 5]).collect();
        let pieces: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        file.write_at(&pieces, 7).unwrap();
        let whole = [vec![0; 7], parts.concat()].concat();
        assert_eq!(file.read_all().unwrap(), whole);
        assert_eq!(file.read(5, 10).unwrap(), whole[5..15]);
        assert_eq!(file.read(whole.len() as u64 - 3, 10).unwrap(), whole[whole.len() - 3..]);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("a");
        files().make_folder(&inside).unwrap();
        files().create(&inside.join("file")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inside), mode(&inside.join("file"))), (0o700, 0o600));
    }

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = files().lock(&path).unwrap();
        assert_eq!(files().lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        files().lock(&path).unwrap();
    }
}
