//! Which items a processor is meant for: `include` and `exclude` blocks, as the OpenTelemetry Collector has
//! them.
//!
//! - **Guaranteed:** an item is meant if it matches `include` (or there is none) and does not match `exclude`.
//!   A block matches if each of its lists does: all attributes, all resource attributes, one entry of any other.
//! - **Not here:** how the items of a batch are found (`items.rs`).

mod items;

use proto::{
    Batch, Signal, SignalKind,
    encode::AttributesWriter,
    rewrite::Edit,
    view::{Attributes, ScopeView, Value},
};
use regex_lite::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::{ConfigError, IgnoredAny},
    processors::{actions::regex, setting::Setting},
};

/// An `include` or `exclude` block.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatchConfig {
    /// Whether texts are compared or are regular expressions.
    pub match_type: MatchType,
    /// Without effect: what a regular expression says of a text is not cached.
    #[serde(skip_serializing)]
    pub regexp: Option<IgnoredAny>,
    /// Values of the resource attribute `service.name`.
    pub services: Vec<String>,
    /// Names of spans.
    pub span_names: Vec<String>,
    /// Kinds of spans, such as `SPAN_KIND_SERVER`.
    pub span_kinds: Vec<String>,
    /// Names of metrics.
    pub metric_names: Vec<String>,
    /// Bodies of log records that are text.
    pub log_bodies: Vec<String>,
    /// Severities of log records as their senders name them.
    pub log_severity_texts: Vec<String>,
    /// Log records of this severity or a worse one.
    pub log_severity_number: Option<SeverityConfig>,
    /// Instrumentation scopes.
    pub libraries: Vec<LibraryConfig>,
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

/// A severity of log records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeverityConfig {
    /// OpenTelemetry's number, 1 to 24: 9 is INFO, 17 is ERROR.
    pub min: i32,
    /// Whether a record without a severity matches.
    pub match_undefined: bool,
}

