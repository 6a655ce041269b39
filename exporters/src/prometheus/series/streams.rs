//! Several streams behind one series.
//!
//! A page does not show what tells streams apart: resource attributes and the scope may be left out of the labels,
//! `a.b` and `a_b` become one name, 1 and "1" one value. Counters and histograms that meet in one series so are
//! added up: what each stream said last is remembered, and what it adds is added.
//!
//! - **In:** points of streams, by a hash of all that identifies them.
//! - **Guaranteed:** the sum of the streams, exact; memory has a bound, [`STREAMS_MAX`] and [`Usage::may_hide`]. Beyond it
//!   a stream that was silent for [`FORGET_S`] is forgotten (what it counted stays), and whatever may have been
//!   forgotten is refused, so that nothing is counted twice.
//! - **Not here:** gauges and what else cannot be added; the row shows one stream of them.

use super::{
    Dropped,
    row::{Point, seconds},
    usage::Usage,
    value::{Temporality, Value},
};
use crate::prometheus::state::{Reader, put_varint};

/// What each stream said last.
#[derive(Debug)]
pub(super) struct Streams<V> {
    known: Vec<Stream<V>>,
    /// Who began before may have been forgotten; zero if nobody was.
    forgotten_ns: u64,
}

/// What one stream said last.
#[derive(Debug)]
pub(super) struct Stream<V> {
    /// See [`Point::stream`].
    pub(super) id: u64,
    /// As the sender says it; zero if unknown.
    pub(super) start_ns: u64,
    pub(super) time_ns: u64,
    pub(super) arrived_s: u32,
    pub(super) value: V,
}

// === impl Streams ===

impl<V: Value> Streams<V> {
    /// With one stream; nothing if there is no room to remember it.
    pub(super) fn new(first: Stream<V>, usage: &Usage) -> Option<Self> {
        let bytes = first.value.heap_bytes();
        usage.may_hide(bytes).then(|| {
            usage.hid(bytes);
            Self { known: vec![first], forgotten_ns: 0 }
        })
    }

    /// What a point adds to the sum of all. Nothing is remembered of it yet: that is for
    /// [`remember`](Self::remember), once it is added.
    ///
    /// # Errors
    /// It is older than what its stream said last, or may have been counted already.
    pub(super) fn increase(&mut self, point: &Point<'_>, reading: V::Reading<'_>) -> Result<V, Dropped> {
        let total = V::first(reading)?;
        let Some(at) = self.find(point) else {
            let delta = point.temporality == Temporality::Delta;
            let counted = !delta && point.start_ns < self.forgotten_ns;
            return if counted { Err(Dropped::StreamConflict) } else { Ok(total) };
        };
        let known = &self.known[at];
        let delta = point.temporality == Temporality::Delta;
        if point.time_ns < known.time_ns || (delta && point.time_ns == known.time_ns) {
            return Err(Dropped::OutOfOrder);
        }
        if delta || known.restarts_as(point) {
            return Ok(total);
        }
        // A fall is a restart that the sender did not announce.
        Ok(total.since(&known.value).unwrap_or(total))
    }

    /// Makes sure that the stream of this point can be remembered.
    ///
    /// # Errors
    /// There is no room, and nobody to forget. Increases can be added all the same.
    pub(super) fn make_room(
        &mut self,
        point: &Point<'_>,
        bytes: usize,
        usage: &Usage,
    ) -> Result<(), Dropped> {
        if self.find(point).is_some() || (self.known.len() < STREAMS_MAX && usage.may_hide(bytes)) {
            return Ok(());
        }
        let silent_since = seconds(point.now_ns).saturating_sub(FORGET_S);
        let oldest = self.known.iter().enumerate().min_by_key(|(_, stream)| stream.arrived_s);
        let Some((at, _)) = oldest.filter(|(_, stream)| stream.arrived_s <= silent_since) else {
            return Err(Dropped::StreamConflict);
        };
        let stream = self.known.swap_remove(at);
        usage.shown(stream.value.heap_bytes());
        self.forgotten_ns = self.forgotten_ns.max(stream.time_ns);
        Ok(())
    }

