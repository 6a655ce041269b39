//! `protocols.http:`

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use pipelines::config::{ByteSize, ConfigError, IgnoredAny, Middlewares, Span};
use proto::SignalKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Auth, Cors, Tls, check_place};

/// OTLP/HTTP, with the keys of the Collector's `confighttp.ServerConfig` and its OTLP receiver.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Where to listen: `host:port`, default `127.0.0.1:4318`.
    pub endpoint: String,
    /// `tcp` (the default), `tcp4`, `tcp6`, or `unix`, for which the endpoint is a path.
    pub transport: String,
    /// Path of traces; default `/v1/traces`.
    pub traces_url_path: String,
    /// Path of metrics; default `/v1/metrics`.
    pub metrics_url_path: String,
    /// Path of logs; default `/v1/logs`.
    pub logs_url_path: String,
    /// Largest body, before and after inflation; default 64 MiB as OTLP recommends, 0 for the default.
    pub max_request_body_size: ByteSize,
    /// Headers added to every answer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub response_headers: BTreeMap<String, String>,
    /// Content encodings that are accepted (`""` is none at all); default: all we know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression_algorithms: Option<Vec<String>>,
    /// Whether a connection serves more than one request; default true.
    pub keep_alives_enabled: bool,
    /// How long a request's head may take, and how long a connection may wait for the next request, if that
    /// is longer than `idle_timeout`; default 1m.
    pub read_header_timeout: Span,
    /// How long a request's body may take; default 1m. It cannot be switched off (0 is the default),
    /// because a body that never ends would hold its admitted bytes for ever.
    pub read_timeout: Span,
    /// How long a connection may wait for the next request; default 1m.
    pub idle_timeout: Span,
    /// Age at which a connection is asked to leave: at once over HTTP/2, with its next answer over HTTP/1.1. Default 5m, 0
    /// for never. Ours alone.
    pub max_connection_age: Span,
    /// No effect: answers are a few bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_timeout: Option<Span>,
    /// Whether processors may ask for headers of the request (`from_context: metadata.NAME`).
    pub include_metadata: bool,
    /// No effect.
    pub include_tls_metadata: bool,
    /// Which web pages may send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// TLS on each connection; without it there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Who may send; without it everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Nothing may be in it.
    #[serde(skip_serializing)]
    pub middlewares: Option<Middlewares>,
    /// No effect: it is for who opens connections.
    #[serde(skip_serializing)]
    pub dialer: Option<IgnoredAny>,
}

// === impl Http ===

impl Http {
    /// Largest body in bytes.
    pub fn body_bytes_max(&self) -> usize {
        match self.max_request_body_size {
            ByteSize(0) => BODY_BYTES_DEFAULT as usize,
            ByteSize(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }

    /// How long a body may take.
    pub fn body_timeout(&self) -> Duration {
        if self.read_timeout.0.is_zero() { READ_TIMEOUT } else { self.read_timeout.0 }
    }

    /// How long a connection may be silent between two requests, or within a head.
    pub fn silence_max(&self) -> Duration {
        let longest = self.read_header_timeout.0.max(self.idle_timeout.0);
        if longest.is_zero() { READ_TIMEOUT } else { longest }
    }

    /// How long a connection may wait for the next request.
    pub fn idle_max(&self) -> Duration {
        if self.idle_timeout.0.is_zero() { self.body_timeout() } else { self.idle_timeout.0 }
    }

    /// Names of the content encodings that are taken; the empty one stands for none at all.
    pub fn encodings(&self) -> Vec<&'static str> {
        let taken = |name: &&str| {
            self.compression_algorithms.as_ref().is_none_or(|list| list.iter().any(|own| own == name))
        };
        ALGORITHMS.into_iter().filter(taken).collect()
    }

    /// Headers added to every answer, as far as [`check`](super::Config::check) lets them pass.
    pub fn response_headers(&self) -> HeaderMap {
        let pairs = self.response_headers.iter();
        pairs.filter_map(|(name, value)| Some((name.try_into().ok()?, value.try_into().ok()?))).collect()
    }

    /// The path of a signal.
    pub fn url_path(&self, signal: SignalKind) -> &str {
        match signal {
            SignalKind::Traces => &self.traces_url_path,
            SignalKind::Metrics => &self.metrics_url_path,
            SignalKind::Logs => &self.logs_url_path,
        }
    }

    pub(super) fn check(&self) -> Vec<ConfigError> {
        let mut errors = check_place(&self.endpoint, &self.transport);
        self.check_paths(&mut errors);
        if self.max_request_body_size.0 > BODY_BYTES_MAX {
            let message = format!("must be at most {}", ByteSize(BODY_BYTES_MAX));
            errors.push(ConfigError::new("max_request_body_size", message));
        }
        for (name, value) in &self.response_headers {
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                let path = format!("response_headers.{name}");
                errors.push(ConfigError::new(path, format!("`{name}: {value}` is not an HTTP header")));
            }
        }
        for (i, name) in self.compression_algorithms.iter().flatten().enumerate() {
            if name != LZ4 && !ALGORITHMS.contains(&name.as_str()) {
                let message = format!("`{name}` is not known; write some of {ALGORITHMS:?}");
                errors.push(ConfigError::new(format!("compression_algorithms[{i}]"), message));
            }
        }
        errors.extend(self.cors.iter().flat_map(Cors::check).map(|error| error.under("cors")));
        errors.extend(self.tls.iter().flat_map(Tls::check).map(|error| error.under("tls")));
        errors.extend(Middlewares::check(self.middlewares));
        errors
    }

