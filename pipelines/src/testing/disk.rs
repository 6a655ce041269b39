//! A disk in memory that fails as disks do, the same way for the same seed.
//!
//! It keeps what a process sees apart from what would be there after a power cut: content that was not synced, and
//! names that were not synced, survive in part or not at all. Written sectors survive one by one, in no order.
//!
//! - **Guaranteed:** what [`crate::disk`] promises, and no more.
//! - **Not here:** latency.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::disk::{Disk, DiskFile, DiskLock};

/// The disk. Clones are the same one.
#[derive(Clone, Debug)]
pub struct FaultyDisk {
    model: Arc<Mutex<Model>>,
}

/// How often, of a hundred calls, something goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A write that writes a part and fails with `EIO`.
    pub writes: u64,
    /// A sync that fails with `EIO`, after which nobody knows what is safe.
    pub syncs: u64,
    /// A file that cannot be made, opened, renamed or removed.
    pub names: u64,
}

#[derive(Debug)]
struct Model {
    random: u64,
    faults: Faults,
    /// Bytes that all files together may have.
    room: u64,
    files: Vec<Content>,
    /// As the process sees them.
    names: BTreeMap<PathBuf, usize>,
    /// As they would be after a power cut, and what was done to them since.
    safe_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    /// Counts the lives of the process; handles of an earlier one are dead.
    life: u64,
}

#[derive(Debug, Default)]
struct Content {
    /// As the process sees it.
    live: Vec<u8>,
    /// As it would be after a power cut, and what was done since.
    safe: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Debug)]
enum NameChange {
    Make(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Debug)]
struct Handle {
    disk: FaultyDisk,
    file: usize,
    life: u64,
}

/// Gives the lock back.
struct Held {
    disk: FaultyDisk,
    path: PathBuf,
    life: u64,
}

// === impl FaultyDisk ===

impl FaultyDisk {
    /// An empty disk without faults and with room for everything.
    pub fn new(seed: u64) -> Self {
        let model = Model {
            random: seed,
            faults: Faults::default(),
            room: u64::MAX,
            files: Vec::new(),
            names: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            name_changes: Vec::new(),
            locks: BTreeSet::new(),
            life: 0,
        };
        Self { model: Arc::new(Mutex::new(model)) }
    }

    /// From here on this goes wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.model().faults = faults;
    }

    /// From here on all files together may have this many bytes.
    pub fn set_room(&self, bytes: u64) {
        self.model().room = bytes;
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.model().used()
    }

    /// The process dies: its handles and locks are gone, and nothing else.
    pub fn kill(&self) {
        let mut model = self.model();
        model.life += 1;
        model.locks.clear();
    }

    /// The power goes: of what was not synced a part is there afterwards, or none of it, or all.
    pub fn cut_power(&self) {
        self.kill();
        let mut model = self.model();
        let survival = [0, 50, 100][model.below(3) as usize];
        for change in std::mem::take(&mut model.name_changes) {
            if model.chance(survival) {
                model.keep(change);
            }
        }
        for index in 0..model.files.len() {
            model.settle(index, survival);
            model.files[index].live = model.files[index].safe.clone();
        }
        model.names = model.safe_names.clone();
    }

    /// Turns one bit over, somewhere in a file whose name ends like this; `false` if there is none.
    pub fn flip_bit(&self, end: &str) -> bool {
        let mut model = self.model();
        let named: Vec<_> = model
            .names
            .iter()
            .filter(|(path, file)| {
                path.to_string_lossy().ends_with(end) && !model.files[**file].live.is_empty()
            })
            .map(|(_, file)| *file)
            .collect();
        let Some(file) = named.get(model.below(named.len().max(1) as u64) as usize).copied() else {
            return false;
        };
        let bits = model.files[file].live.len() as u64 * 8;
        let bit = model.below(bits) as usize;
        let content = &mut model.files[file];
        for bytes in [&mut content.live, &mut content.safe] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        true
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, file: usize) -> Box<dyn DiskFile> {
        let life = self.model().life;
        Box::new(Handle { disk: self.clone(), file, life })
    }
}

