//! Watches the loops that everything depends on, and says which of them has stopped.
//!
//! - **In:** the beats of every loop ([`pipelines::pulse`]), and looks at them, each with the time.
//! - **Out:** the loops that have not beaten for [`STUCK_AFTER`], until they beat again.
//! - **Guaranteed:** a process that was held up as a whole (stopped, or short of CPU) blames no loop for it: between two
//!   looks at most [`LOOK_COUNTS`] pass. Nothing is ever ended here.
//! - **Not here:** whether a destination answers. A loop that waits for somebody beats.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing::{error, info};

/// Looks at all loops of the process.
#[derive(Clone, Debug)]
pub struct Watchdog {
    shared: Arc<Shared>,
}

/// One loop.
pub struct Loop {
    /// What it is, for people.
    pub name: String,
    /// How often it has gone round; nothing while there is no such loop.
    pub beats: Box<dyn Fn() -> Option<u64> + Send + Sync>,
}

/// How one loop was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// For how long it has not beaten, as far as anybody has looked.
    pub silent: Duration,
}

struct Shared {
    loops: Vec<Loop>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    looked: Option<Duration>,
    /// In the order of the loops.
    loops: Vec<LoopSeen>,
}

#[derive(Clone, Debug, Default)]
struct LoopSeen {
    beats: Option<u64>,
    silent: Duration,
}

// === impl Watchdog ===

impl Watchdog {
    /// Looks at these.
    pub fn new(loops: Vec<Loop>) -> Self {
        let seen = Seen { looked: None, loops: vec![LoopSeen::default(); loops.len()] };
        Self { shared: Arc::new(Shared { loops, seen: Mutex::new(seen) }) }
    }

    /// Looks at every loop. `now` counts from any moment, and never goes back.
    pub fn look(&self, now: Duration) -> Vec<Found> {
        let mut seen = self.shared.seen();
        let passed = seen.looked.map_or(Duration::ZERO, |looked| now.saturating_sub(looked)).min(LOOK_COUNTS);
        seen.looked = Some(now);
        let loops = self.shared.loops.iter().zip(&mut seen.loops);
        loops.map(|(watched, seen)| seen.look(watched, passed)).collect()
    }

    /// Looks every [`LOOK_EVERY`], on a thread of its own, so that it also sees a runtime that stands still; logs what
    /// it finds. Ends with `uptime`'s `None`.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(&self, uptime: impl Fn() -> Option<Duration> + Send + 'static) -> std::io::Result<()> {
        let watchdog = self.clone();
        let watch = move || {
            let mut stuck = vec![false; watchdog.shared.loops.len()];
            while let Some(now) = uptime() {
                for (found, was) in watchdog.look(now).into_iter().zip(&mut stuck) {
                    let is = found.is_stuck();
                    let Found { name, silent } = found;
                    if is && !*was {
                        error!(name, ?silent, "this loop makes no progress; /livez says so until it does");
                    } else if *was && !is {
                        info!(name, "this loop makes progress again");
                    }
                    *was = is;
                }
                std::thread::sleep(LOOK_EVERY);
            }
        };
        std::thread::Builder::new().name("watchdog".to_owned()).spawn(watch).map(drop)
    }
}

// === impl Found ===

impl Found {
    /// Whether it has been silent for too long.
    pub fn is_stuck(&self) -> bool {
        self.silent >= STUCK_AFTER
    }
}

// === impl LoopSeen ===

impl LoopSeen {
    fn look(&mut self, watched: &Loop, passed: Duration) -> Found {
        let beats = (watched.beats)();
        if beats.is_none() || beats != self.beats {
            self.silent = Duration::ZERO;
        } else {
            self.silent += passed;
        }
        self.beats = beats;
        Found { name: watched.name.clone(), silent: self.silent }
    }
}

// === impl Shared ===

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.loops.iter().map(|watched| &watched.name)).finish()
    }
}

impl fmt::Debug for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A loop that has not beaten for this long stands still: all beat every second, and a disk or a processor under load
/// may take some.
pub const STUCK_AFTER: Duration = Duration::from_secs(30);
/// How often the watchdog's own thread looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What passes between two looks at most, whatever the clock says.
const LOOK_COUNTS: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    /// Two loops, whose beats the test gives; 0 is a loop that is not there.
    fn two() -> (Watchdog, [Arc<AtomicU64>; 2]) {
        let beats = [(); 2].map(|()| Arc::new(AtomicU64::new(1)));
        let watched = |(name, beats): (&str, &Arc<AtomicU64>)| {
            let beats = Arc::clone(beats);
            let beats = move || Some(beats.load(Relaxed)).filter(|beats| *beats > 0);
            Loop { name: name.to_owned(), beats: Box::new(beats) }
        };
        let loops = ["first", "second"].into_iter().zip(&beats).map(watched).collect();
        (Watchdog::new(loops), beats)
    }

    fn stuck(found: &[Found]) -> Vec<&str> {
        found.iter().filter(|found| found.is_stuck()).map(|found| found.name.as_str()).collect()
    }

    #[test]
    fn a_loop_that_stops_is_named_and_one_that_goes_on_is_not() {
        let (watchdog, [first, _]) = two();
        for second in 0..=STUCK_AFTER.as_secs() {
            let found = watchdog.look(Duration::from_secs(second));
            let expected: &[&str] = if second == STUCK_AFTER.as_secs() { &["second"] } else { &[] };
            assert_eq!(stuck(&found), expected, "after {second} s");
            first.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_loop_that_beats_again_or_ends_is_not_stuck() {
        let (watchdog, [first, second]) = two();
        let last = STUCK_AFTER.as_secs() + 1;
        let looks = |seconds: std::ops::RangeInclusive<u64>| {
            seconds.fold(Vec::new(), |_, second| watchdog.look(Duration::from_secs(second)))
        };
        assert_eq!(stuck(&looks(0..=last)), ["first", "second"]);
        first.fetch_add(1, Relaxed);
        second.store(0, Relaxed);
        assert!(stuck(&watchdog.look(Duration::from_secs(last + 1))).is_empty());
        assert!(stuck(&looks(last + 2..=last + STUCK_AFTER.as_secs())).is_empty());
    }

    #[test]
    fn a_process_that_was_held_up_as_a_whole_blames_no_loop() {
        let (watchdog, _) = two();
        watchdog.look(Duration::ZERO);
        let found = watchdog.look(Duration::from_secs(3_600));
        assert!(stuck(&found).is_empty());
        assert_eq!(found[0].silent, LOOK_COUNTS);
    }
}
