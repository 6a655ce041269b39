//! Places for connections: a bound that silence cannot use up.
//!
//! - **In:** somebody who has connected, and when a request of theirs begins and ends.
//! - **Out:** a [`Place`], or nothing if every place is at work.
//! - **Guaranteed:** never more than the bound. When all places are taken, whoever has no request in flight makes
//!   room: first those who never sent one, the oldest first; then who has been idle longest.
//! - **Not here:** sockets and clocks. Every listener of the process uses it, so it stands in the lowest crate that
//!   has one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::sync::Notify;

/// The places of one listener. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Seats {
    shared: Arc<Shared>,
}

/// A place, as long as it is held.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
    key: u64,
    guest: Arc<Guest>,
}

/// A request in flight.
#[derive(Debug)]
pub struct Busy {
    shared: Arc<Shared>,
    guest: Arc<Guest>,
}

#[derive(Debug)]
struct Shared {
    places_max: usize,
    taken: Mutex<BTreeMap<u64, Arc<Guest>>>,
    /// Numbers arrivals and ends of requests in their order.
    clock: AtomicU64,
    refused: AtomicU64,
    evicted: AtomicU64,
}

#[derive(Debug, Default)]
struct Guest {
    in_flight: AtomicU64,
    /// When its last request ended; 0 before the first one.
    last: AtomicU64,
    leave: Notify,
}

// === impl Seats ===

impl Seats {
    /// Room for `places_max` connections.
    pub fn new(places_max: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                places_max,
                taken: Mutex::default(),
                clock: AtomicU64::new(1),
                refused: AtomicU64::default(),
                evicted: AtomicU64::default(),
            }),
        }
    }

    /// Takes a place, if need be that of somebody who does nothing. `None`: everybody is at work.
    pub fn take(&self) -> Option<Place> {
        let mut taken = self.shared.taken();
        if taken.len() >= self.shared.places_max {
            let idle = taken.iter().filter(|(_, guest)| guest.in_flight.load(Relaxed) == 0);
            let Some(key) =
                idle.min_by_key(|(key, guest)| (guest.last.load(Relaxed), **key)).map(|(key, _)| *key)
            else {
                self.shared.refused.fetch_add(1, Relaxed);
                return None;
            };
            if let Some(guest) = taken.remove(&key) {
                guest.leave.notify_one();
                self.shared.evicted.fetch_add(1, Relaxed);
            }
        }
        let (key, guest) = (self.shared.now(), Arc::new(Guest::default()));
        taken.insert(key, Arc::clone(&guest));
        Some(Place { shared: Arc::clone(&self.shared), key, guest })
    }

    /// How many there are.
    pub fn places_max(&self) -> usize {
        self.shared.places_max
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.shared.taken().len()
    }

    /// Connections turned away because every place was at work.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Relaxed)
    }

    /// Idle connections that made room for others.
    pub fn evicted(&self) -> u64 {
        self.shared.evicted.load(Relaxed)
    }
}

// === impl Place ===

impl Place {
    /// A request begins; it ends when what this gives is dropped.
    pub fn begin(&self) -> Busy {
        self.guest.in_flight.fetch_add(1, Relaxed);
        Busy { shared: Arc::clone(&self.shared), guest: Arc::clone(&self.guest) }
    }

    /// Resolves when somebody else has got this place: its connection must be closed. Cancel safe.
    pub async fn lost(&self) {
        self.guest.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.taken().remove(&self.key);
    }
}

// === impl Busy ===

impl Drop for Busy {
    fn drop(&mut self) {
        self.guest.last.store(self.shared.now(), Relaxed);
        self.guest.in_flight.fetch_sub(1, Relaxed);
    }
}

// === impl Shared ===

impl Shared {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Relaxed)
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Guest>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn is_lost(place: &Place) -> bool {
        place.lost().now_or_never().is_some()
    }

    #[test]
    fn who_never_asked_makes_room_first_and_then_who_is_idle_longest() {
        let seats = Seats::new(4);
        let places: Vec<_> = (0..4).map(|_| seats.take().unwrap()).collect();
        drop(places[2].begin());
        drop(places[0].begin());
        let busy = places[3].begin();
        let mut later = Vec::new();
        for expected in [1, 2, 0] {
            let place = seats.take().unwrap();
            later.push((place.begin(), place));
            let lost: Vec<_> = (0..4).filter(|index| is_lost(&places[*index])).collect();
            assert_eq!(lost, [expected]);
            assert_eq!(seats.taken(), 4);
        }
        assert!(seats.take().is_none(), "everybody is at work");
        assert_eq!((seats.evicted(), seats.refused()), (3, 1));
        drop(busy);
        assert!(seats.take().is_some());
    }

    #[test]
    fn a_place_is_free_when_its_holder_goes_also_if_it_was_lost_before() {
        let seats = Seats::new(1);
        let first = seats.take().unwrap();
        let second = seats.take().unwrap();
        assert!(is_lost(&first));
        drop(first);
        assert!(!is_lost(&second));
        assert_eq!(seats.taken(), 1);
        drop(second);
        assert_eq!(seats.taken(), 0);
    }
}
