//! Which items a processor is meant for: `include` and `exclude` blocks, as the OpenTelemetry Collector has
//! them.
//!
//! - **Guaranteed:** an item is meant if it matches `include` (or there is none) and does not match `exclude`.
//!   A block matches if each of its lists does: one of the services, one of the span names, all attributes, all
//!   resource attributes.
//! - **Not here:** other lists of the Collector (libraries, log bodies, severities, metric names); they are
//!   refused as unknown keys.

use proto::{
    Batch, Logs, Metrics, Signal, SignalKind, Traces,
    encode::AttributesWriter,
    rewrite::Edit,
    view::{Attributes, Data, Value},
};
use regex_lite::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::ConfigError,
    processors::{actions::regex, setting::Setting},
};

/// An `include` or `exclude` block.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatchConfig {
    /// Whether texts are compared or are regular expressions.
    pub match_type: MatchType,
    /// Values of the resource attribute `service.name`.
    pub services: Vec<String>,
    /// Names of spans.
    pub span_names: Vec<String>,
    /// Attributes the item must have.
    pub attributes: Vec<PairConfig>,
    /// Attributes its resource must have.
    pub resources: Vec<PairConfig>,
}

/// Whether texts are compared or are regular expressions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MatchType {
    /// Compared.
    #[default]
    Strict,
    /// Regular expressions, which may match anywhere.
    Regexp,
}

/// An attribute to match.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PairConfig {
    /// Its key.
    pub key: String,
    /// Its value; without one it is enough that the attribute is there.
    pub value: Option<Setting>,
}

/// The items of a signal, and their attributes.
pub trait Items: Signal {
    /// Edits the attributes of every item, in order.
    fn edit(
        batch: &Batch<Self>,
        edit: impl FnMut(Attributes<'_>, &mut AttributesWriter<'_>) -> Edit,
    ) -> Batch<Self>
    where
        Self: Sized;

    /// Shows every item, in the same order.
    fn walk(batch: &Batch<Self>, see: impl FnMut(Item<'_>))
    where
        Self: Sized;
}

/// What there is to match of an item.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    resource: Attributes<'a>,
    /// Of a span; empty otherwise.
    name: &'a str,
    pub(super) attributes: Attributes<'a>,
}

/// Both blocks, ready.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    include: Option<Match>,
    exclude: Option<Match>,
}

#[derive(Clone, Debug)]
struct Match {
    services: Vec<Text>,
    span_names: Vec<Text>,
    attributes: Vec<Pair>,
    resources: Vec<Pair>,
}

#[derive(Clone, Debug)]
enum Text {
    Exactly(String),
    Like(Regex),
}

#[derive(Clone, Debug)]
struct Pair {
    key: String,
    value: Wanted,
}

#[derive(Clone, Debug)]
enum Wanted {
    Any,
    Exactly(Setting),
    Like(Regex),
}

// === impl Selection ===

impl Selection {
    /// Checks both blocks and makes them ready.
    ///
    /// # Errors
    /// All faults, with paths from `include` and `exclude` on.
    pub(super) fn build(
        include: Option<&MatchConfig>,
        exclude: Option<&MatchConfig>,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut build = |path: &str, config: Option<&MatchConfig>| {
            let built = config?.build();
            built.map_err(|found| errors.extend(found.into_iter().map(|error| error.under(path)))).ok()
        };
        let selection = Self { include: build("include", include), exclude: build("exclude", exclude) };
        if errors.is_empty() { Ok(selection) } else { Err(errors) }
    }

