//! What the user writes under `prometheus:`.
//!
//! Keys and defaults are those of the OpenTelemetry Collector's exporter, with these deliberate
//! differences: series never expire by default (`metric_expiration: 0s`; a connector ends its own), the
//! number of series is limited, OpenMetrics is always offered.

mod auth;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use pipelines::config::{ByteSize, ConfigError, IgnoredAny, Middlewares, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::auth::{Auth, AuthKind};
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
    /// Whether gauges of unit `1` get `_ratio`, as in the Collector; what OpenTelemetry says of names has no such rule
    /// any more.
    pub add_ratio_suffix: bool,
    /// How names are translated.
    pub translation_strategy: Option<TranslationStrategy>,
    /// Whether every resource attribute becomes a label of every series.
    pub resource_to_telemetry_conversion: ResourceConversion,
    /// Which resource attributes become labels of every series; goes before `resource_to_telemetry_conversion`.
    pub resource_constant_labels: ResourceLabels,
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
    /// How long a new counter or histogram is shown as 0, so that Prometheus sees its first increase: as long as Prometheus
    /// waits between two scrapes, at least. 0, the default, shows values at once.
    pub zero_first: Span,
    /// Who may scrape.
    pub auth: Auth,
    /// `tcp` (the default), `tcp4` or `tcp6`.
    pub transport: String,
    /// Headers added to every answer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub response_headers: BTreeMap<String, String>,
    /// How long a request's head may take, and how long a connection may wait for the next request, if that is longer
    /// than `idle_timeout`; default 1m.
    pub read_header_timeout: Span,
    /// How long a connection may wait for the next request; default 1m.
    pub idle_timeout: Span,
    /// How long a scraper may leave a page unread; default 30s.
    pub write_timeout: Span,
    /// Whether a connection serves more than one request; default true.
    pub keep_alives_enabled: bool,
    /// An error in this version: the page does not speak TLS.
    #[serde(skip_serializing)]
    pub tls: Option<IgnoredAny>,
    /// Nothing may be in it.
    #[serde(skip_serializing)]
    pub middlewares: Option<Middlewares>,
    /// Without effect: it is for who opens connections.
    #[serde(skip_serializing)]
    pub dialer: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub cors: Option<IgnoredAny>,
    /// Without effect: requests have no body.
    #[serde(skip_serializing)]
    pub read_timeout: Option<IgnoredAny>,
    /// Without effect: requests have no body.
    #[serde(skip_serializing)]
    pub max_request_body_size: Option<IgnoredAny>,
    /// Without effect: requests have no body.
    #[serde(skip_serializing)]
    pub compression_algorithms: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub include_metadata: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub include_tls_metadata: Option<IgnoredAny>,
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

/// Which resource attributes become labels, by patterns such as `k8s.pod.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceLabels {
    /// Those that match one of these; all, where only `excluded` is given.
    pub included: Vec<String>,
    /// Except those that match one of these.
    pub excluded: Vec<String>,
}

