//! What users write under `otlp_http:` (or `otlphttp:`), as the OpenTelemetry Collector documents it.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use pipelines::config::{ByteSize, ConfigError, IgnoredAny, Middlewares, Span};
use proto::SignalKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body::Form;
use crate::{
    auth,
    delivery::config::{DEAD_LETTER_BYTES_MAX, OnFull, RetryOnFailure, SendingQueue},
    secret::Secret,
    tls::Tls,
};

/// The exporter's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The URL before `/v1/traces`, `/v1/metrics` and `/v1/logs`: `https://tempo:4318`.
    pub endpoint: String,
    /// The whole URL for traces, instead of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traces_endpoint: Option<String>,
    /// The whole URL for metrics, instead of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_endpoint: Option<String>,
    /// The whole URL for logs, instead of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs_endpoint: Option<String>,
    /// Without effect: no pipeline carries profiles.
    #[serde(skip_serializing)]
    pub profiles_endpoint: Option<IgnoredAny>,
    /// Protobuf or JSON.
    pub encoding: Encoding,
    /// How TLS is spoken; the URL says whether it is.
    pub tls: Tls,
    /// How requests are compressed.
    pub compression: Compression,
    /// How hard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression_params: Option<CompressionParams>,
    /// Headers of every request. Values are secrets.
    pub headers: BTreeMap<String, Secret>,
    /// Who we are: the id of an extension such as `bearertokenauth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<auth::Reference>,
    /// The time of one attempt.
    pub timeout: Span,
    /// How long a connection is kept open while there is nothing to send.
    pub idle_conn_timeout: Span,
    /// Connections that are kept open while there is nothing to send, to each host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_idle_conns_per_host: Option<usize>,
    /// The same over all hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_idle_conns: Option<usize>,
    /// A connection for each request.
    pub disable_keep_alives: bool,
    /// After how long a silence a connection of HTTP/2 is asked whether it is there; never if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http2_read_idle_timeout: Option<Span>,
    /// How long it may take to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http2_ping_timeout: Option<Span>,
    /// Without effect: there are as many connections as `sending_queue.num_consumers`.
    #[serde(skip_serializing)]
    pub max_conns_per_host: Option<IgnoredAny>,
    /// Without effect: HTTP/2 is spoken where the other side offers it.
    #[serde(skip_serializing)]
    pub force_attempt_http2: Option<IgnoredAny>,
    /// Without effect: cookies are not kept.
    #[serde(skip_serializing)]
    pub cookies: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub read_buffer_size: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub write_buffer_size: Option<IgnoredAny>,
    /// An error in this version.
    #[serde(skip_serializing)]
    pub proxy_url: Option<IgnoredAny>,
    /// Nothing may be in it.
    #[serde(skip_serializing)]
    pub middlewares: Option<Middlewares>,
    /// The exporter's place in the journal.
    pub sending_queue: SendingQueue,
    /// What follows a passing failure.
    pub retry_on_failure: RetryOnFailure,
    /// How far the exporter may lag behind, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lag_bytes: Option<ByteSize>,
    /// What happens when it lags behind by that much.
    pub on_full: OnFull,
    /// Room on disk, over all pipelines, for what the destination refuses for good, as of `otlp_grpc`.
    pub max_dead_letter_bytes: ByteSize,
}

/// `encoding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Protobuf, as the journal has it.
    #[default]
    Proto,
    /// OTLP/JSON.
    Json,
}

/// `compression`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Understood by every destination.
    #[default]
    Gzip,
    /// A quarter of the cost, where the destination has it.
    Zstd,
    /// The format of zlib, under this name.
    Zlib,
    /// The same under the name that HTTP has for it.
    Deflate,
    /// One block.
    Snappy,
    /// A stream of blocks.
    #[serde(rename = "x-snappy-framed")]
    SnappyFramed,
    /// Not supported.
    Lz4,
    /// As it is.
    #[serde(alias = "")]
    None,
}

/// `compression_params`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompressionParams {
    /// 1 to 9 for gzip, zlib and deflate, 1 to 22 for zstd; 0 or -1 is the usual one.
    pub level: i32,
}

