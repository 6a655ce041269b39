//! `service.telemetry.traces`: spans about the collector's own work, and where they go.
//!
//! The keys are those of the Collector, which takes them from OpenTelemetry's declarative configuration (0.3): a list of
//! span processors, each with its exporter, and a sampler. Times are whole milliseconds.

use std::time::Duration;

use exporters::secret::Secret;
use pipelines::config::{ConfigError, IgnoredAny};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Detail;

/// `service.telemetry.traces`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// `none` turns own traces off; all others are alike.
    pub level: Detail,
    /// `tracecontext`: the trace of a caller is gone on with, and told to those we call. None unless named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub propagators: Vec<String>,
    /// Where the spans go; nowhere, and none are made, if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub processors: Vec<Processor>,
    /// Which traces are told; all of them if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<Sampler>,
    /// Without effect: own spans have few attributes.
    #[serde(skip_serializing)]
    pub limits: Option<IgnoredAny>,
}

/// A span processor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Processor {
    /// Sends in batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// Sends each span by itself; here it is sent in batches too, at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simple: Option<Simple>,
}

/// `batch:`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// Where to.
    pub exporter: Exporter,
    /// Milliseconds between two batches; 5 000 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_delay: Option<u64>,
    /// Milliseconds an export may take; 30 000 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_timeout: Option<u64>,
    /// Spans that wait at most, beyond which they are dropped; 2 048 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queue_size: Option<usize>,
    /// Spans of one batch; 512 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_export_batch_size: Option<usize>,
}

/// `simple:`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Simple {
    /// Where to.
    pub exporter: Exporter,
}

/// A span exporter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Exporter {
    /// OTLP over gRPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<Otlp>,
    /// Without effect: own spans are not written to the console.
    #[serde(skip_serializing)]
    pub console: Option<IgnoredAny>,
}

/// `otlp:`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Otlp {
    /// `grpc`.
    pub protocol: String,
    /// Such as `http://127.0.0.1:4317`; without a scheme `insecure` decides.
    pub endpoint: String,
    /// Sent with every request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Without effect: name them under `headers`.
    #[serde(skip_serializing)]
    pub headers_list: Option<IgnoredAny>,
    /// Whether an endpoint without a scheme is spoken to without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insecure: Option<bool>,
    /// Milliseconds a request may take; 10 000 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// `gzip`, or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    /// An error in this version: TLS trusts what the system trusts.
    #[serde(skip_serializing)]
    pub certificate: Option<IgnoredAny>,
    /// An error in this version.
    #[serde(skip_serializing)]
    pub client_certificate: Option<IgnoredAny>,
    /// An error in this version.
    #[serde(skip_serializing)]
    pub client_key: Option<IgnoredAny>,
}

/// A header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value, which is never shown.
    pub value: Secret,
}

/// A sampler: one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sampler {
    /// Every trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always_on: Option<Nothing>,
    /// No trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always_off: Option<Nothing>,
    /// A share of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id_ratio_based: Option<Ratio>,
    /// As the caller has decided; without one, as `root` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_based: Option<ParentBased>,
}

/// `{}`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Nothing {}

/// `trace_id_ratio_based:`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ratio {
    /// From 0 to 1.
    pub ratio: f64,
}

/// `parent_based:`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ParentBased {
    /// For traces that begin here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Box<Sampler>>,
    /// Without effect: a caller's decision is kept.
    #[serde(skip_serializing)]
    pub remote_parent_sampled: Option<IgnoredAny>,
    /// Without effect: a caller's decision is kept.
    #[serde(skip_serializing)]
    pub remote_parent_not_sampled: Option<IgnoredAny>,
    /// Without effect: a caller's decision is kept.
    #[serde(skip_serializing)]
    pub local_parent_sampled: Option<IgnoredAny>,
    /// Without effect: a caller's decision is kept.
    #[serde(skip_serializing)]
    pub local_parent_not_sampled: Option<IgnoredAny>,
}

// === impl Traces ===

impl Traces {
    /// Everything that is wrong, with paths from here.
    pub fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        for (index, propagator) in self.propagators.iter().enumerate() {
            if !["tracecontext", "b3"].contains(&propagator.as_str()) {
                let message = format!("`{propagator}` is not a propagator; write tracecontext");
                errors.push(ConfigError::new(format!("propagators[{index}]"), message));
            }
        }
        for (index, processor) in self.processors.iter().enumerate() {
            let path = format!("processors[{index}]");
            errors.extend(processor.check().into_iter().map(|error| error.under(&path)));
        }
        if let Some(sampler) = &self.sampler {
            errors.extend(sampler.check().into_iter().map(|error| error.under("sampler")));
        }
        errors
    }

    /// Keys that do not do what they seem to.
    pub fn warnings(&self) -> Vec<ConfigError> {
        let mut warnings = Vec::new();
        if let Some(index) = self.propagators.iter().position(|propagator| propagator == "b3") {
            let message = "has no effect; only tracecontext is carried on";
            warnings.push(ConfigError::new(format!("propagators[{index}]"), message));
        }
        for (index, processor) in self.processors.iter().enumerate() {
            let has_console =
                |(key, exporter): &(&str, &Exporter)| exporter.console.is_some().then(|| key.to_string());
            for key in processor.exporters().iter().filter_map(has_console) {
                let message = "has no effect; own spans are not written to the console";
                warnings
                    .push(ConfigError::new(format!("processors[{index}].{key}.exporter.console"), message));
            }
        }
        warnings
    }

    /// Whether spans are made at all.
    pub fn is_on(&self) -> bool {
        self.level != Detail::None && self.processors.iter().any(|processor| processor.otlp().is_some())
    }

    /// Whether the context of a trace crosses this process.
    pub fn are_propagated(&self) -> bool {
        self.propagators.iter().any(|propagator| propagator == "tracecontext")
    }
}