/// An instrumentation scope.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LibraryConfig {
    /// Its name.
    pub name: String,
    /// Its version; any without one.
    pub version: Option<String>,
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
    scope: ScopeView<'a>,
    /// Of a span or a metric; empty otherwise.
    name: &'a str,
    /// Of a span.
    kind: i32,
    /// Of a log record.
    body: Option<&'a str>,
    /// Of a log record.
    severity_text: &'a str,
    /// Of a log record; 0 is undefined.
    severity: i32,
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
    span_kinds: Vec<Text>,
    metric_names: Vec<Text>,
    log_bodies: Vec<Text>,
    log_severity_texts: Vec<Text>,
    log_severity_number: Option<SeverityConfig>,
    /// Name, and version if it matters.
    libraries: Vec<(Text, Option<Text>)>,
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

    /// What only one signal has can be matched in a pipeline of that signal.
    ///
    /// # Errors
    /// A block names what the signal has not.
    pub(super) fn check_signal(&self, signal: SignalKind) -> Result<(), Vec<ConfigError>> {
        let blocks = [("include", &self.include), ("exclude", &self.exclude)];
        let foreign = blocks.into_iter().filter_map(|(path, block)| Some((path, block.as_ref()?)));
        let errors: Vec<_> = foreign
            .flat_map(|(path, block)| block.of_one_signal().map(move |(key, of)| (path, key, of)))
            .filter(|(_, _, of)| *of != signal)
            .map(|(path, key, of)| {
                let what = key.replace('_', " ");
                let message = format!("{signal} have no {what}; use the processor in a {of} pipeline only");
                ConfigError::new(format!("{path}.{key}"), message)
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
        let texts = [&self.services, &self.span_names, &self.span_kinds, &self.metric_names]
            .into_iter()
            .chain([&self.log_bodies, &self.log_severity_texts]);
        let pairs = [&self.attributes, &self.resources];
        let is_empty = texts.map(Vec::len).chain(pairs.map(Vec::len)).all(|length| length == 0);
        if is_empty && self.libraries.is_empty() && self.log_severity_number.is_none() {
            let message = "matches nothing in particular; name services, span_names, attributes or resources";
            errors.push(ConfigError::new("", message));
        }
        if self.log_severity_number.is_some_and(|severity| !(1..=24).contains(&severity.min)) {
            errors.push(ConfigError::new("log_severity_number.min", "must lie between 1 and 24; INFO is 9"));
        }
        if self.match_type == MatchType::Strict {
            errors.extend(unknown_kinds(&self.span_kinds));
        }
        let mut texts = |path: &str, texts: &[String]| self.texts(path, texts, &mut errors);
        let services = texts("services", &self.services);
        let span_names = texts("span_names", &self.span_names);
        let span_kinds = texts("span_kinds", &self.span_kinds);
        let metric_names = texts("metric_names", &self.metric_names);
        let log_bodies = texts("log_bodies", &self.log_bodies);
        let log_severity_texts = texts("log_severity_texts", &self.log_severity_texts);
        let libraries = self.libraries(&mut errors);
        let mut pairs = |path: &str, pairs: &[PairConfig]| {
            let built = pairs.iter().enumerate().map(|(index, pair)| {
                pair.build(self.match_type).map_err(|error| error.under(&format!("{path}[{index}]")))
            });
            built.filter_map(|built| built.map_err(|error| errors.push(error)).ok()).collect()
        };
        let (attributes, resources) =
            (pairs("attributes", &self.attributes), pairs("resources", &self.resources));
        let log_severity_number = self.log_severity_number;
        let built = Match {
            services,
            span_names,
            span_kinds,
            metric_names,
            log_bodies,
            log_severity_texts,
            log_severity_number,
            libraries,
            attributes,
            resources,
        };
        if errors.is_empty() { Ok(built) } else { Err(errors) }
    }

    fn text(&self, path: &str, text: &str) -> Result<Text, ConfigError> {
        match self.match_type {
            MatchType::Strict => Ok(Text::Exactly(text.to_owned())),
            MatchType::Regexp => regex(path, text).map(Text::Like),
        }
    }

    fn texts(&self, path: &str, texts: &[String], errors: &mut Vec<ConfigError>) -> Vec<Text> {
        let built =
            texts.iter().enumerate().map(|(index, text)| self.text(&format!("{path}[{index}]"), text));
        built.filter_map(|built| built.map_err(|error| errors.push(error)).ok()).collect()
    }

    fn libraries(&self, errors: &mut Vec<ConfigError>) -> Vec<(Text, Option<Text>)> {
        let built = self.libraries.iter().enumerate().map(|(index, library)| {
            let name = self.text(&format!("libraries[{index}].name"), &library.name)?;
            let path = format!("libraries[{index}].version");
            let version = library.version.as_deref().map(|version| self.text(&path, version));
            Ok((name, version.transpose()?))
        });
        built.filter_map(|built| built.map_err(|error| errors.push(error)).ok()).collect()
    }
}

/// A kind that is misspelt would match nothing.
fn unknown_kinds(kinds: &[String]) -> impl Iterator<Item = ConfigError> {
    let wrong = kinds.iter().enumerate().filter(|(_, kind)| !SPAN_KINDS.contains(&kind.as_str()));
    wrong.map(|(index, kind)| {
        let message = format!("`{kind}` is no kind of span; write one of {}", SPAN_KINDS[1..].join(", "));
        ConfigError::new(format!("span_kinds[{index}]"), message)
    })
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
        let kind = || usize::try_from(item.kind).ok().and_then(|kind| SPAN_KINDS.get(kind)).unwrap_or(&"");
        (self.services.is_empty() || any(&self.services, service()))
            && (self.span_names.is_empty() || any(&self.span_names, item.name))
            && (self.span_kinds.is_empty() || any(&self.span_kinds, kind()))
            && (self.metric_names.is_empty() || any(&self.metric_names, item.name))
            && (self.log_bodies.is_empty() || item.body.is_some_and(|body| any(&self.log_bodies, body)))
            && (self.log_severity_texts.is_empty() || any(&self.log_severity_texts, item.severity_text))
            && self.log_severity_number.is_none_or(|wanted| wanted.matches(item.severity))
            && (self.libraries.is_empty() || self.is_of_library(item.scope))
            && self.attributes.iter().all(|pair| pair.is_in(item.attributes))
            && self.resources.iter().all(|pair| pair.is_in(item.resource))
    }

    fn is_of_library(&self, scope: ScopeView<'_>) -> bool {
        self.libraries.iter().any(|(name, version)| {
            name.is(scope.name()) && version.as_ref().is_none_or(|version| version.is(scope.version()))
        })
    }

    /// The lists that are in use and belong to one signal.
    fn of_one_signal(&self) -> impl Iterator<Item = (&'static str, SignalKind)> {
        let lists: [(Named<'_>, SignalKind); 5] = [
            (("span_names", &self.span_names), SignalKind::Traces),
            (("span_kinds", &self.span_kinds), SignalKind::Traces),
            (("metric_names", &self.metric_names), SignalKind::Metrics),
            (("log_bodies", &self.log_bodies), SignalKind::Logs),
            (("log_severity_texts", &self.log_severity_texts), SignalKind::Logs),
        ];
        let used = lists.into_iter().filter(|((_, list), _)| !list.is_empty());
        let severity = self.log_severity_number.map(|_| ("log_severity_number", SignalKind::Logs));
        used.map(|((key, _), signal)| (key, signal)).chain(severity)
    }
}

// === impl SeverityConfig ===

impl SeverityConfig {
    fn matches(self, severity: i32) -> bool {
        if severity == 0 { self.match_undefined } else { severity >= self.min }
    }
}

// === impl Text ===

impl Text {
    fn is(&self, text: &str) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == text,
            Self::Like(regex) => regex.is_match(text),
        }
    }
}

fn any(texts: &[Text], text: &str) -> bool {
    texts.iter().any(|wanted| wanted.is(text))
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

/// A list of conditions and its path.
type Named<'a> = (&'static str, &'a [Text]);

/// As the Collector writes the kinds of spans.
const SPAN_KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];
