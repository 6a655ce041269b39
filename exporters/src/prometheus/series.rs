//! The table: every series that the page shows, bounded, safe to read while it is written.
//!
//! - **In:** points whose names and labels are final, from any number of inputs.
//! - **Out:** families in the order of their names, read chunk by chunk ([`super::render`]).
//! - **Guaranteed:** what is in the table makes a valid page, whatever was sent: names and label sets
//!   are unique, types agree, values can be shown. Conflicts are settled when a point comes in, the
//!   first writer wins, and each drop is counted with its reason; counters and histograms of several
//!   streams that have the same labels are added up ([`streams`]), of others one is shown until it
//!   ends. No lock is held for longer than one point or one chunk takes. Memory has a bound in series
//!   and in bytes.
//! - **Not here:** clocks (`now` is given), OTLP ([`super::translate`]), formats ([`super::text`]).
//!
//! ```text
//! Table -> families by name -> Family { Mutex<Store> } -> Shelf { index, pages of rows } -> Row -> Value
//! ```

pub mod family;
mod index;
pub mod row;
pub mod shelf;
mod streams;
pub mod target;
pub mod usage;
pub mod value;

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use pipelines::engine::edge::Count;
use tracing::warn;

use self::{
    family::{Conflict, Family},
    row::Point,
    target::Targets,
    usage::Usage,
    value::Value,
};
use super::{escaping::Spellings, text::Kind};

/// Every series that the page shows.
#[derive(Debug)]
pub struct Table {
    families: RwLock<Families>,
    /// How labels were spelled, where that is kept.
    pub spellings: Spellings,
    /// The resources behind the series: the family `target_info`.
    pub targets: Targets,
    /// How much it holds.
    pub usage: Usage,
    /// What was dropped or changed, and why.
    pub counts: Counts,
}

/// How much a table may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Series as Prometheus counts them: a histogram of 10 buckets is 13.
    pub series_max: usize,
    /// Bytes of all series together.
    pub bytes_max: usize,
}

/// A metric with its final name.
#[derive(Clone, Copy, Debug)]
pub struct Metric<'a> {
    /// Without the suffix of its samples.
    pub name: &'a str,
    /// How its sender spelled the name, if that is kept and another.
    pub spelled: &'a str,
    /// Its type.
    pub kind: Kind,
    /// As the name would end with it.
    pub unit: &'a str,
    /// Description.
    pub help: &'a str,
}

/// Why a point was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The name is taken by a family of another type, or by one of its samples.
    TypeConflict,
    /// The name is empty once unusable characters are gone.
    InvalidName,
    /// A counter is negative or not a number, or a quantile is impossible.
    InvalidValue,
    /// Bounds do not ascend, counts do not fit the bounds, or the sum is not a number.
    InvalidHistogram,
    /// More buckets than a page should carry.
    TooManyBuckets,
    /// The labels are longer than a series may have.
    LabelsTooLong,
    /// Older than what is shown.
    OutOfOrder,
    /// The point or its metric carries no data.
    NoData,
    /// The metric does not say whether its points are totals or increases.
    NoTemporality,
    /// No room, and too many hidden series to keep the total right.
    SeriesLimit,
    /// No room for another family.
    FamilyLimit,
    /// The series shows another stream, or several, to which this one cannot be added.
    StreamConflict,
    /// The family was just removed; look it up again.
    Retired,
}

/// What was dropped, and what was changed so that it could stay.
#[derive(Debug, Default)]
pub struct Counts {
    dropped: [Count; Dropped::ALL.len() + 1],
    /// Points of a metric whose description or unit differs from the family's.
    pub metadata_conflicts: Count,
    /// Points on which `le` or `quantile` was renamed.
    pub renamed_labels: Count,
    /// Points of exponential histograms that the protobuf format leaves out.
    pub not_native: Count,
    /// Exemplars that could not be shown or had no room.
    pub dropped_exemplars: Count,
    warnings: Count,
}

#[derive(Debug, Default)]
struct Families {
    by_name: BTreeMap<Arc<str>, Arc<Family>>,
    /// Every name that a family or one of its samples has, and whose it is.
    claims: HashMap<Box<str>, Arc<str>>,
}

// === impl Table ===

