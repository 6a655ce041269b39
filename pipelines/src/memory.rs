//! The memory the process has promised to stay within, as a sum of named parts.
//!
//! Whoever buffers (admission, journal tails, tables, aggregators, requests in flight) is a part with a bound. Who
//! knows a part's size at any moment tells it ([`MemoryPart::set`]); where the holder counts by itself, the gauge
//! reads it on every [`MemoryGauge::refresh`] ([`MemoryGauge::follow`]). `memory_limiter` reads the sum; the start
//! banner prints the bounds; `/metrics` shows both.
//!
//! - **Guaranteed:** reading the sum costs one atomic load, however many parts there are; a part that is dropped
//!   gives its bytes back; a refresh costs a few loads a part and walks nothing.
//! - **Not here:** keeping the bounds. Each holder keeps its own.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// The sum of all parts. Cheap to clone; all clones see the same parts.
#[derive(Clone, Debug, Default)]
pub struct MemoryGauge {
    shared: Arc<Shared>,
}

/// One named part of the budget.
#[derive(Debug)]
pub struct MemoryPart {
    name: String,
    bytes: AtomicU64,
    bytes_max: AtomicU64,
    total: Arc<AtomicU64>,
}

/// A part as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryReading {
    /// What holds the bytes.
    pub name: String,
    /// Bytes held now.
    pub bytes: u64,
    /// Bytes it may hold at most.
    pub bytes_max: u64,
}

#[derive(Debug, Default)]
struct Shared {
    /// Always the sum of `bytes` over the living parts.
    total: Arc<AtomicU64>,
    parts: Mutex<Vec<Weak<MemoryPart>>>,
    followed: Mutex<Vec<Followed>>,
}

/// A part whose size is read.
struct Followed {
    part: Arc<MemoryPart>,
    read: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Whether `read` tells what there is in all, and the part holds what no other accounts for.
    is_rest: bool,
}

// === impl MemoryGauge ===

impl MemoryGauge {
    /// Registers a part that promises to hold at most `bytes_max`.
    pub fn part(&self, name: impl Into<String>, bytes_max: u64) -> Arc<MemoryPart> {
        let part = Arc::new(MemoryPart {
            name: name.into(),
            bytes: AtomicU64::new(0),
            bytes_max: AtomicU64::new(bytes_max),
            total: Arc::clone(&self.shared.total),
        });
        let mut parts = self.shared.parts();
        parts.retain(|part| part.strong_count() > 0);
        parts.push(Arc::downgrade(&part));
        part
    }

    /// Registers a part for as long as the gauge lives, whose holder counts by itself: `read` tells what it holds.
    /// It must be cheap, and must not ask the gauge.
    pub fn follow(
        &self,
        name: impl Into<String>,
        bytes_max: u64,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.add_followed(name.into(), bytes_max, Box::new(read), false);
    }

    /// The same for the part that holds what no other part accounts for: `read` tells what there is in all.
    pub fn follow_rest(
        &self,
        name: impl Into<String>,
        bytes_max: u64,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.add_followed(name.into(), bytes_max, Box::new(read), true);
    }

    /// Reads every followed part anew; what others account for before what nobody does.
    pub fn refresh(&self) {
        let followed = self.shared.followed();
        for Followed { part, read, .. } in followed.iter().filter(|followed| !followed.is_rest) {
            part.set(read());
        }
        for Followed { part, read, .. } in followed.iter().filter(|followed| followed.is_rest) {
            let others = self.bytes().saturating_sub(part.bytes.load(Relaxed));
            part.set(read().saturating_sub(others));
        }
    }

    /// Bytes held by all parts, the followed ones as of the last [`refresh`](Self::refresh).
    pub fn bytes(&self) -> u64 {
        self.shared.total.load(Relaxed)
    }

    /// The sum of all bounds.
    pub fn bytes_max(&self) -> u64 {
        self.shared.living().iter().fold(0, |sum, part| sum.saturating_add(part.bytes_max.load(Relaxed)))
    }

