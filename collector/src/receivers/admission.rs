//! Admission by bytes: nothing is buffered that the process has not made room for.
//!
//! - **In:** how many bytes somebody is about to hold.
//! - **Out:** a [`Permit`], or nothing: the caller then refuses at once with a hint to come back.
//! - **Guaranteed:** the permits given out never add up to more than the bound; a permit gives its
//!   bytes back when it is dropped, however that comes about; none is given, and none grows, while the
//!   whole process is at its limit.
//! - **Not here:** waiting. Whoever waits for bytes while holding some can block everybody else.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use pipelines::memory::MemoryGauge;

/// The budget of the process for requests that are being received or not yet answered. Cheap to
/// clone; all clones share one budget.
#[derive(Clone, Debug)]
pub struct Admission {
    budget: Arc<Budget>,
}

/// Bytes taken from the budget. Hold it until the journal has the data, then drop it.
#[derive(Debug)]
pub struct Permit {
    budget: Arc<Budget>,
    bytes: u64,
}

/// A buffer whose whole capacity is covered by its permit, up to a limit of its own.
#[derive(Debug)]
pub struct AdmittedBuffer {
    bytes: Vec<u8>,
    /// Covers `bytes.capacity()`, and never less.
    permit: Permit,
    bytes_max: usize,
}

/// Why a buffer could not grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The budget of the process is used up: a passing condition.
    Budget,
    /// The buffer's own limit is reached: this request is too large.
    Limit,
}

#[derive(Debug)]
struct Budget {
    /// `0 <= used <= bytes_max`
    used: AtomicU64,
    bytes_max: u64,
    /// What all parts of the process may hold; nothing if that has no limit.
    process: Option<(MemoryGauge, u64)>,
}

// === impl Admission ===

impl Admission {
    /// A budget of `bytes_max` bytes.
    pub fn new(bytes_max: u64) -> Self {
        Self::within(bytes_max, None)
    }

    /// The same, in a process whose parts may hold so many bytes together.
    pub fn within(bytes_max: u64, process: Option<(MemoryGauge, u64)>) -> Self {
        Self { budget: Arc::new(Budget { used: AtomicU64::new(0), bytes_max, process }) }
    }

    /// Takes `bytes` from the budget, all or nothing, without waiting.
    pub fn try_acquire(&self, bytes: u64) -> Option<Permit> {
        self.budget.take(bytes).then(|| Permit { budget: Arc::clone(&self.budget), bytes })
    }

    /// Bytes taken at the moment.
    pub fn bytes_in_use(&self) -> u64 {
        self.budget.used.load(Relaxed)
    }

    /// The bound.
    pub fn bytes_max(&self) -> u64 {
        self.budget.bytes_max
    }
}

// === impl Permit ===

impl Permit {
    /// Takes `more` bytes on top, all or nothing.
    #[must_use]
    pub fn try_grow(&mut self, more: u64) -> bool {
        let taken = self.budget.take(more);
        if taken {
            self.bytes += more;
        }
        taken
    }

    /// Gives back all but `bytes`. A permit for less stays as it is.
    pub fn shrink_to(&mut self, bytes: u64) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.bytes -= surplus;
        self.budget.give_back(surplus);
    }

    /// What it covers.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

// === impl AdmittedBuffer ===

impl AdmittedBuffer {
    /// An empty buffer with room for exactly `capacity` bytes, that never holds more than `bytes_max`.
    ///
    /// # Errors
    /// `capacity` is beyond `bytes_max`, or the budget cannot cover it.
    pub fn new(admission: &Admission, capacity: usize, bytes_max: usize) -> Result<Self, Full> {
        if capacity > bytes_max {
            return Err(Full::Limit);
        }
        let permit = admission.try_acquire(capacity as u64).ok_or(Full::Budget)?;
        Ok(Self { bytes: Vec::with_capacity(capacity), permit, bytes_max })
    }

