//! Catalogs: which events feed which metrics, declared in YAML.
//!
//! ```yaml
//! namespace: rsolv                        # what a name may leave out where events come in by HTTP
//! events:
//!   rsolv.scan.complete:                  # the event name of the log record
//!     labels: [repo, language, framework] # attributes that become labels of every metric below
//!     metrics:
//!       - name: rsolv.scan.executions     # rsolv_scan_executions_total in Prometheus
//!         kind: counter                   # counter | histogram | gauge
//!         labels: [status]                # further labels, of this metric only
//!         description: Scans by outcome.
//!       - name: rsolv.scan.duration       # rsolv_scan_duration_milliseconds
//!         kind: histogram
//!         value: duration                 # the attribute to take; a counter without one counts the events
//!         unit: ms                        # UCUM; {braces} annotate and leave no trace in the name
//!         buckets: [1000, 5000, 10000]
//! ```
//!
//! Every metric carries the label `environment` besides: the attribute of that name, or else the resource's
//! `deployment.environment.name`. A label whose value is missing is `unknown`. Several events may feed one
//! metric, if all declare it alike.
//!
//! - **Guaranteed:** all faults are found at once, each with its place in the file.
//! - **Not here:** files. Whoever has read one passes its text.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use crate::{
    config::ConfigError,
    connectors::{
        distribution::BOUNDS_MAX,
        state::stable_hash,
        wanted::{WANTED_MAX, Wanted},
    },
};

/// Which events feed which metrics.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    namespaces: Vec<String>,
    metrics: Vec<Metric>,
    events: HashMap<Box<str>, Event>,
}

/// A declared metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// OpenTelemetry's name, dotted.
    pub name: String,
    /// Which kind.
    pub kind: Kind,
    /// UCUM; may be empty.
    pub unit: String,
    /// For people.
    pub description: String,
    /// Labels in the order of the series' keys; `environment` is the last.
    pub labels: Vec<String>,
    /// Upper bounds of a histogram's buckets, ascending.
    pub bounds: Vec<f64>,
}

/// What a metric accumulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// Values by bucket.
    Histogram,
    /// The latest value.
    Gauge,
}

/// What one event does.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Every attribute that any of its metrics needs.
    pub(crate) wanted: Wanted,
    pub(crate) feeds: Vec<Feed>,
    /// The place of `environment` in `wanted`.
    pub(crate) environment: usize,
}

/// What one event does to one metric. Attributes are places in the event's [`Wanted`].
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(crate) metric: usize,
    /// Nothing: the event counts as 1.
    pub(crate) value: Option<usize>,
    /// As the metric's labels, `environment` left out.
    pub(crate) labels: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    namespace: Option<String>,
    events: BTreeMap<String, Spanned<EventEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventEntry {
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    metrics: Vec<Spanned<MetricEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricEntry {
    name: String,
    kind: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    buckets: Vec<f64>,
}

/// What is wrong with a catalog, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1; 0 if there is no place.
    pub line: u32,
    /// From 1, counted in characters.
    pub column: u32,
    /// Path in the file: `events.a.metrics[3].kind`; empty for what is no YAML.
    pub path: String,
    /// What is wrong and what would be right, in one sentence without a full stop.
    pub message: String,
}

/// What is read so far, and all that is wrong with it.
#[derive(Default)]
struct Reading {
    catalog: Catalog,
    faults: Vec<Fault>,
}

// === impl Catalog ===