// === impl Processor ===

impl Processor {
    /// Where it sends to, if that is OTLP, and how it gathers.
    pub fn otlp(&self) -> Option<(&Otlp, Batch)> {
        match (&self.batch, &self.simple) {
            (Some(batch), _) => Some((batch.exporter.otlp.as_ref()?, batch.clone())),
            (None, Some(simple)) => {
                let at_once = Batch { schedule_delay: Some(AT_ONCE_MILLIS), ..Batch::default() };
                Some((simple.exporter.otlp.as_ref()?, at_once))
            }
            (None, None) => None,
        }
    }

    fn exporters(&self) -> Vec<(&'static str, &Exporter)> {
        let batch = self.batch.iter().map(|batch| ("batch", &batch.exporter));
        batch.chain(self.simple.iter().map(|simple| ("simple", &simple.exporter))).collect()
    }

    fn check(&self) -> Vec<ConfigError> {
        let exporters = self.exporters();
        if exporters.len() != 1 {
            return vec![ConfigError::new("", "must be one of `batch` and `simple`")];
        }
        let mut errors = Vec::new();
        for (key, exporter) in exporters {
            let path = format!("{key}.exporter");
            match (&exporter.otlp, &exporter.console) {
                (Some(otlp), _) => {
                    let path = format!("{path}.otlp");
                    errors.extend(otlp.check().into_iter().map(|error| error.under(&path)));
                }
                (None, Some(_)) => {}
                (None, None) => errors.push(ConfigError::new(path, "names no exporter; write `otlp`")),
            }
        }
        if let Some(Batch { max_queue_size, max_export_batch_size, .. }) = &self.batch {
            let sizes =
                [("max_queue_size", max_queue_size), ("max_export_batch_size", max_export_batch_size)];
            for (key, size) in sizes {
                if size.is_some_and(|size| !(1..=SPANS_MAX).contains(&size)) {
                    let message = format!("must be from 1 to {SPANS_MAX}");
                    errors.push(ConfigError::new(format!("batch.{key}"), message));
                }
            }
        }
        errors
    }
}

// === impl Otlp ===

impl Otlp {
    /// The time a request may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout.unwrap_or(TIMEOUT_MILLIS))
    }

    /// The endpoint with its scheme.
    pub fn url(&self) -> String {
        let has_scheme = self.endpoint.contains("://");
        match (has_scheme, self.insecure.unwrap_or(false)) {
            (true, _) => self.endpoint.clone(),
            (false, true) => format!("http://{}", self.endpoint),
            (false, false) => format!("https://{}", self.endpoint),
        }
    }

    fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.protocol != "grpc" {
            let message = format!("`{}` is not in this version; write grpc", self.protocol);
            errors.push(ConfigError::new("protocol", message));
        }
        let is_url = self.url().parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some());
        if self.endpoint.is_empty() || !is_url {
            errors.push(ConfigError::new("endpoint", "must be a URL, such as http://127.0.0.1:4317"));
        }
        for (index, header) in self.headers.iter().enumerate() {
            let name = http::HeaderName::from_bytes(header.name.as_bytes());
            let value = http::HeaderValue::from_str(header.value.reveal());
            if name.is_err() || value.is_err() {
                let message = "is not a header that can be sent";
                errors.push(ConfigError::new(format!("headers[{index}]"), message));
            }
        }
        if !matches!(self.compression.as_deref(), None | Some("none" | "gzip")) {
            errors.push(ConfigError::new("compression", "must be gzip or none"));
        }
        if self.timeout == Some(0) {
            errors.push(ConfigError::new("timeout", "must be at least 1 (milliseconds)"));
        }
        let files = [
            ("certificate", &self.certificate),
            ("client_certificate", &self.client_certificate),
            ("client_key", &self.client_key),
        ];
        for (key, _) in files.into_iter().filter(|(_, value)| value.is_some()) {
            let message = "is not in this version; TLS of own traces trusts what the system trusts";
            errors.push(ConfigError::new(key, message));
        }
        errors
    }
}

impl Default for Otlp {
    fn default() -> Self {
        Self {
            protocol: "grpc".to_owned(),
            endpoint: String::new(),
            headers: Vec::new(),
            headers_list: None,
            insecure: None,
            timeout: None,
            compression: None,
            certificate: None,
            client_certificate: None,
            client_key: None,
        }
    }
}

// === impl Sampler ===

impl Sampler {
    fn check(&self) -> Vec<ConfigError> {
        let named = [
            self.always_on.is_some(),
            self.always_off.is_some(),
            self.trace_id_ratio_based.is_some(),
            self.parent_based.is_some(),
        ];
        if named.into_iter().filter(|named| *named).count() != 1 {
            let message = "must be one of always_on, always_off, trace_id_ratio_based and parent_based";
            return vec![ConfigError::new("", message)];
        }
        if let Some(Ratio { ratio }) = self.trace_id_ratio_based
            && !(0.0..=1.0).contains(&ratio)
        {
            return vec![ConfigError::new("trace_id_ratio_based.ratio", "must be from 0 to 1")];
        }
        let root = self.parent_based.as_ref().and_then(|parent| parent.root.as_ref());
        root.map(|root| root.check().into_iter().map(|error| error.under("parent_based.root")).collect())
            .unwrap_or_default()
    }
}

// === impl Ratio ===

impl Default for Ratio {
    fn default() -> Self {
        Self { ratio: 1.0 }
    }
}

/// What `simple` waits for company.
const AT_ONCE_MILLIS: u64 = 100;
const TIMEOUT_MILLIS: u64 = 10_000;
/// Of a queue or a batch.
const SPANS_MAX: usize = 65_536;