    /// Appends, growing where needed.
    ///
    /// # Errors
    /// The limit or the budget is reached; the buffer is left as it was.
    pub fn extend(&mut self, more: &[u8]) -> Result<(), Full> {
        self.reserve(more.len())?;
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// Makes room for at least `more` bytes: doubling where limit and budget allow, exact otherwise.
    ///
    /// # Errors
    /// The limit or the budget is reached; the buffer is left as it was.
    pub fn reserve(&mut self, more: usize) -> Result<(), Full> {
        let needed = self.bytes.len().saturating_add(more);
        if needed > self.bytes_max {
            return Err(Full::Limit);
        }
        if needed <= self.bytes.capacity() {
            return Ok(());
        }
        let doubled = self.bytes.capacity().saturating_mul(2).clamp(needed, self.bytes_max);
        if self.grow_to(doubled) || self.grow_to(needed) { Ok(()) } else { Err(Full::Budget) }
    }

    /// The part that is filled, to be written through [`std::io::Read::read_to_end`] and the like.
    /// Whoever writes more than [`spare`](Self::spare) bytes breaks the cover of the permit.
    pub fn as_vec(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes that fit without growing.
    pub fn spare(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes, and the permit that covers them. Capacity that stayed empty is given back, because
    /// the bytes live on in the journal's tail.
    pub fn freeze(mut self) -> (Bytes, Permit) {
        self.bytes.shrink_to_fit();
        self.permit.shrink_to(self.bytes.len() as u64);
        (Bytes::from(self.bytes), self.permit)
    }

    /// Moves to a larger allocation, if the budget covers the new one beside the old one.
    fn grow_to(&mut self, capacity: usize) -> bool {
        let old = self.bytes.capacity();
        if !self.permit.try_grow(capacity as u64) {
            return false;
        }
        self.bytes.reserve_exact(capacity - self.bytes.len());
        debug_assert!(self.bytes.capacity() >= old);
        self.permit.shrink_to(capacity as u64);
        true
    }
}

// === impl Budget ===

impl Budget {
    fn take(&self, bytes: u64) -> bool {
        if self.process.as_ref().is_some_and(|(memory, max)| memory.bytes().saturating_add(bytes) > *max) {
            return false;
        }
        let fits = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= self.bytes_max);
        self.used.try_update(Relaxed, Relaxed, fits).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        let before = self.used.fetch_sub(bytes, Relaxed);
        debug_assert!(before >= bytes, "gave back {bytes} of {before}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_never_add_up_to_more_than_the_bound() {
        let admission = Admission::new(100);
        let mut first = admission.try_acquire(60).unwrap();
        assert!(admission.try_acquire(41).is_none());
        assert!(first.try_grow(40));
        assert!(!first.try_grow(1));
        assert!(!first.try_grow(u64::MAX));
        assert_eq!((first.bytes(), admission.bytes_in_use()), (100, 100));
    }

    #[test]
    fn nothing_is_admitted_while_the_process_is_at_its_limit() {
        let memory = MemoryGauge::default();
        let table = memory.part("table", 1_000);
        let admission = Admission::within(100, Some((memory, 500)));
        table.set(480);
        let mut permit = admission.try_acquire(20).unwrap();
        table.set(481);
        assert!(admission.try_acquire(20).is_none());
        assert!(!permit.try_grow(20));
        table.set(400);
        assert!(admission.try_acquire(20).is_some());
    }

    #[test]
    fn a_permit_gives_back_what_it_took() {
        let admission = Admission::new(100);
        let mut permit = admission.try_acquire(80).unwrap();
        permit.shrink_to(30);
        permit.shrink_to(50);
        assert_eq!(admission.bytes_in_use(), 30);
        drop(permit);
        assert_eq!(admission.bytes_in_use(), 0);
    }

    #[test]
    fn threads_that_take_and_give_back_leave_nothing_behind() {
        let admission = Admission::new(1_000);
        std::thread::scope(|scope| {
            for size in 1..=4 {
                let admission = admission.clone();
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        let permit = admission.try_acquire(size * 97);
                        assert!(admission.bytes_in_use() <= 1_000);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(admission.bytes_in_use(), 0);
    }

    #[test]
    fn a_buffer_is_covered_while_it_grows_and_exact_when_it_is_done() {
        let admission = Admission::new(1_000);
        let mut buffer = AdmittedBuffer::new(&admission, 10, 300).unwrap();
        for chunk in [&[1_u8; 7][..], &[2; 20], &[3; 100]] {
            buffer.extend(chunk).unwrap();
            assert!(admission.bytes_in_use() >= buffer.as_vec().capacity() as u64);
        }
        let (bytes, permit) = buffer.freeze();
        assert_eq!((bytes.len(), permit.bytes(), admission.bytes_in_use()), (127, 127, 127));
    }

    #[test]
    fn a_buffer_stops_at_its_limit_and_at_the_budget() {
        let admission = Admission::new(1_000);
        assert_eq!(AdmittedBuffer::new(&admission, 301, 300).unwrap_err(), Full::Limit);
        let mut buffer = AdmittedBuffer::new(&admission, 0, 300).unwrap();
        assert_eq!(buffer.extend(&[0; 301]), Err(Full::Limit));
        let _other = admission.try_acquire(900).unwrap();
        assert_eq!(AdmittedBuffer::new(&admission, 101, 300).unwrap_err(), Full::Budget);
        assert_eq!(buffer.extend(&[0; 101]), Err(Full::Budget));
        buffer.extend(&[0; 100]).unwrap();
        assert_eq!(buffer.len(), 100);
    }
}
