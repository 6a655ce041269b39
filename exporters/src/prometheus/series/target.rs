//! The resources behind the series: the family `target_info`, one line per job and instance.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Dropped, usage::Usage};
use crate::prometheus::{
    exemplar::ALLOCATION,
    protobuf,
    state::{Reader, put_bytes, put_varint},
    text::{Head, Kind, Writer},
};

/// Resources by what identifies them.
#[derive(Debug, Default)]
pub struct Targets {
    by_identity: Mutex<BTreeMap<Box<[u8]>, Target>>,
}

#[derive(Debug)]
struct Target {
    /// All of them, the identifying ones among them; rendered.
    labels: Box<[u8]>,
    arrived_ns: u64,
    input: u8,
}

// === impl Targets ===

impl Targets {
    /// Takes a resource: `identity` is `job` and `instance`, rendered, `labels` everything. What came
    /// last is shown.
    ///
    /// # Errors
    /// There is no room for another.
    pub fn put(
        &self,
        identity: &[u8],
        labels: &[u8],
        now_ns: u64,
        input: u8,
        usage: &Usage,
    ) -> Result<(), Dropped> {
        let mut targets = self.lock();
        if let Some(target) = targets.get_mut(identity) {
            if *target.labels != *labels {
                usage.changed((0, target.labels.len()), (0, labels.len()));
                target.labels = labels.into();
            }
            (target.arrived_ns, target.input) = (now_ns, input);
            return Ok(());
        }
        let target = Target { labels: labels.into(), arrived_ns: now_ns, input };
        let bytes = target.bytes(identity);
        if !usage.has_room(1, bytes) {
            return Err(Dropped::SeriesLimit);
        }
        usage.changed((0, 0), (1, bytes));
        targets.insert(identity.into(), target);
        Ok(())
    }

    /// Writes targets after `identity` until the buffer holds `bytes_max`. Gives the last one written,
    /// or nothing at the end.
    pub fn render(
        &self,
        after: Option<&[u8]>,
        writer: &mut Writer<'_>,
        bytes_max: usize,
    ) -> Option<Box<[u8]>> {
        let targets = self.lock();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut range = targets.range::<[u8], _>((start, Bound::Unbounded)).peekable();
        if range.peek().is_some() {
            let head =
                Head { name: "target", spelled: "", kind: Kind::Info, unit: "", help: "Target metadata" };
            writer.begin(&head, after.is_some());
        }
        let mut last = None;
        while let Some((identity, target)) = range.next() {
            target.render(writer);
            if writer.len() >= bytes_max && range.peek().is_some() {
                last = Some(identity.clone());
                break;
            }
        }
        writer.end();
        last
    }

    /// Forgets what has not been heard of since `before_ns`.
    pub fn expire(&self, before_ns: u64, usage: &Usage) {
        self.retain(usage, |target| target.arrived_ns >= before_ns);
    }

    /// Forgets what came from `input`.
    pub fn clear(&self, input: u8, usage: &Usage) {
        self.retain(usage, |target| target.input != input);
    }

    /// Appends what came from `input` to a snapshot.
    pub fn save(&self, input: u8, out: &mut Vec<u8>) {
        let targets = self.lock();
        put_varint(out, targets.values().filter(|target| target.input == input).count() as u64);
        for (identity, target) in targets.iter().filter(|(_, target)| target.input == input) {
            put_bytes(out, identity);
            put_bytes(out, &target.labels);
            put_varint(out, target.arrived_ns);
        }
    }

    /// Reads what [`save`](Self::save) wrote.
    pub fn restore(&self, input: u8, from: &mut Reader<'_>, usage: &Usage) -> Option<()> {
        for _ in 0..from.count(3)? {
            let (identity, labels, now_ns) = (from.labels()?, from.labels()?, from.varint()?);
            // No room is not a fault of the snapshot: limits may have been lowered.
            let _ = self.put(identity, labels, now_ns, input, usage);
        }
        Some(())
    }

    fn retain(&self, usage: &Usage, mut keep: impl FnMut(&Target) -> bool) {
        self.lock().retain(|identity, target| {
            let keep = keep(target);
            if !keep {
                usage.changed((1, target.bytes(identity)), (0, 0));
            }
            keep
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Box<[u8]>, Target>> {
        self.by_identity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Target ===

impl Target {
    fn render(&self, writer: &mut Writer<'_>) {
        writer.with_labels(&self.labels, |writer, labels| {
            if let Some(message) = writer.message() {
                return message.series(labels, |out| {
                    protobuf::push_number(out, Kind::Info, 1.0, |_| {});
                    true
                });
            }
            writer.sample(Kind::Info.suffix(), labels, None);
            writer.count(1);
            writer.end_line();
        });
    }

    fn bytes(&self, identity: &[u8]) -> usize {
        size_of::<Self>() + identity.len() + self.labels.len() + 3 * ALLOCATION
    }
}