    /// Remembers what a point said. The answer is whether its stream is a new one.
    pub(super) fn remember(&mut self, point: &Point<'_>, value: V, usage: &Usage) -> bool {
        usage.hid(value.heap_bytes());
        let at = self.find(point);
        let said = Stream::new(point, value);
        match at {
            Some(at) => {
                let before = std::mem::replace(&mut self.known[at], said);
                usage.shown(before.value.heap_bytes());
            }
            None => self.known.push(said),
        }
        at.is_none()
    }

    /// The stream of this point has ended; what it counted stays. The answer is whether it was the last one.
    pub(super) fn end(&mut self, point: &Point<'_>, usage: &Usage) -> bool {
        if let Some(at) = self.find(point)
            && self.known[at].time_ns <= point.time_ns
        {
            usage.shown(self.known.swap_remove(at).value.heap_bytes());
        }
        self.known.is_empty()
    }

    /// Gives back what remembering took.
    pub(super) fn release(&self, usage: &Usage) {
        self.known.iter().for_each(|stream| usage.shown(stream.value.heap_bytes()));
    }

    /// Appends them to a snapshot.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        put_varint(out, self.forgotten_ns);
        put_varint(out, self.known.len() as u64);
        for stream in &self.known {
            put_varint(out, stream.id);
            put_varint(out, stream.start_ns);
            put_varint(out, stream.time_ns);
            put_varint(out, u64::from(stream.arrived_s));
            stream.value.save(out);
        }
    }

    /// Reads what [`save`](Self::save) wrote. The books are kept by the caller, with [`adopt`](Self::adopt).
    pub(super) fn restore(from: &mut Reader<'_>) -> Option<Self> {
        let forgotten_ns = from.varint()?;
        let count = from.count(5).filter(|count| *count <= STREAMS_MAX)?;
        let mut known = Vec::with_capacity(count);
        for _ in 0..count {
            let (id, start_ns, time_ns) = (from.varint()?, from.varint()?, from.varint()?);
            let arrived_s = u32::try_from(from.varint()?).ok()?;
            known.push(Stream { id, start_ns, time_ns, arrived_s, value: V::restore(from)? });
        }
        Some(Self { known, forgotten_ns })
    }

    /// Enters restored streams into the books.
    pub(super) fn adopt(&self, usage: &Usage) {
        self.known.iter().for_each(|stream| usage.hid(stream.value.heap_bytes()));
    }

    /// Where the stream of this point is. Processes may be alike in all but their start; one that started after
    /// the other was heard of last is the same, restarted.
    fn find(&self, point: &Point<'_>) -> Option<usize> {
        let mine = |stream: &&Stream<V>| stream.id == point.stream;
        let mut places = self.known.iter().enumerate().filter(|(_, stream)| mine(stream));
        let same = places.clone().find(|(_, stream)| stream.is_same(point));
        same.or_else(|| places.find(|(_, stream)| stream.restarts_as(point))).map(|(at, _)| at)
    }
}

// === impl Stream ===

impl<V> Stream<V> {
    /// What a point says.
    pub(super) fn new(point: &Point<'_>, value: V) -> Self {
        let (id, start_ns, time_ns) = (point.stream, point.start_ns, point.time_ns);
        Self { id, start_ns, time_ns, arrived_s: seconds(point.now_ns), value }
    }

    fn is_same(&self, point: &Point<'_>) -> bool {
        let unknown = self.start_ns == 0 || point.start_ns == 0 || point.temporality == Temporality::Delta;
        unknown || self.start_ns == point.start_ns
    }

    fn restarts_as(&self, point: &Point<'_>) -> bool {
        !self.is_same(point) && point.start_ns >= self.time_ns
    }
}

/// Streams of one series that are remembered.
pub(super) const STREAMS_MAX: usize = 1024;

/// A stream silent for so long may be forgotten where room is needed; in seconds.
pub(super) const FORGET_S: u32 = 3600;
