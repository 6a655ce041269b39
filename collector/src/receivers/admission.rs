//! Admission by bytes: nothing is buffered that the process has not made room for.
//!
//! - **In:** how many bytes somebody is about to hold.
//! - **Out:** a [`Permit`], or nothing: the caller then refuses at once with a hint to come back.
//! - **Guaranteed:** the permits given out never add up to more than the bound; a permit gives its
//!   bytes back when it is dropped, however that comes about; none is given, and none grows, while the
//!   whole process is at its limit. What a sender announces takes nothing from the budget: a body is admitted
//!   step by step as it arrives, so that silence keeps nobody out.
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

/// A buffer that is admitted step by step as it is filled, up to a limit of its own.
///
/// Its allocation runs ahead of what is in it, at most to [`FIRST_BYTES`] or [`GROWTH`] times what is there. That part
/// is address space: the system gives it memory only when it is written to.
#[derive(Debug)]
pub struct AdmittedBuffer {
    bytes: Vec<u8>,
    /// Covers every byte that is in `bytes`, and those that [`AdmittedBuffer::spare`] lets others write.
    permit: Permit,
    /// How much is to come, as far as somebody has said so. A hint.
    expected: usize,
    bytes_max: usize,
    /// What whoever fills it holds beside it.
    beside: u64,
}