    pub(super) fn warnings(&self) -> Vec<ConfigError> {
        let mut warnings: Vec<_> = [
            ("write_timeout", self.write_timeout.is_some()),
            ("include_tls_metadata", self.include_tls_metadata),
        ]
        .into_iter()
        .filter(|(_, written)| *written)
        .map(|(key, _)| ConfigError::new(key, "has no effect here"))
        .collect();
        warnings.extend(self.tls.iter().flat_map(Tls::warnings).map(|warning| warning.under("tls")));
        warnings.extend(self.auth.iter().flat_map(Auth::warnings).map(|warning| warning.under("auth")));
        warnings.extend(self.cors.iter().flat_map(Cors::warnings).map(|warning| warning.under("cors")));
        for (i, name) in self.compression_algorithms.iter().flatten().enumerate() {
            if name == LZ4 {
                let path = format!("compression_algorithms[{i}]");
                warnings.push(ConfigError::new(path, format!("`{name}` is not supported in this version")));
            }
        }
        warnings
    }

    fn check_paths(&self, errors: &mut Vec<ConfigError>) {
        let paths = SignalKind::ALL.map(|signal| (signal, self.url_path(signal)));
        for (i, (signal, path)) in paths.into_iter().enumerate() {
            let key = format!("{signal}_url_path");
            if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
                let message = format!("`{path}` is not a path; write for example /v1/{signal}");
                errors.push(ConfigError::new(key, message));
            } else if let Some((other, _)) = paths[..i].iter().find(|(_, taken)| *taken == path) {
                errors.push(ConfigError::new(key, format!("`{path}` is the path of {other} already")));
            }
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4318".to_owned(),
            transport: "tcp".to_owned(),
            traces_url_path: "/v1/traces".to_owned(),
            metrics_url_path: "/v1/metrics".to_owned(),
            logs_url_path: "/v1/logs".to_owned(),
            max_request_body_size: ByteSize(BODY_BYTES_DEFAULT),
            response_headers: BTreeMap::new(),
            compression_algorithms: None,
            keep_alives_enabled: true,
            read_header_timeout: Span(READ_TIMEOUT),
            read_timeout: Span(READ_TIMEOUT),
            idle_timeout: Span(READ_TIMEOUT),
            max_connection_age: Span(AGE_MAX),
            write_timeout: None,
            include_metadata: false,
            include_tls_metadata: false,
            cors: None,
            tls: None,
            auth: None,
            middlewares: None,
            dialer: None,
        }
    }
}

const BODY_BYTES_DEFAULT: u64 = 64 << 20;
const BODY_BYTES_MAX: u64 = 1 << 30;
/// As on gRPC.
const AGE_MAX: Duration = Duration::from_secs(300);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// What we take of what the Collector knows.
const ALGORITHMS: [&str; 7] = ["", "gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed"];
/// What else the Collector knows.
const LZ4: &str = "lz4";
