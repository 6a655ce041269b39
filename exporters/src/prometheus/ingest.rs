//! The table as the end of a pipeline: an [`Aggregator`] that emits nothing.
//!
//! - **In:** metric batches with their arrival time; ticks when idle.
//! - **Out:** points in the shared [`Table`]; a snapshot of those that came through this input, so that
//!   totals added up from deltas, start times and exemplars survive a restart.

use std::{hash::BuildHasher, sync::Arc, time::Duration};

use pipelines::{
    consumer::{Aggregator, RestoreError},
    time::UnixNanos,
};
use proto::AnyBatch;

use super::{
    config::Config,
    series::{
        Metric, Table,
        family::{Family, Store},
        shelf::Ages,
    },
    state::{Reader, put_bytes, put_varint},
    text::Kind,
    translate::{Settings, Translator},
};

/// One input of a table: one per pipeline that names the exporter.
#[derive(Debug)]
pub struct PrometheusTable {
    table: Arc<Table>,
    translator: Translator,
    fingerprint: u64,
    input: u8,
    expiration: Duration,
    exemplar_retention_ns: u64,
    zero_first_ns: u64,
    /// Where the sweep goes on: a family's name and a place in it.
    swept: Option<(Box<str>, u32)>,
}

// === impl PrometheusTable ===

impl PrometheusTable {
    /// The input number `input` of `table`. Inputs of one table have different numbers, the same after
    /// a restart.
    pub fn new(config: &Config, table: Arc<Table>, input: u8) -> Self {
        let settings = Settings::new(config);
        let fingerprint = foldhash::fast::FixedState::default().hash_one((STATE_VERSION, input, &settings));
        Self {
            table,
            translator: Translator::new(settings, input),
            fingerprint,
            input,
            expiration: config.metric_expiration.0,
            exemplar_retention_ns: config.exemplar_retention_ns(),
            zero_first_ns: config.zero_first_ns(),
            swept: None,
        }
    }

    /// Looks after some of the series: those that expired, exemplars past their time.
    fn sweep(&mut self, now: UnixNanos) {
        let expire_before = match self.expiration {
            Duration::ZERO => 0,
            expiration => now.0.saturating_sub(u64::try_from(expiration.as_nanos()).unwrap_or(u64::MAX)),
        };
        if expire_before > 0 {
            self.table.targets.expire(expire_before, &self.table.usage);
        }
        let ages = Ages {
            now_ns: now.0,
            expire_before_s: u32::try_from(expire_before / 1_000_000_000).unwrap_or(u32::MAX),
            exemplar_retention_ns: self.exemplar_retention_ns,
            zero_first_ns: self.zero_first_ns,
        };
        let mut budget = SWEPT_PER_TICK;
        while budget > 0 {
            let name = self.swept.as_ref().map(|(name, _)| &**name);
            let Some((family, start)) = self.next_to_sweep(name) else {
                self.swept = None;
                return;
            };
            let end = start.saturating_add(budget.min(SWEPT_AT_ONCE));
            let places = family.with_store(|store| {
                self.sweep_store(store, start..end, &ages);
                store.places()
            });
            budget = budget.saturating_sub(end.min(places).saturating_sub(start).max(1));
            self.swept = Some((family.name.clone(), if end < places { end } else { u32::MAX }));
            if end >= places {
                self.table.remove_empty(&[family]);
            }
        }
    }

    /// The family in which the sweep goes on, and where.
    fn next_to_sweep(&self, name: Option<&str>) -> Option<(Arc<Family>, u32)> {
        if let Some((name, place)) = &self.swept
            && *place != u32::MAX
            && let Some(family) = self.table.get(name)
        {
            return Some((family, *place));
        }
        self.table.families_after(name, 1).pop().map(|family| (family, 0))
    }

    fn sweep_store(&self, store: &mut Store, places: std::ops::Range<u32>, ages: &Ages) {
        let usage = &self.table.usage;
        let places = places.start..places.end.min(store.places());
        match store {
            Store::Singles(shelf) => shelf.sweep(places, ages, usage),
            Store::Histograms(shelf) => shelf.sweep(places, ages, usage),
            Store::Summaries(shelf) => shelf.sweep(places, ages, usage),
        }
    }