/// Why a buffer could not grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The budget of the process is used up: a passing condition.
    Budget,
    /// The buffer's own limit is reached: this request is too large.
    Limit,
    /// It would not fit if nobody else had any of the budget: this request is too large, whenever it comes.
    Never,
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

    /// Whether that many bytes could be taken now. It takes none.
    pub fn has_room(&self, bytes: u64) -> bool {
        !self.budget.process_is_full(bytes) && bytes <= self.bytes_max().saturating_sub(self.bytes_in_use())
    }

    /// Why those were not given to somebody who asked for so many and holds `beside` already.
    pub fn why_not(&self, bytes: u64, beside: u64) -> Full {
        if bytes.saturating_add(beside) > self.bytes_max() { Full::Never } else { Full::Budget }
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

    /// The budget it is of.
    pub fn admission(&self) -> Admission {
        Admission { budget: Arc::clone(&self.budget) }
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
    /// An empty buffer for `expected` bytes, that never holds more than `bytes_max`. It takes nothing from the budget
    /// yet, but what has no room now is refused before it is read.
    ///
    /// # Errors
    /// `expected` is beyond `bytes_max`, or the budget has no room for it.
    pub fn new(admission: &Admission, expected: usize, bytes_max: usize) -> Result<Self, Full> {
        if expected > bytes_max {
            return Err(Full::Limit);
        }
        let permit = admission.try_acquire(0).filter(|_| admission.has_room(expected as u64));
        let permit = permit.ok_or_else(|| admission.why_not(expected as u64, 0))?;
        Ok(Self { bytes: Vec::new(), permit, expected, bytes_max, beside: 0 })
    }

    /// The same, filled by somebody who holds that many bytes already: they count when it is told why there is no room.
    #[must_use]
    pub fn beside(self, bytes: u64) -> Self {
        Self { beside: bytes, ..self }
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

    /// Makes room for `more` bytes.
    ///
    /// # Errors
    /// The limit or the budget is reached; the buffer is left as it was.
    pub fn reserve(&mut self, more: usize) -> Result<(), Full> {
        let needed = self.bytes.len().saturating_add(more);
        if needed > self.bytes_max {
            return Err(Full::Limit);
        }
        if needed > self.bytes.capacity() {
            // While it moves, what is there is there twice.
            let moving = self.bytes.len() as u64;
            if !self.cover(needed as u64 + moving) {
                return Err(self.why_not(needed as u64 + moving));
            }
            self.bytes.reserve_exact(self.capacity_for(needed) - self.bytes.len());
            self.permit.shrink_to(needed as u64);
        }
        let step = needed.next_multiple_of(STEP_BYTES).min(self.bytes.capacity());
        let covered = self.cover(step as u64) || self.cover(needed as u64);
        if covered { Ok(()) } else { Err(self.why_not(needed as u64)) }
    }

    /// The part that is filled, to be written through [`std::io::Read::read_to_end`] and the like.
    /// Whoever writes more than [`spare`](Self::spare) bytes breaks the cover of the permit.
    pub fn as_vec(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes that fit without growing, and are covered.
    pub fn spare(&self) -> usize {
        let covered = usize::try_from(self.permit.bytes()).unwrap_or(usize::MAX);
        self.bytes.capacity().min(covered).saturating_sub(self.bytes.len())
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

    /// A little beyond what arrives at once, exactly what is expected if that is near, and never beyond the limit.
    fn capacity_for(&self, needed: usize) -> usize {
        let ahead = FIRST_BYTES.max(self.bytes.len().saturating_mul(GROWTH));
        let wanted = if self.expected >= needed {
            self.expected.min(ahead)
        } else {
            self.bytes.capacity().saturating_mul(2).max(STEP_BYTES)
        };
        wanted.clamp(needed, self.bytes_max)
    }

    fn why_not(&self, bytes: u64) -> Full {
        self.permit.admission().why_not(bytes, self.beside)
    }

    /// Whether the permit covers `bytes` now.
    fn cover(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.permit.bytes());
        more == 0 || self.permit.try_grow(more)
    }
}

// === impl Budget ===

impl Budget {
    fn take(&self, bytes: u64) -> bool {
        if self.process_is_full(bytes) {
            return false;
        }
        let fits = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= self.bytes_max);
        self.used.try_update(Relaxed, Relaxed, fits).is_ok()
    }

    fn process_is_full(&self, bytes: u64) -> bool {
        self.process.as_ref().is_some_and(|(memory, max)| memory.bytes().saturating_add(bytes) > *max)
    }

    fn give_back(&self, bytes: u64) {
        let before = self.used.fetch_sub(bytes, Relaxed);
        debug_assert!(before >= bytes, "gave back {bytes} of {before}");
    }
}

/// What is taken from the budget at a time, while there is enough.
const STEP_BYTES: usize = 16 << 10;
/// What is allocated at once for a body of announced length: most bodies, so that they are not copied.
const FIRST_BYTES: usize = 1 << 20;
/// And what more is allocated for what has arrived.
const GROWTH: usize = 4;

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
    fn what_is_announced_takes_nothing_and_what_arrives_is_covered() {
        let admission = Admission::new(10 << 20);
        let mut silent: Vec<_> =
            (0..100).map(|_| AdmittedBuffer::new(&admission, 8 << 20, 8 << 20).unwrap()).collect();
        assert_eq!(admission.bytes_in_use(), 0);
        let mut buffer = AdmittedBuffer::new(&admission, 5 << 20, 8 << 20).unwrap();
        for _ in 0..500 {
            buffer.extend(&[7; 10 << 10]).unwrap();
            let (len, used) = (buffer.len() as u64, admission.bytes_in_use());
            assert!((len..=len + STEP_BYTES as u64).contains(&used), "{len} {used}");
            assert!(buffer.as_vec().capacity() <= FIRST_BYTES.max(GROWTH * len as usize));
        }
        silent[0].extend(&[1]).unwrap();
        drop(silent);
        let (bytes, permit) = buffer.freeze();
        assert_eq!((bytes.len() as u64, permit.bytes()), (5_120_000, admission.bytes_in_use()));
    }

    #[test]
    fn a_body_of_unknown_length_is_covered_while_it_grows_and_exact_when_it_is_done() {
        let admission = Admission::new(1_000_000);
        let mut buffer = AdmittedBuffer::new(&admission, 0, 300_000).unwrap();
        for chunk in [&[1_u8; 7_000][..], &[2; 20_000], &[3; 100_000]] {
            buffer.extend(chunk).unwrap();
            assert!(admission.bytes_in_use() >= buffer.len() as u64);
            assert!(buffer.spare() as u64 + buffer.len() as u64 <= admission.bytes_in_use());
        }
        let (bytes, permit) = buffer.freeze();
        assert_eq!((bytes.len(), permit.bytes(), admission.bytes_in_use()), (127_000, 127_000, 127_000));
    }

    #[test]
    fn what_would_not_fit_if_it_were_alone_is_told_so() {
        let admission = Admission::new(1_000);
        assert_eq!(AdmittedBuffer::new(&admission, 1_001, 2_000).unwrap_err(), Full::Never);
        let _other = admission.try_acquire(600).unwrap();
        assert_eq!(AdmittedBuffer::new(&admission, 1_000, 2_000).unwrap_err(), Full::Budget);
        let buffer = || AdmittedBuffer::new(&admission, 0, 2_000).unwrap();
        assert_eq!(buffer().extend(&[0; 1_000]), Err(Full::Budget));
        assert_eq!(buffer().extend(&[0; 1_001]), Err(Full::Never));
        assert_eq!(buffer().beside(600).extend(&[0; 401]), Err(Full::Never));
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
        assert_eq!((buffer.len(), admission.bytes_in_use()), (100, 1_000));
    }
}