    /// Only traces have span names.
    ///
    /// # Errors
    /// A block names spans, and the signal has none.
    pub(super) fn check_signal(&self, signal: SignalKind) -> Result<(), Vec<ConfigError>> {
        let blocks = [("include", &self.include), ("exclude", &self.exclude)];
        let named = blocks
            .into_iter()
            .filter(|(_, block)| block.as_ref().is_some_and(|it| !it.span_names.is_empty()));
        let errors: Vec<_> = named
            .filter(|_| signal != SignalKind::Traces)
            .map(|(path, _)| {
                let message =
                    format!("{signal} have no span names; use the processor in a traces pipeline only");
                ConfigError::new(format!("{path}.span_names"), message)
            })
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    pub(super) fn is_all(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }

    pub(super) fn selects(&self, item: Item<'_>) -> bool {
        self.include.as_ref().is_none_or(|include| include.matches(item))
            && !self.exclude.as_ref().is_some_and(|exclude| exclude.matches(item))
    }
}

// === impl MatchConfig ===

impl MatchConfig {
    fn build(&self) -> Result<Match, Vec<ConfigError>> {
        let mut errors = Vec::new();
        if [self.services.len(), self.span_names.len(), self.attributes.len(), self.resources.len()] == [0; 4]
        {
            let message = "matches nothing in particular; name services, span_names, attributes or resources";
            errors.push(ConfigError::new("", message));
        }
        let mut texts = |path: &str, texts: &[String]| {
            let built = texts.iter().enumerate().map(|(index, text)| match self.match_type {
                MatchType::Strict => Ok(Text::Exactly(text.clone())),
                MatchType::Regexp => regex(&format!("{path}[{index}]"), text).map(Text::Like),
            });
            built.filter_map(|built| built.map_err(|error| errors.push(error)).ok()).collect()
        };
        let (services, span_names) =
            (texts("services", &self.services), texts("span_names", &self.span_names));
        let mut pairs = |path: &str, pairs: &[PairConfig]| {
            let built = pairs.iter().enumerate().map(|(index, pair)| {
                pair.build(self.match_type).map_err(|error| error.under(&format!("{path}[{index}]")))
            });
            built.filter_map(|built| built.map_err(|error| errors.push(error)).ok()).collect()
        };
        let (attributes, resources) =
            (pairs("attributes", &self.attributes), pairs("resources", &self.resources));
        if errors.is_empty() {
            Ok(Match { services, span_names, attributes, resources })
        } else {
            Err(errors)
        }
    }
}

// === impl PairConfig ===

impl PairConfig {
    fn build(&self, match_type: MatchType) -> Result<Pair, ConfigError> {
        if self.key.is_empty() {
            return Err(ConfigError::new("key", "is missing; name an attribute"));
        }
        let value = match (&self.value, match_type) {
            (None, _) => Wanted::Any,
            (Some(value), MatchType::Strict) => Wanted::Exactly(value.clone()),
            (Some(value), MatchType::Regexp) => Wanted::Like(regex("value", &value.text())?),
        };
        Ok(Pair { key: self.key.clone(), value })
    }
}

// === impl Match ===

impl Match {
    fn matches(&self, item: Item<'_>) -> bool {
        let service = || item.resource.find("service.name").and_then(Value::as_str).unwrap_or_default();
        (self.services.is_empty() || any(&self.services, service()))
            && (self.span_names.is_empty() || any(&self.span_names, item.name))
            && self.attributes.iter().all(|pair| pair.is_in(item.attributes))
            && self.resources.iter().all(|pair| pair.is_in(item.resource))
    }
}

fn any(texts: &[Text], text: &str) -> bool {
    texts.iter().any(|wanted| match wanted {
        Text::Exactly(wanted) => wanted == text,
        Text::Like(regex) => regex.is_match(text),
    })
}

// === impl Pair ===

impl Pair {
    fn is_in(&self, attributes: Attributes<'_>) -> bool {
        let Some(value) = attributes.find(&self.key) else { return false };
        match &self.value {
            Wanted::Any => true,
            Wanted::Exactly(wanted) => wanted.is(value),
            Wanted::Like(regex) => match value {
                Value::Str(text) => regex.is_match(text),
                other => regex.is_match(&format!("{other:?}")),
            },
        }
    }
}

// === impl Items ===

impl Items for Traces {
    fn edit(
        batch: &Batch<Self>,
        mut edit: impl FnMut(Attributes<'_>, &mut AttributesWriter<'_>) -> Edit,
    ) -> Batch<Self> {
        batch.edit_spans(|span, out| edit(span.attributes(), out))
    }

    fn walk(batch: &Batch<Self>, mut see: impl FnMut(Item<'_>)) {
        for spans in batch.view().resource_spans() {
            let resource = spans.resource().attributes();
            for span in spans.scope_spans().flat_map(|scope| scope.spans()) {
                see(Item { resource, name: span.name(), attributes: span.attributes() });
            }
        }
    }
}

impl Items for Logs {
    fn edit(
        batch: &Batch<Self>,
        mut edit: impl FnMut(Attributes<'_>, &mut AttributesWriter<'_>) -> Edit,
    ) -> Batch<Self> {
        batch.edit_log_records(|record, out| edit(record.attributes(), out))
    }

    fn walk(batch: &Batch<Self>, mut see: impl FnMut(Item<'_>)) {
        for logs in batch.view().resource_logs() {
            let resource = logs.resource().attributes();
            for record in logs.scope_logs().flat_map(|scope| scope.log_records()) {
                see(Item { resource, name: "", attributes: record.attributes() });
            }
        }
    }
}

impl Items for Metrics {
    fn edit(
        batch: &Batch<Self>,
        edit: impl FnMut(Attributes<'_>, &mut AttributesWriter<'_>) -> Edit,
    ) -> Batch<Self> {
        batch.edit_points(edit)
    }

    fn walk(batch: &Batch<Self>, mut see: impl FnMut(Item<'_>)) {
        for metrics in batch.view().resource_metrics() {
            let resource = metrics.resource().attributes();
            let mut see = |attributes| see(Item { resource, name: "", attributes });
            for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
                match metric.data() {
                    Data::None => {}
                    Data::Gauge(gauge) => gauge.points().for_each(|point| see(point.attributes())),
                    Data::Sum(sum) => sum.points().for_each(|point| see(point.attributes())),
                    Data::Histogram(data) => data.points().for_each(|point| see(point.attributes())),
                    Data::ExponentialHistogram(data) => {
                        data.points().for_each(|point| see(point.attributes()))
                    }
                    Data::Summary(data) => data.points().for_each(|point| see(point.attributes())),
                }
            }
        }
    }
}