impl Table {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        let table = Self {
            families: RwLock::default(),
            spellings: Spellings::default(),
            targets: Targets::default(),
            usage: Usage::new(limits.series_max, limits.bytes_max),
            counts: Counts::default(),
        };
        table.reserve("target", Kind::Info);
        table
    }

    /// Keeps a name for somebody who writes it beside the table. The answer is whether it was free.
    pub fn reserve(&self, name: &str, kind: Kind) -> bool {
        let mut families = self.write();
        let owner: Arc<str> = Arc::from(format!("# {name}"));
        families.is_free(name, kind, &owner) && {
            families.claim(name, kind, &owner);
            true
        }
    }

    /// The family of a metric, made if there is none.
    ///
    /// # Errors
    /// Another family has the name, or there are too many.
    pub fn family(&self, metric: &Metric<'_>) -> Result<Arc<Family>, Dropped> {
        let known = self.read().by_name.get(metric.name).cloned();
        let family = match known {
            Some(family) => family,
            None => self.add_family(metric)?,
        };
        if family.kind != metric.kind {
            self.conflict(&family, Conflict::Kind, metric);
            return Err(Dropped::TypeConflict);
        }
        if *family.help != *clipped(metric.help) {
            self.counts.metadata_conflicts.add(1);
            self.conflict(&family, Conflict::Help, metric);
        }
        if *family.unit != *clipped(metric.unit) {
            self.counts.metadata_conflicts.add(1);
            self.conflict(&family, Conflict::Unit, metric);
        }
        Ok(family)
    }

    /// Takes a point of a metric; `then` sees the value it went to.
    ///
    /// # Errors
    /// Why it was not taken. The caller counts it.
    pub fn put<V: Value>(
        &self,
        family: &Family,
        point: &Point<'_>,
        reading: V::Reading<'_>,
        then: impl FnOnce(&mut V),
    ) -> Result<(), Dropped> {
        let overflowed = self.usage.overflowed.total();
        let put = family.put(point, reading, &self.usage, then);
        if overflowed == 0 && self.usage.overflowed.total() > 0 {
            self.warn_overflow(family);
        }
        put
    }

    /// The family of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Family>> {
        self.read().by_name.get(name).cloned()
    }

    /// Up to `max` families after `name`, in the order of their names.
    pub fn families_after(&self, name: Option<&str>, max: usize) -> Vec<Arc<Family>> {
        let start = name.map_or(Bound::Unbounded, Bound::Excluded);
        let families = self.read();
        families
            .by_name
            .range::<str, _>((start, Bound::Unbounded))
            .take(max)
            .map(|(_, f)| f.clone())
            .collect()
    }

    /// Removes families that have no series left, so that their names are free again.
    pub fn remove_empty(&self, candidates: &[Arc<Family>]) {
        for family in candidates.iter().filter(|family| family.retire_if_empty()) {
            self.write().remove(family);
            self.usage.changed((0, family.bytes()), (0, 0));
        }
    }

    fn add_family(&self, metric: &Metric<'_>) -> Result<Arc<Family>, Dropped> {
        let mut families = self.write();
        if let Some(family) = families.by_name.get(metric.name) {
            return Ok(Arc::clone(family));
        }
        let name: Arc<str> = Arc::from(metric.name);
        if !families.is_free(metric.name, metric.kind, &name) {
            drop(families);
            self.warn_taken(metric);
            return Err(Dropped::TypeConflict);
        }
        if families.by_name.len() >= FAMILIES_MAX {
            return Err(Dropped::FamilyLimit);
        }
        let (unit, help) = (clipped(metric.unit), clipped(metric.help));
        let family = Arc::new(Family::new(&Metric { unit, help, ..*metric }));
        families.claim(metric.name, metric.kind, &name);
        families.by_name.insert(name, Arc::clone(&family));
        self.usage.changed((0, 0), (0, family.bytes()));
        Ok(family)
    }

    /// Says, once for a family, that streams met in one series. `unseen` is what the labels leave out of the resource.
    pub fn streams_met(&self, family: &Family, labels: &[u8], unseen: impl FnOnce() -> String) {
        if family.first_time(Conflict::Streams) && self.counts.may_warn() {
            warn!(
                family = &*family.name,
                labels = %String::from_utf8_lossy(labels),
                unseen = unseen(),
                "several streams have the same labels: counters and histograms are added up, of others the first is \
                 shown; a service.instance.id or resource_to_telemetry_conversion would tell them apart"
            );
        }
    }

    fn conflict(&self, family: &Family, conflict: Conflict, metric: &Metric<'_>) {
        if !family.first_time(conflict) || !self.counts.may_warn() {
            return;
        }
        let (family, kept) = (&*family.name, format!("{:?}", family.kind));
        match conflict {
            Conflict::Kind => {
                warn!(family, kept, dropped = ?metric.kind, "another type, its points are dropped");
            }
            Conflict::Unit => warn!(family, unit = metric.unit, "another unit, the first one is kept"),
            Conflict::Help => warn!(family, help = metric.help, "another description, the first is kept"),
            // Said where the resource is known.
            Conflict::Streams => {}
        }
    }

    fn warn_taken(&self, metric: &Metric<'_>) {
        if self.counts.may_warn() {
            warn!(family = metric.name, "the name is taken by another family, its points are dropped");
        }
    }

    /// Says once where the series came from: the family at hand and its label of most values.
    fn warn_overflow(&self, family: &Family) {
        let label = family.with_store(guilty_label);
        warn!(
            family = &*family.name,
            label,
            series = self.usage.series.get(),
            bytes = self.usage.bytes.get(),
            "the table is full: further series are shown as otel_metric_overflow=\"true\""
        );
    }

    fn read(&self) -> RwLockReadGuard<'_, Families> {
        self.families.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Families> {
        self.families.write().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Limits ===

impl Limits {
    /// The bytes that a table of these limits holds at most: an eighth is on top, for hidden series.
    pub fn memory_max(self) -> u64 {
        (self.bytes_max as u64).saturating_add(self.bytes_max as u64 / 8)
    }
}

// === impl Families ===

impl Families {
    /// Whether no other family has any of the names that this one and its samples would have
    /// (OpenMetrics 1.0, *Suffixes*).
    fn is_free(&self, name: &str, kind: Kind, owner: &Arc<str>) -> bool {
        let mut claimed = String::with_capacity(name.len() + 8);
        kind.suffixes().iter().all(|suffix| {
            claimed.clear();
            claimed.push_str(name);
            claimed.push_str(suffix);
            self.claims.get(claimed.as_str()).is_none_or(|taken| taken == owner)
        })
    }

    fn claim(&mut self, name: &str, kind: Kind, owner: &Arc<str>) {
        for suffix in kind.suffixes() {
            self.claims.insert(format!("{name}{suffix}").into(), Arc::clone(owner));
        }
    }

    fn remove(&mut self, family: &Arc<Family>) {
        let name = &*family.name;
        if self.by_name.get(name).is_some_and(|known| Arc::ptr_eq(known, family)) {
            self.by_name.remove(name);
            for suffix in family.kind.suffixes() {
                self.claims.remove(format!("{name}{suffix}").as_str());
            }
        }
    }
}

// === impl Counts ===

impl Counts {
    /// One point less.
    pub fn drop_point(&self, why: Dropped) {
        self.dropped[why as usize].add(1);
    }

    /// Points dropped for one reason.
    pub fn dropped(&self, why: Dropped) -> u64 {
        self.dropped[why as usize].total()
    }

    fn may_warn(&self) -> bool {
        self.warnings.add(1);
        self.warnings.total() <= WARNINGS_MAX
    }
}

// === impl Dropped ===

impl Dropped {
    /// Every reason that is counted.
    pub const ALL: [Self; 12] = [
        Self::TypeConflict,
        Self::InvalidName,
        Self::InvalidValue,
        Self::InvalidHistogram,
        Self::TooManyBuckets,
        Self::LabelsTooLong,
        Self::OutOfOrder,
        Self::NoData,
        Self::NoTemporality,
        Self::SeriesLimit,
        Self::FamilyLimit,
        Self::StreamConflict,
    ];

    /// The value of the label `reason`.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::TypeConflict => "type_conflict",
            Self::InvalidName => "invalid_name",
            Self::InvalidValue => "invalid_value",
            Self::InvalidHistogram => "invalid_histogram",
            Self::TooManyBuckets => "too_many_buckets",
            Self::LabelsTooLong => "labels_too_long",
            Self::OutOfOrder => "out_of_order",
            Self::NoData => "no_data",
            Self::NoTemporality => "no_temporality",
            Self::SeriesLimit => "series_limit",
            Self::FamilyLimit => "family_limit",
            Self::StreamConflict => "stream_conflict",
            Self::Retired => "retired",
        }
    }
}

/// The label with most values among some of the series.
fn guilty_label(store: &mut family::Store) -> String {
    let mut values: BTreeMap<String, std::collections::HashSet<String>> = BTreeMap::new();
    store.sample(SAMPLED_MAX, |labels| {
        for pair in String::from_utf8_lossy(labels).split("\",") {
            if let Some((name, value)) = pair.split_once("=\"") {
                values.entry(name.to_owned()).or_default().insert(value.to_owned());
            }
        }
    });
    let guilty = values.into_iter().max_by_key(|(_, values)| values.len());
    guilty.map(|(name, _)| name).unwrap_or_default()
}

/// The start of a description or unit, as much as the table keeps.
fn clipped(text: &str) -> &str {
    &text[..text.floor_char_boundary(METADATA_BYTES_MAX)]
}

/// Families at most: one for each name that senders make up.
const FAMILIES_MAX: usize = 65_536;

/// Bytes of a description that are kept.
const METADATA_BYTES_MAX: usize = 1024;

/// Warnings about conflicts in the life of a table. The counters go on.
const WARNINGS_MAX: u64 = 100;

/// Series looked at to name the label that made the table full.
const SAMPLED_MAX: usize = 2000;