impl Catalog {
    /// Reads a catalog. `file` is its name in errors.
    ///
    /// # Errors
    /// Everything that is wrong, each with `file:line:column` and the path in the file.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<ConfigError>> {
        Self::read(text).map_err(|faults| faults.into_iter().map(|fault| fault.of(file)).collect())
    }

    /// The same for whoever shows faults in the text.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(text: &str) -> Result<Self, Vec<Fault>> {
        let mut reading = Reading::default();
        match serde_saphyr::from_str::<File>(text) {
            Err(error) => {
                let at = error.location().unwrap_or(Location::UNKNOWN);
                let message = error.without_snippet().to_string();
                // The place is told beside the message.
                let end = message.rfind(" at line ").unwrap_or(message.len());
                reading.error(at, "", message[..end].to_owned());
            }
            Ok(parsed) => reading.file(parsed),
        }
        if reading.faults.is_empty() { Ok(reading.catalog) } else { Err(reading.faults) }
    }

    /// A catalog that we ship, by name.
    pub fn shipped(name: &str) -> Option<Self> {
        let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        Some(Self::parse(name, text).expect("a test reads every shipped catalog"))
    }

    /// Names of the catalogs we ship.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// Adds another catalog.
    ///
    /// # Errors
    /// Metrics that both declare, and not alike.
    pub fn merge(&mut self, other: Self) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut places = Vec::with_capacity(other.metrics.len());
        for metric in other.metrics {
            let name = metric.name.clone();
            places.push(self.declare(metric).unwrap_or_else(|message| {
                errors.push(ConfigError::new(format!("metric {name}"), message));
                0
            }));
        }
        for (name, event) in other.events {
            let into = self.events.entry(name).or_default();
            for feed in &event.feeds {
                let mut place = |place: usize| into.wanted.place(event.wanted.name(place));
                let value = feed.value.map(&mut place);
                let labels = feed.labels.iter().map(|label| place(*label)).collect();
                into.feeds.push(Feed { metric: places[feed.metric], value, labels });
            }
        }
        self.namespaces.extend(other.namespaces);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The declared metrics.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// The full name of an event as a client may write it: itself if it is known, or with a namespace in front.
    pub fn event_name(&self, name: &str) -> Option<String> {
        let with_namespace = self.namespaces.iter().map(|namespace| format!("{namespace}.{name}"));
        std::iter::once(name.to_owned())
            .chain(with_namespace)
            .find(|name| self.events.contains_key(name.as_str()))
    }

    pub(crate) fn event(&self, name: &str) -> Option<&Event> {
        self.events.get(name)
    }

    /// The place of a metric, declared now or before.
    fn declare(&mut self, metric: Metric) -> Result<usize, String> {
        let exposed = exposed(&metric);
        for (place, known) in self.metrics.iter().enumerate() {
            if *known == metric {
                return Ok(place);
            }
            if known.name == metric.name {
                return Err(format!(
                    "`{}` is declared before with {}",
                    metric.name,
                    known.difference(&metric)
                ));
            }
            if self::exposed(known) == exposed {
                return Err(format!(
                    "`{}` and `{}` would have the same name in Prometheus",
                    metric.name, known.name
                ));
            }
        }
        self.metrics.push(metric);
        Ok(self.metrics.len() - 1)
    }
}

// === impl Fault ===

impl Fault {
    /// As an error whose path begins with the place: `own.yaml:7:9: events.a.metrics[3].kind`.
    fn of(self, file: &str) -> ConfigError {
        let place = match self.line {
            0 => file.to_owned(),
            line => format!("{file}:{line}:{}", self.column),
        };
        let path = if self.path.is_empty() { place } else { format!("{place}: {}", self.path) };
        ConfigError::new(path, self.message)
    }
}

// === impl Metric ===

impl Metric {
    /// Identifies what the saved series of this metric mean.
    pub(crate) fn fingerprint(&self) -> u64 {
        let bounds = self.bounds.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
        let labels = self.labels.iter().map(String::as_str);
        stable_hash([self.name.as_str(), self.kind.as_str(), &self.unit, &bounds].into_iter().chain(labels))
    }

    fn difference(&self, other: &Self) -> &'static str {
        if self.kind != other.kind {
            "another kind"
        } else if self.unit != other.unit {
            "another unit"
        } else if self.labels != other.labels {
            "other labels, or in another order"
        } else if self.bounds != other.bounds {
            "other buckets"
        } else {
            "another description"
        }
    }
}

// === impl Kind ===

impl Kind {
    /// As the catalog writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::Gauge => "gauge",
        }
    }

    const ALL: [Self; 3] = [Self::Counter, Self::Histogram, Self::Gauge];
}

// === impl Event ===

impl Default for Event {
    /// An event that feeds nothing yet.
    fn default() -> Self {
        let mut wanted = Wanted::default();
        let environment = wanted.place(ENVIRONMENT);
        Self { wanted, feeds: Vec::new(), environment }
    }
}

// === impl Reading ===

impl Reading {
    fn file(&mut self, file: File) {
        self.catalog.namespaces.extend(file.namespace);
        for (name, entry) in file.events {
            self.event(&name, entry);
        }
    }

    fn event(&mut self, name: &str, entry: Spanned<EventEntry>) {
        let path = format!("events.{name}");
        let at = entry.defined;
        if name.is_empty() {
            self.error(at, &path, "an event needs a name".into());
        }
        let mut event = Event::default();
        for (index, metric) in entry.value.metrics.into_iter().enumerate() {
            let path = format!("{path}.metrics[{index}]");
            self.metric(&path, &entry.value.labels, metric, &mut event);
        }
        if event.wanted.len() > WANTED_MAX {
            let message = format!(
                "its metrics need {} attributes, at most {WANTED_MAX} are allowed",
                event.wanted.len()
            );
            self.error(at, &path, message);
        }
        self.catalog.events.insert(name.into(), event);
    }