impl Disk for FaultyDisk {
    fn make_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let model = self.model();
        let inside = model.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut model = self.model();
        model.name_fault()?;
        let file = model.files.len();
        model.files.push(Content::default());
        model.names.insert(path.to_owned(), file);
        model.name_changes.push(NameChange::Make(path.to_owned(), file));
        drop(model);
        Ok(self.handle(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.model().names.get(path).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut model = self.model();
        model.name_fault()?;
        let file = model.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        model.names.insert(to.to_owned(), file);
        model.name_changes.push(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut model = self.model();
        model.name_fault()?;
        model.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        model.name_changes.push(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        let mut model = self.model();
        model.sync_fault()?;
        for change in std::mem::take(&mut model.name_changes) {
            model.keep(change);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<DiskLock> {
        let mut model = self.model();
        if !model.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let life = model.life;
        drop(model);
        Ok(Box::new(Held { disk: self.clone(), path: path.to_owned(), life }))
    }
}

// === impl Handle ===

impl Handle {
    /// The disk, if the process that opened the file still lives.
    fn model(&self) -> io::Result<MutexGuard<'_, Model>> {
        let model = self.disk.model();
        if model.life == self.life { Ok(model) } else { Err(io::Error::other("this process is dead")) }
    }
}

impl DiskFile for Handle {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let model = self.model()?;
        let rest = model.files[self.file].live.get(at as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        let mut bytes = pieces.iter().flat_map(|piece| piece.iter().copied()).collect::<Vec<_>>();
        let mut model = self.model()?;
        let mut outcome = Ok(());
        let end = at as usize + bytes.len();
        let more = end.saturating_sub(model.files[self.file].live.len()) as u64;
        let room = model.room.saturating_sub(model.used());
        if more > room {
            let whole = bytes.len() as u64;
            bytes.truncate(whole.saturating_sub(more - room) as usize);
            outcome = Err(io::ErrorKind::StorageFull.into());
        } else if model.happens(|faults| faults.writes) {
            let part = model.below(bytes.len() as u64 + 1) as usize;
            bytes.truncate(part);
            outcome = Err(io::Error::other("a write failed"));
        }
        model.files[self.file].change(Change::Write { at: at as usize, bytes });
        outcome
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.model()?.files[self.file].change(Change::SetLen(bytes as usize));
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.model()?.files[self.file].live.len() as u64)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut model = self.model()?;
        let more = bytes.saturating_sub(model.files[self.file].live.len() as u64);
        if more > model.room.saturating_sub(model.used()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if more > 0 {
            model.files[self.file].change(Change::SetLen(bytes as usize));
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut model = self.model()?;
        let outcome = model.sync_fault();
        // After a failed one the system has forgotten that anything is left to be written.
        model.settle(self.file, if outcome.is_ok() { 100 } else { 50 });
        outcome
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut model = self.disk.model();
        if model.life == self.life {
            model.locks.remove(&self.path);
        }
    }
}

// === impl Model ===

impl Model {
    fn used(&self) -> u64 {
        self.names.values().map(|file| self.files[*file].live.len() as u64).sum()
    }

    fn keep(&mut self, change: NameChange) {
        match change {
            NameChange::Make(path, file) => {
                self.safe_names.insert(path, file);
            }
            NameChange::Rename(from, to) => {
                if let Some(file) = self.safe_names.remove(&from) {
                    self.safe_names.insert(to, file);
                }
            }
            NameChange::Remove(path) => {
                self.safe_names.remove(&path);
            }
        }
    }

    /// Of what was written since the last sync, this share becomes safe.
    fn settle(&mut self, file: usize, survival: u64) {
        for change in std::mem::take(&mut self.files[file].changes) {
            match change {
                Change::SetLen(length) => {
                    if self.chance(survival) {
                        self.files[file].safe.resize(length, 0);
                    }
                }
                Change::Write { at, bytes } => {
                    for (index, sector) in bytes.chunks(SECTOR).enumerate() {
                        if self.chance(survival) {
                            write(&mut self.files[file].safe, at + index * SECTOR, sector);
                        }
                    }
                }
            }
        }
    }

    fn name_fault(&mut self) -> io::Result<()> {
        if self.happens(|faults| faults.names) {
            Err(io::Error::other("a name could not be changed"))
        } else {
            Ok(())
        }
    }

    fn sync_fault(&mut self) -> io::Result<()> {
        if self.happens(|faults| faults.syncs) { Err(io::Error::other("a sync failed")) } else { Ok(()) }
    }

    fn happens(&mut self, fault: impl Fn(&Faults) -> u64) -> bool {
        let percent = fault(&self.faults);
        self.chance(percent)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

// === impl Content ===

impl Content {
    fn change(&mut self, change: Change) {
        match &change {
            Change::Write { at, bytes } => write(&mut self.live, *at, bytes),
            Change::SetLen(length) => self.live.resize(*length, 0),
        }
        self.changes.push(change);
    }
}

fn write(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end && !bytes.is_empty() {
        content.resize(end, 0);
    }
    content.get_mut(at..end).into_iter().for_each(|place| place.copy_from_slice(bytes));
}

/// What a disk writes as a whole.
const SECTOR: usize = 512;
