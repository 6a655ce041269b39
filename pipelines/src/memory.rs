//! The memory the process has promised to stay within, as a sum of named parts.
//!
//! Whoever buffers (admission, journal tails, tables, aggregators) registers a part with its bound and keeps
//! its current size up to date. `memory_limiter` reads the sum; the start banner prints the parts.
//!
//! - **Guaranteed:** reading the sum costs one atomic load; a part that is dropped gives its bytes back.
//! - **Not here:** the allocator's view. A bound is what a part promises, not what the heap happens to hold.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU64, Ordering::Relaxed},
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
    shared: Arc<Shared>,
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
    total: AtomicU64,
    parts: Mutex<Vec<Weak<MemoryPart>>>,
}

// === impl MemoryGauge ===

impl MemoryGauge {
    /// Registers a part that promises to hold at most `bytes_max`.
    pub fn part(&self, name: impl Into<String>, bytes_max: u64) -> Arc<MemoryPart> {
        let part = Arc::new(MemoryPart {
            name: name.into(),
            bytes: AtomicU64::new(0),
            bytes_max: AtomicU64::new(bytes_max),
            shared: Arc::clone(&self.shared),
        });
        let mut parts = self.shared.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.retain(|part| part.strong_count() > 0);
        parts.push(Arc::downgrade(&part));
        part
    }

    /// Bytes held by all parts now.
    pub fn bytes(&self) -> u64 {
        self.shared.total.load(Relaxed)
    }

    /// The sum of all bounds.
    pub fn bytes_max(&self) -> u64 {
        self.readings().iter().fold(0, |sum, part| sum.saturating_add(part.bytes_max))
    }

    /// Every part, in the order of registration.
    pub fn readings(&self) -> Vec<MemoryReading> {
        let parts = self.shared.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().filter_map(Weak::upgrade).map(|part| part.reading()).collect()
    }
}

// === impl MemoryPart ===

impl MemoryPart {
    /// Says how many bytes the part holds now.
    pub fn set(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Relaxed);
        if bytes >= before {
            self.shared.total.fetch_add(bytes - before, Relaxed);
        } else {
            self.shared.total.fetch_sub(before - bytes, Relaxed);
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
}