    fn clear(&self) {
        self.table.targets.clear(self.input, &self.table.usage);
        for family in self.table.families_after(None, usize::MAX) {
            family.with_store(|store| match store {
                Store::Singles(shelf) => shelf.clear(self.input, &self.table.usage),
                Store::Histograms(shelf) => shelf.clear(self.input, &self.table.usage),
                Store::Summaries(shelf) => shelf.clear(self.input, &self.table.usage),
            });
            self.table.remove_empty(&[family]);
        }
    }

    fn try_restore(&mut self, state: &[u8]) -> Option<()> {
        let from = &mut Reader::new(state);
        let usage = &self.table.usage;
        self.translator.watch_since(UnixNanos(from.varint()?));
        self.table.targets.restore(self.input, from, usage)?;
        for _ in 0..from.count(6)? {
            let (name, spelled) = (from.text()?, from.text()?);
            let (unit, help) = (from.text()?, from.text()?);
            let kind = kind_from(from.byte()?)?;
            if name.contains(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | ':')) {
                return None;
            }
            let family = self.table.family(&Metric { name, spelled, kind, unit, help }).ok()?;
            family.with_store(|store| match store {
                Store::Singles(shelf) => shelf.restore(self.input, from, usage),
                Store::Histograms(shelf) => shelf.restore(self.input, from, usage),
                Store::Summaries(shelf) => shelf.restore(self.input, from, usage),
            })?;
        }
        while !from.is_at_end() {
            self.table.spellings.learn(from.text()?, from.text()?, usage);
        }
        Some(())
    }
}

impl Aggregator for PrometheusTable {
    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn apply(&mut self, batch: &AnyBatch, now: UnixNanos) {
        if let AnyBatch::Metrics(batch) = batch {
            self.translator.apply(&self.table, batch, now);
        }
    }

    fn tick(&mut self, now: UnixNanos) {
        self.translator.watch_since(now);
        self.sweep(now);
    }

    fn emit(&mut self, _now: UnixNanos, _out: &mut Vec<AnyBatch>) {}

    fn save(&self, out: &mut Vec<u8>) {
        put_varint(out, self.translator.watches_since());
        self.table.targets.save(self.input, out);
        let families = self.table.families_after(None, usize::MAX);
        put_varint(out, families.len() as u64);
        for family in families {
            put_bytes(out, family.name.as_bytes());
            put_bytes(out, family.spelled.as_bytes());
            put_bytes(out, family.unit.as_bytes());
            put_bytes(out, family.help.as_bytes());
            out.push(kind_code(family.kind));
            family.with_store(|store| match store {
                Store::Singles(shelf) => shelf.save(self.input, out),
                Store::Histograms(shelf) => shelf.save(self.input, out),
                Store::Summaries(shelf) => shelf.save(self.input, out),
            });
        }
        for (name, key) in self.table.spellings.read().iter() {
            put_bytes(out, name.as_bytes());
            put_bytes(out, key.as_bytes());
        }
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        self.clear();
        if self.try_restore(state).is_some() {
            return Ok(());
        }
        self.clear();
        Err(RestoreError("not a table of series"))
    }
}

fn kind_code(kind: Kind) -> u8 {
    KINDS.iter().position(|known| *known == kind).map_or(u8::MAX, |at| at as u8)
}

fn kind_from(code: u8) -> Option<Kind> {
    KINDS.get(usize::from(code)).copied()
}

const KINDS: [Kind; 7] =
    [Kind::Counter, Kind::Gauge, Kind::Histogram, Kind::Summary, Kind::Info, Kind::StateSet, Kind::Unknown];

/// Goes up when the form of the saved state changes.
const STATE_VERSION: u32 = 4;

/// Series looked after at one tick.
const SWEPT_PER_TICK: u32 = 32_768;

/// Series looked after while one lock is held.
const SWEPT_AT_ONCE: u32 = 4096;
