//! What the user writes under `prometheus:`.
//!
//! Keys and defaults are those of the OpenTelemetry Collector's exporter, with these deliberate
//! differences: series never expire by default (`metric_expiration: 0s`; a connector ends its own), the
//! number of series is limited, OpenMetrics is always offered.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use pipelines::config::{ByteSize, ConfigError, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::series::Limits;

/// The exporter's configuration.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where `/metrics` is served, host and port.
    pub endpoint: String,
    /// Put in front of every metric's name.
    pub namespace: String,
    /// Labels of every series.
    pub const_labels: BTreeMap<String, String>,
    /// Whether samples carry the time of their point.
    pub send_timestamps: bool,
    /// Series that got no point for so long are removed; 0 keeps them.
    pub metric_expiration: Span,
    /// Without effect: OpenMetrics is offered always.
    pub enable_open_metrics: Option<bool>,
    /// Whether names get the unit and `_total`; the older way to say `translation_strategy`.
    pub add_metric_suffixes: Option<bool>,
    /// How names are translated.
    pub translation_strategy: Option<TranslationStrategy>,
    /// Whether every resource attribute becomes a label of every series.
    pub resource_to_telemetry_conversion: ResourceConversion,
    /// Leaves the labels `otel_scope_*` out.
    pub without_scope_info: bool,
    /// Series at most, as Prometheus counts them; 0 is no limit.
    pub series_limit: usize,
    /// Memory of all series, at most.
    pub series_memory_limit: ByteSize,
    /// What is done with exemplars.
    pub exemplars: Exemplars,
    /// Whether OpenMetrics shows `_created`.
    pub created_timestamps: bool,
    /// Who may scrape.
    pub auth: Auth,
}

/// How names are translated. Of two that keep UTF-8 a scraper sees it who asks for it (`escaping=allow-utf-8`); names that
/// differ only in characters that become `_` elsewhere are one name, spelled as the first sender did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum TranslationStrategy {
    /// Unsuitable characters become `_`; unit and `_total` are added.
    UnderscoreEscapingWithSuffixes,
    /// Unsuitable characters become `_`.
    UnderscoreEscapingWithoutSuffixes,
    /// Names stay as they are; unit and `_total` are added.
    NoUTF8EscapingWithSuffixes,
    /// Names stay as they are.
    NoTranslation,
}

/// What becomes of resource attributes beside `target_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceConversion {
    /// Whether they become labels.
    pub enabled: bool,
    /// Whether `service.name`, `service.namespace` and `service.instance.id` are left out then.
    pub exclude_service_attributes: bool,
}

/// What is done with exemplars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Exemplars {
    /// How long one is shown after the moment it was made.
    pub retention: Span,
}

/// Who may scrape.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// How the scraper shows who it is.
    #[serde(rename = "type")]
    pub kind: AuthKind,
    /// With `bearer`.
    #[serde(serialize_with = "hidden")]
    pub token: String,
    /// With `basic`.
    pub user: String,
    /// With `basic`.
    #[serde(serialize_with = "hidden")]
    pub password: String,
}

/// How a scraper shows who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthKind {
    /// Everybody may scrape.
    #[default]
    None,
    /// `Authorization: Bearer TOKEN`.
    Bearer,
    /// `Authorization: Basic ...`.
    Basic,
}

// === impl Config ===

impl Config {
    /// What is wrong with it, all at once.
    pub fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if let Err(reason) = check_endpoint(&self.endpoint) {
            errors.push(ConfigError::new("endpoint", reason));
        }
        for name in self.const_labels.keys().filter(|name| name.is_empty()) {
            errors.push(ConfigError::new("const_labels", format!("`{name}` is no name of a label")));
        }
        errors.extend(self.auth.check());
        errors
    }

    /// Keys that are written but change nothing here, with the reason; not faults.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        let offered = "changes nothing here: OpenMetrics is offered to whoever asks for it";
        let overruled = "changes nothing here: translation_strategy says it";
        let offered = self.enable_open_metrics.map(|_| ConfigError::new("enable_open_metrics", offered));
        let both = self.add_metric_suffixes.and(self.translation_strategy);
        let overruled = both.map(|_| ConfigError::new("add_metric_suffixes", overruled));
        offered.into_iter().chain(overruled).collect()
    }

    /// How much the table may hold.
    pub fn limits(&self) -> Limits {
        let series_max = if self.series_limit == 0 { usize::MAX } else { self.series_limit };
        let bytes_max = usize::try_from(self.series_memory_limit.0).unwrap_or(usize::MAX);
        Limits { series_max, bytes_max: if bytes_max == 0 { usize::MAX / 2 } else { bytes_max } }
    }

    /// How long an exemplar is shown, in nanoseconds.
    pub fn exemplar_retention_ns(&self) -> u64 {
        u64::try_from(self.exemplars.retention.0.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Whether names get the unit and `_total`.
    pub fn adds_suffixes(&self) -> bool {
        match self.translation_strategy {
            Some(strategy) => strategy.adds_suffixes(),
            None => self.add_metric_suffixes.unwrap_or(true),
        }
    }

    /// Whether names are kept as they are spelled.
    pub fn keeps_utf8(&self) -> bool {
        self.translation_strategy.is_some_and(TranslationStrategy::keeps_utf8)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4021".to_owned(),
            namespace: String::new(),
            const_labels: BTreeMap::new(),
            send_timestamps: false,
            metric_expiration: Span(Duration::ZERO),
            enable_open_metrics: None,
            add_metric_suffixes: None,
            translation_strategy: None,
            resource_to_telemetry_conversion: ResourceConversion::default(),
            without_scope_info: false,
            series_limit: SERIES_LIMIT,
            series_memory_limit: SERIES_MEMORY_LIMIT,
            exemplars: Exemplars::default(),
            created_timestamps: false,
            auth: Auth::default(),
        }
    }
}