/// What is done with exemplars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Exemplars {
    /// How long one is shown after the moment it was made.
    pub retention: Span,
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
        let (zero, expiration) = (self.zero_first.0, self.metric_expiration.0);
        if !expiration.is_zero() && zero >= expiration {
            let message =
                "must be shorter than metric_expiration: a series would be gone before its value is shown";
            errors.push(ConfigError::new("zero_first", message));
        }
        errors.extend(self.auth.check());
        errors.extend(self.check_server());
        errors
    }

    /// The keys of the Collector's `confighttp.ServerConfig`.
    fn check_server(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if !["tcp", "tcp4", "tcp6"].contains(&self.transport.as_str()) {
            let message = format!("`{}` is not supported; write tcp, tcp4 or tcp6", self.transport);
            errors.push(ConfigError::new("transport", message));
        }
        for (name, value) in &self.response_headers {
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                let path = format!("response_headers.{name}");
                errors.push(ConfigError::new(path, format!("`{name}: {value}` is not an HTTP header")));
            }
        }
        if self.tls.is_some() {
            let message = "is not supported in this version; a proxy in front of the page can speak TLS";
            errors.push(ConfigError::new("tls", message));
        }
        errors.extend(Middlewares::check(self.middlewares));
        errors
    }

    /// Headers added to every answer, as far as [`check`](Self::check) lets them pass.
    pub fn response_headers(&self) -> HeaderMap {
        let pairs = self.response_headers.iter();
        pairs.filter_map(|(name, value)| Some((name.try_into().ok()?, value.try_into().ok()?))).collect()
    }

    /// How long a connection may be silent between two requests, or within a head.
    pub fn silence_max(&self) -> Duration {
        let longest = self.read_header_timeout.0.max(self.idle_timeout.0);
        if longest.is_zero() { HEADER_PATIENCE } else { longest }
    }

    /// How long a scraper may leave a page unread.
    pub fn write_patience(&self) -> Duration {
        if self.write_timeout.0.is_zero() { WRITE_PATIENCE } else { self.write_timeout.0 }
    }

    /// Keys that are written but change nothing here, with the reason; not faults.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        let offered = "changes nothing here: OpenMetrics is offered to whoever asks for it";
        let overruled = "changes nothing here: translation_strategy says it";
        let offered = self.enable_open_metrics.map(|_| ConfigError::new("enable_open_metrics", offered));
        let both = self.add_metric_suffixes.and(self.translation_strategy);
        let overruled = both.map(|_| ConfigError::new("add_metric_suffixes", overruled));
        let unsuffixed = (self.add_ratio_suffix && !self.adds_suffixes())
            .then(|| ConfigError::new("add_ratio_suffix", "changes nothing here: names get no suffixes"));
        offered.into_iter().chain(overruled).chain(unsuffixed).collect()
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

    /// How long a new counter or histogram is shown as zero, in nanoseconds.
    pub fn zero_first_ns(&self) -> u64 {
        u64::try_from(self.zero_first.0.as_nanos()).unwrap_or(u64::MAX)
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
            add_ratio_suffix: false,
            translation_strategy: None,
            resource_to_telemetry_conversion: ResourceConversion::default(),
            resource_constant_labels: ResourceLabels::default(),
            without_scope_info: false,
            series_limit: SERIES_LIMIT,
            series_memory_limit: SERIES_MEMORY_LIMIT,
            exemplars: Exemplars::default(),
            created_timestamps: false,
            zero_first: Span(Duration::ZERO),
            auth: Auth::default(),
            transport: "tcp".to_owned(),
            response_headers: BTreeMap::new(),
            read_header_timeout: Span(HEADER_PATIENCE),
            idle_timeout: Span(HEADER_PATIENCE),
            write_timeout: Span(WRITE_PATIENCE),
            keep_alives_enabled: true,
            tls: None,
            middlewares: None,
            dialer: None,
            cors: None,
            read_timeout: None,
            max_request_body_size: None,
            compression_algorithms: None,
            include_metadata: None,
            include_tls_metadata: None,
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

// === impl ResourceLabels ===

impl ResourceLabels {
    /// Whether it says anything.
    pub fn is_given(&self) -> bool {
        !self.included.is_empty() || !self.excluded.is_empty()
    }

    /// Whether an attribute becomes a label.
    pub fn takes(&self, key: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, key));
        (self.included.is_empty() || any(&self.included)) && !any(&self.excluded)
    }
}

/// Whether a text fits a pattern, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts = rest.split('*');
    let end = parts.next_back().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(end)
}

// === impl Exemplars ===

impl Default for Exemplars {
    fn default() -> Self {
        Self { retention: EXEMPLAR_RETENTION }
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

const HEADER_PATIENCE: Duration = Duration::from_secs(60);

const WRITE_PATIENCE: Duration = Duration::from_secs(30);

const SERIES_LIMIT: usize = 1_000_000;

const SERIES_MEMORY_LIMIT: ByteSize = ByteSize(192 << 20);

const EXEMPLAR_RETENTION: Span = Span(Duration::from_secs(15 * 60));

#[cfg(test)]
mod tests;