    /// Every part as it is now, in the order of registration.
    pub fn readings(&self) -> Vec<MemoryReading> {
        self.refresh();
        self.shared.living().iter().map(|part| part.reading()).collect()
    }

    fn add_followed(
        &self,
        name: String,
        bytes_max: u64,
        read: Box<dyn Fn() -> u64 + Send + Sync>,
        is_rest: bool,
    ) {
        let part = self.part(name, bytes_max);
        self.shared.followed().push(Followed { part, read, is_rest });
    }
}

// === impl MemoryPart ===

impl MemoryPart {
    /// Says how many bytes the part holds now.
    pub fn set(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Relaxed);
        if bytes >= before {
            self.total.fetch_add(bytes - before, Relaxed);
        } else {
            self.total.fetch_sub(before - bytes, Relaxed);
        }
    }

    /// Changes the bound, as a reload may.
    pub fn set_bytes_max(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Relaxed);
    }

    fn reading(&self) -> MemoryReading {
        MemoryReading {
            name: self.name.clone(),
            bytes: self.bytes.load(Relaxed),
            bytes_max: self.bytes_max.load(Relaxed),
        }
    }
}

impl Drop for MemoryPart {
    fn drop(&mut self) {
        self.set(0);
    }
}

// === impl Shared ===

impl Shared {
    fn living(&self) -> Vec<Arc<MemoryPart>> {
        self.parts().iter().filter_map(Weak::upgrade).collect()
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Weak<MemoryPart>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn followed(&self) -> MutexGuard<'_, Vec<Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Followed ===

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.part.fmt(f)
    }
}

/// Resident memory of this process, or nothing on systems that do not tell (other than Linux).
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

/// What the machine has, or the container is given if that is less. Read when a configuration asks for a share
/// of it; without any source, as on systems other than Linux, 4 GiB.
pub fn machine_bytes() -> u64 {
    let read = |path| std::fs::read_to_string(path).ok();
    let container = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    });
    container.into_iter().chain(machine).min().unwrap_or(4 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gauge_is_the_sum_of_its_living_parts() {
        let gauge = MemoryGauge::default();
        let admission = gauge.part("admission", 100);
        let tails = gauge.part("tails", 50);
        admission.set(30);
        tails.set(20);
        admission.set(10);
        assert_eq!((gauge.bytes(), gauge.bytes_max()), (30, 150));
        drop(tails);
        assert_eq!((gauge.bytes(), gauge.bytes_max()), (10, 100));
        let names: Vec<_> = gauge.readings().into_iter().map(|part| part.name).collect();
        assert_eq!(names, ["admission"]);
    }

    #[test]
    fn a_followed_part_is_read_on_refresh_and_the_rest_is_what_no_part_accounts_for() {
        let gauge = MemoryGauge::default();
        let (held, resident) = (Arc::new(AtomicU64::new(5)), Arc::new(AtomicU64::new(100)));
        let (table, process) = (Arc::clone(&held), Arc::clone(&resident));
        gauge.follow_rest("process", 1_000, move || process.load(Relaxed));
        gauge.follow("table", 10, move || table.load(Relaxed));
        let admission = gauge.part("admission", 50);
        admission.set(20);
        assert_eq!(gauge.bytes(), 20, "nothing was read yet");
        gauge.refresh();
        assert_eq!(gauge.bytes(), 100, "all of it is accounted for, once");
        let bytes: Vec<_> = gauge.readings().iter().map(|part| part.bytes).collect();
        assert_eq!(bytes, [75, 5, 20]);
        held.store(9, Relaxed);
        resident.store(10, Relaxed);
        let bytes: Vec<_> = gauge.readings().iter().map(|part| part.bytes).collect();
        assert_eq!(bytes, [0, 9, 20], "parts may promise more than is resident");
        assert_eq!(gauge.bytes(), 29);
    }

    #[test]
    fn a_process_knows_its_resident_memory() {
        let before = resident_bytes().expect("Linux tells");
        let touched = vec![1_u8; 64 << 20];
        let after = resident_bytes().expect("Linux tells");
        assert!(before > 0 && after >= before + (60 << 20), "{before} {after} {}", touched.len());
    }
}