// === impl TranslationStrategy ===

impl TranslationStrategy {
    fn keeps_utf8(self) -> bool {
        matches!(self, Self::NoUTF8EscapingWithSuffixes | Self::NoTranslation)
    }

    fn adds_suffixes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::NoUTF8EscapingWithSuffixes)
    }
}

// === impl Exemplars ===

impl Default for Exemplars {
    fn default() -> Self {
        Self { retention: EXEMPLAR_RETENTION }
    }
}

// === impl Auth ===

impl Auth {
    fn check(&self) -> Vec<ConfigError> {
        let missing = |key: &str, value: &str, kind: &str| {
            value.is_empty().then(|| {
                ConfigError::new(format!("auth.{key}"), format!("is missing; `type: {kind}` needs it"))
            })
        };
        match self.kind {
            AuthKind::None => Vec::new(),
            AuthKind::Bearer => missing("token", &self.token, "bearer").into_iter().collect(),
            AuthKind::Basic => {
                [missing("user", &self.user, "basic"), missing("password", &self.password, "basic")]
                    .into_iter()
                    .flatten()
                    .collect()
            }
        }
    }
}

/// Secrets are not shown.
impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// `host:port`; whether the host resolves is seen when the listener is made.
fn check_endpoint(endpoint: &str) -> Result<(), String> {
    let wrong = || format!("`{endpoint}` is no address; write host:port, for example 127.0.0.1:4021");
    if endpoint.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    let (host, port) = endpoint.rsplit_once(':').ok_or_else(wrong)?;
    if host.contains([':', '/', ' ']) || port.parse::<u16>().is_err() {
        return Err(wrong());
    }
    Ok(())
}

/// Secrets are not written back.
fn hidden<S: Serializer>(secret: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.is_empty() { "" } else { "[redacted]" })
}

const SERIES_LIMIT: usize = 1_000_000;

const SERIES_MEMORY_LIMIT: ByteSize = ByteSize(192 << 20);

const EXEMPLAR_RETENTION: Span = Span(Duration::from_secs(15 * 60));

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(config: &Config) -> Vec<String> {
        config.check().into_iter().map(|error| error.path).collect()
    }

    #[test]
    fn the_default_is_valid_and_everything_wrong_is_named_at_once() {
        assert!(Config::default().check().is_empty());
        let config = Config {
            endpoint: "nowhere".to_owned(),
            auth: Auth { kind: AuthKind::Basic, ..Auth::default() },
            ..Config::default()
        };
        assert_eq!(paths(&config), ["endpoint", "auth.user", "auth.password"]);
    }

    #[test]
    fn p_n10_the_strategy_overrules_the_older_key() {
        for (strategy, suffixes, utf8) in [
            (TranslationStrategy::UnderscoreEscapingWithSuffixes, true, false),
            (TranslationStrategy::UnderscoreEscapingWithoutSuffixes, false, false),
            (TranslationStrategy::NoUTF8EscapingWithSuffixes, true, true),
            (TranslationStrategy::NoTranslation, false, true),
        ] {
            let config = Config {
                translation_strategy: Some(strategy),
                add_metric_suffixes: Some(!suffixes),
                ..Config::default()
            };
            assert_eq!((config.adds_suffixes(), config.keeps_utf8()), (suffixes, utf8), "{strategy:?}");
            assert!(config.check().is_empty());
            assert_eq!(config.without_effect()[0].path, "add_metric_suffixes");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let auth = Auth { token: "hush".to_owned(), ..Auth::default() };
        assert!(!format!("{auth:?}").contains("hush"));
    }
}