    fn metric(&mut self, path: &str, shared: &[String], entry: Spanned<MetricEntry>, event: &mut Event) {
        let (at, entry) = (entry.defined, entry.value);
        let Some(kind) = self.kind(at, path, &entry.kind) else { return };
        let labels: Vec<String> = shared.iter().chain(&entry.labels).cloned().collect();
        self.check(at, path, kind, &entry, &labels);
        let feed = Feed {
            metric: 0,
            // A counter counts the event itself unless it names an attribute to add up.
            value: entry
                .value
                .as_deref()
                .filter(|value| kind != Kind::Counter || *value != COUNT)
                .map(|value| event.wanted.place(value)),
            labels: labels.iter().map(|label| event.wanted.place(label)).collect(),
        };
        let metric = Metric {
            name: entry.name,
            kind,
            unit: entry.unit,
            description: entry.description,
            labels: labels.into_iter().chain([ENVIRONMENT.to_owned()]).collect(),
            bounds: entry.buckets,
        };
        match self.catalog.declare(metric) {
            Ok(metric) => event.feeds.push(Feed { metric, ..feed }),
            Err(message) => self.error(at, &format!("{path}.name"), message),
        }
    }

    fn kind(&mut self, at: Location, path: &str, text: &str) -> Option<Kind> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
        if kind.is_none() {
            let near = Kind::ALL
                .into_iter()
                .map(Kind::as_str)
                .max_by(|a, b| strsim::jaro(a, text).total_cmp(&strsim::jaro(b, text)));
            let near = near.unwrap_or_default();
            let message =
                format!("`{text}` is no kind; it is counter, histogram or gauge (did you mean `{near}`?)");
            self.error(at, &format!("{path}.kind"), message);
        }
        kind
    }

    fn check(&mut self, at: Location, path: &str, kind: Kind, entry: &MetricEntry, labels: &[String]) {
        let mut wrong = |key: &str, message: String| self.error(at, &format!("{path}.{key}"), message);
        let begins = entry.name.starts_with(|first: char| first.is_ascii_alphabetic());
        if !begins || !entry.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
        {
            wrong(
                "name",
                format!(
                    "`{}` is no metric name; it begins with a letter and goes on with letters, digits and . _ - /",
                    entry.name
                ),
            );
        }
        if kind != Kind::Counter && entry.value.is_none() {
            wrong("value", format!("is missing; a {} needs the attribute to take", kind.as_str()));
        }
        for (index, label) in labels.iter().enumerate() {
            if label.is_empty() {
                wrong("labels", "a label needs a name".into());
            } else if label == ENVIRONMENT {
                wrong("labels", format!("`{ENVIRONMENT}` is a label of every metric; leave it out"));
            } else if labels[..index].contains(label) {
                wrong("labels", format!("`{label}` is named twice (the event's labels count)"));
            }
        }
        match (kind, entry.buckets.is_empty()) {
            (Kind::Histogram, true) => {
                wrong("buckets", "are missing; a histogram needs ascending upper bounds".into())
            }
            (Kind::Counter | Kind::Gauge, false) => {
                wrong("buckets", format!("a {} has none; leave them out", kind.as_str()))
            }
            _ => {}
        }
        let ascending = entry.buckets.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || !entry.buckets.iter().all(|bound| bound.is_finite()) {
            wrong("buckets", "must be ascending finite numbers".into());
        }
        if entry.buckets.len() > BOUNDS_MAX {
            wrong(
                "buckets",
                format!("has {} entries, at most {BOUNDS_MAX} are allowed", entry.buckets.len()),
            );
        }
    }

    fn error(&mut self, at: Location, path: &str, message: String) {
        let [line, column] = [at.line(), at.column()].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
        self.faults.push(Fault { line, column, path: path.to_owned(), message });
    }
}

/// What two metrics must not share: their name as Prometheus restricts it.
fn exposed(metric: &Metric) -> String {
    metric.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_") + " " + &metric.unit
}

/// The label that every metric carries.
pub(crate) const ENVIRONMENT: &str = "environment";

/// The value of a counter that counts events.
const COUNT: &str = "count";

const SHIPPED: [(&str, &str); 1] = [("rsolv", include_str!("../../../catalogs/rsolv.yaml"))];

#[cfg(test)]
mod tests;
