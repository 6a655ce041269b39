//! `service.telemetry`: what the collector says about itself.

pub mod traces;

use std::borrow::Cow;

use pipelines::config::IgnoredAny;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use self::traces::Traces;

/// `service.telemetry`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Own logs.
    pub logs: Logs,
    /// Own metrics.
    pub metrics: Metrics,
    /// Own traces.
    pub traces: Traces,
    /// Without effect: own metrics carry no attributes of a resource.
    #[serde(skip_serializing)]
    pub resource: Option<IgnoredAny>,
}

/// `service.telemetry.logs`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Logs {
    /// The least severe lines that are written.
    pub level: Level,
    /// How they look.
    pub encoding: Encoding,
    /// Without effect.
    #[serde(skip_serializing)]
    pub development: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub disable_caller: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub disable_stacktrace: Option<IgnoredAny>,
    /// Without effect: nothing is logged per item, so there is nothing to sample.
    #[serde(skip_serializing)]
    pub sampling: Option<IgnoredAny>,
    /// Without effect: logs go to standard error.
    #[serde(skip_serializing)]
    pub output_paths: Option<IgnoredAny>,
    /// Without effect: logs go to standard error.
    #[serde(skip_serializing)]
    pub error_output_paths: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub initial_fields: Option<IgnoredAny>,
    /// Without effect: own logs are not exported in this version.
    #[serde(skip_serializing)]
    pub processors: Option<IgnoredAny>,
}

/// `service.telemetry.metrics`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// How much is measured; `none` turns own metrics off.
    pub level: Detail,
    /// Without effect: own metrics are on the page of the `prometheus` exporter.
    #[serde(skip_serializing)]
    pub address: Option<IgnoredAny>,
    /// Without effect: own metrics are on the page of the `prometheus` exporter.
    #[serde(skip_serializing)]
    pub readers: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub views: Option<IgnoredAny>,
}

/// The severity of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// For people.
    #[default]
    Console,
    /// One JSON object a line.
    Json,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// Nothing.
    None,
    /// What the Collector names, and the process.
    Basic,
    /// Also the journal, the memory budget, connectors, connections and the async runtime.
    #[default]
    Normal,
    /// Also how large requests are.
    Detailed,
}

// === impl Level ===

impl Level {
    /// As a directive of `tracing`'s filter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The Collector writes INFO as well as info, and has more names at the severe end.
        let known = &["debug", "info", "warn", "error", "dpanic", "panic", "fatal"];
        let word = String::deserialize(deserializer)?;
        match word.to_ascii_lowercase().as_str() {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" | "dpanic" | "panic" | "fatal" => Ok(Self::Error),
            _ => Err(serde::de::Error::unknown_variant(&word, known)),
        }
    }
}

impl JsonSchema for Level {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Level".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": in_both_cases(&["debug", "info", "warn", "error", "dpanic", "panic", "fatal"])})
    }
}

// === impl Detail ===

impl<'de> Deserialize<'de> for Detail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let known = &["none", "basic", "normal", "detailed"];
        let word = String::deserialize(deserializer)?;
        match word.to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "basic" => Ok(Self::Basic),
            "normal" => Ok(Self::Normal),
            "detailed" => Ok(Self::Detailed),
            _ => Err(serde::de::Error::unknown_variant(&word, known)),
        }
    }
}

impl JsonSchema for Detail {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Detail".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": in_both_cases(&["none", "basic", "normal", "detailed"])})
    }
}

/// Words in lower case, then in capitals: a schema knows no other way to say that case does not matter.
fn in_both_cases(words: &[&str]) -> Vec<String> {
    let capitals = words.iter().map(|word| word.to_ascii_uppercase());
    words.iter().map(|word| (*word).to_owned()).chain(capitals).collect()
}