// === impl Config ===

impl Config {
    /// Every fault, with its path below the exporter.
    pub fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        errors.extend(self.urls().err());
        errors.extend(self.tls.check().into_iter().map(|error| error.under("tls")));
        errors.extend(self.headers().err());
        if self.compression == Compression::Lz4 {
            let message = "`lz4` is not supported; write gzip, zstd, zlib, deflate, snappy or none";
            errors.push(ConfigError::new("compression", message));
        }
        if let (Some(level), Some(max)) = (self.level(), self.compression.level_max())
            && !(1..=max).contains(&level)
        {
            let message = format!("must lie between 1 and {max}");
            errors.push(ConfigError::new("compression_params.level", message));
        }
        if self.timeout.0.is_zero() {
            errors.push(ConfigError::new("timeout", "must be longer than 0, for example 30s"));
        }
        if self.max_lag_bytes.is_some_and(|size| size.0 == 0) {
            errors.push(ConfigError::new("max_lag_bytes", "must be more than 0, for example 64MiB"));
        }
        if self.proxy_url.is_some() {
            let message = "is not in this version; requests go straight to the endpoint";
            errors.push(ConfigError::new("proxy_url", message));
        }
        errors.extend(Middlewares::check(self.middlewares));
        errors.extend(self.sending_queue.check().into_iter().map(|error| error.under("sending_queue")));
        errors.extend(self.retry_on_failure.check().into_iter().map(|error| error.under("retry_on_failure")));
        errors
    }

    /// Keys that are written but change nothing here.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        let written = [
            ("profiles_endpoint", self.profiles_endpoint.is_some()),
            ("compression_params", self.level().is_some() && self.compression.level_max().is_none()),
            ("max_conns_per_host", self.max_conns_per_host.is_some()),
            ("force_attempt_http2", self.force_attempt_http2.is_some()),
            ("cookies", self.cookies.is_some()),
            ("read_buffer_size", self.read_buffer_size.is_some()),
            ("write_buffer_size", self.write_buffer_size.is_some()),
            ("tls.insecure", self.tls.insecure),
        ];
        let written = written.into_iter().filter(|(_, written)| *written);
        let mut notes: Vec<_> = written.map(|(key, _)| ConfigError::new(key, "has no effect")).collect();
        notes.extend(self.tls.without_effect().into_iter().map(|note| note.under("tls")));
        let clear = |url: &Uri| url.scheme_str() == Some("http");
        if self.auth.is_some() && self.urls().is_ok_and(|urls| urls.iter().flatten().any(clear)) {
            notes.push(auth::in_the_clear());
        }
        let queue = self.sending_queue.without_effect().into_iter();
        notes.extend(queue.map(|note| note.under("sending_queue")));
        notes
    }

    /// Where requests of each signal go, in the order of [`SignalKind::ALL`].
    ///
    /// # Errors
    /// There is none at all, or one that is no URL.
    pub(super) fn urls(&self) -> Result<[Option<Uri>; 3], ConfigError> {
        let own = |signal| match signal {
            SignalKind::Traces => ("traces_endpoint", &self.traces_endpoint),
            SignalKind::Metrics => ("metrics_endpoint", &self.metrics_endpoint),
            SignalKind::Logs => ("logs_endpoint", &self.logs_endpoint),
        };
        let url = |signal: SignalKind| match own(signal) {
            (key, Some(text)) if !text.is_empty() => url(key, text, "").map(Some),
            _ if self.endpoint.is_empty() => Ok(None),
            _ => url("endpoint", &self.endpoint, &format!("/v1/{}", signal.as_str())).map(Some),
        };
        let [traces, metrics, logs] = SignalKind::ALL.map(url);
        let urls = [traces?, metrics?, logs?];
        if urls.iter().all(Option::is_none) {
            let message = "is missing; write for example https://tempo:4318";
            return Err(ConfigError::new("endpoint", message));
        }
        Ok(urls)
    }

    /// Whether there is no URL for a signal.
    pub fn check_signal(&self, signal: SignalKind) -> Option<ConfigError> {
        let urls = self.urls().ok()?;
        let missing = SignalKind::ALL.iter().zip(urls).any(|(kind, url)| *kind == signal && url.is_none());
        let key = format!("{}_endpoint", signal.as_str());
        missing.then(|| ConfigError::new(key, "is missing, and there is no endpoint to go by"))
    }

    /// The user's own headers.
    ///
    /// # Errors
    /// A name or a value cannot be sent.
    pub(super) fn headers(&self) -> Result<HeaderMap, ConfigError> {
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let wrong = |what: &str| ConfigError::new(format!("headers.{name}"), what);
            let key = HeaderName::try_from(name).map_err(|_| wrong("is not the name of a header"))?;
            if OURS.contains(&key) {
                return Err(wrong("is written by the exporter itself"));
            }
            let value = HeaderValue::try_from(value.reveal());
            let mut value = value.map_err(|_| wrong("holds characters that no header can hold"))?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        Ok(headers)
    }

    pub(super) fn form(&self) -> Form {
        Form { encoding: self.encoding, compression: self.compression, level: self.level() }
    }

    /// The level that is asked for.
    fn level(&self) -> Option<i32> {
        self.compression_params.map(|params| params.level).filter(|level| !matches!(level, 0 | -1))
    }

    pub(super) fn idle_connections_max(&self) -> usize {
        match self.disable_keep_alives {
            true => 0,
            false => {
                let both = [self.max_idle_conns_per_host, self.max_idle_conns];
                both.into_iter().flatten().filter(|max| *max > 0).min().unwrap_or(IDLE_CONNECTIONS_MAX)
            }
        }
    }

    pub(super) fn http2_ping_timeout(&self) -> Duration {
        let written = self.http2_ping_timeout.map(|span| span.0).filter(|span| !span.is_zero());
        written.unwrap_or(PING_TIMEOUT)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            traces_endpoint: None,
            metrics_endpoint: None,
            logs_endpoint: None,
            profiles_endpoint: None,
            encoding: Encoding::default(),
            tls: Tls::default(),
            compression: Compression::default(),
            compression_params: None,
            headers: BTreeMap::new(),
            auth: None,
            timeout: Span(Duration::from_secs(30)),
            idle_conn_timeout: Span(Duration::from_secs(90)),
            max_idle_conns_per_host: None,
            max_idle_conns: None,
            disable_keep_alives: false,
            http2_read_idle_timeout: None,
            http2_ping_timeout: None,
            max_conns_per_host: None,
            force_attempt_http2: None,
            cookies: None,
            read_buffer_size: None,
            write_buffer_size: None,
            proxy_url: None,
            middlewares: None,
            sending_queue: SendingQueue::default(),
            retry_on_failure: RetryOnFailure::default(),
            max_lag_bytes: None,
            on_full: OnFull::default(),
            max_dead_letter_bytes: ByteSize(DEAD_LETTER_BYTES_MAX),
        }
    }
}

// === impl Compression ===

impl Compression {
    fn level_max(self) -> Option<i32> {
        match self {
            Self::Gzip | Self::Zlib | Self::Deflate => Some(9),
            Self::Zstd => Some(22),
            Self::Snappy | Self::SnappyFramed | Self::Lz4 | Self::None => None,
        }
    }
}

/// A URL with this path behind it.
fn url(key: &str, text: &str, path: &str) -> Result<Uri, ConfigError> {
    let wrong = |what: &str| {
        ConfigError::new(key, format!("`{text}` {what}; write for example https://tempo:4318{path}"))
    };
    if !text.contains("://") {
        return Err(wrong("does not begin with http:// or https://"));
    }
    let whole = if path.is_empty() { text.to_owned() } else { text.trim_end_matches('/').to_owned() + path };
    let uri: Uri = whole.parse().map_err(|_| wrong("is not a URL"))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        Some("http" | "https") => Err(wrong("names no host")),
        _ => Err(wrong("does not begin with http:// or https://")),
    }
}

/// What only the exporter knows.
const OURS: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
const IDLE_CONNECTIONS_MAX: usize = 100;
const PING_TIMEOUT: Duration = Duration::from_secs(15);
