//! `protocols.grpc:`

use std::time::Duration;

use pipelines::config::{ConfigError, IgnoredAny, Middlewares, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Auth, Tls, check_place, or_default};

/// OTLP/gRPC, with the keys of the Collector's `configgrpc.ServerConfig`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Grpc {
    /// Where to listen: `host:port`, default `127.0.0.1:4317`.
    pub endpoint: String,
    /// `tcp` (the default), `tcp4`, `tcp6`, or `unix`, for which the endpoint is a path.
    pub transport: String,
    /// Largest message in MiB, before and after inflation. Default 16: OTLP, *OTLP/gRPC Message Size*, knows
    /// 4 MiB as usual and recommends 64 MiB. Memory does not depend on it, because every byte is admitted.
    /// 0 is the default, as in the Collector.
    pub max_recv_msg_size_mib: u32,
    /// Calls in flight per connection; default 1024, which 0 means too.
    pub max_concurrent_streams: u32,
    /// No effect: buffers follow the HTTP/2 windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_buffer_size: Option<u64>,
    /// No effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_buffer_size: Option<u64>,
    /// How connections are kept alive, and how long they live.
    #[serde(deserialize_with = "or_default")]
    pub keepalive: Keepalive,
    /// Whether processors may ask for headers of the request (`from_context: metadata.NAME`).
    pub include_metadata: bool,
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

/// `keepalive:`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keepalive {
    /// What the server does.
    #[serde(deserialize_with = "or_default")]
    pub server_parameters: ServerParameters,
    /// What clients may do. No effect: floods of pings end a connection in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcement_policy: Option<EnforcementPolicy>,
}

/// `keepalive.server_parameters:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerParameters {
    /// A connection without a call in flight for that long is closed; 0 (the default) for never.
    pub max_connection_idle: Span,
    /// A connection that old (and a tenth of it more or less) is asked to go, so that load spreads over
    /// replicas; default 5m, 0 for never.
    pub max_connection_age: Span,
    /// How long calls in flight may then take; default 1m, which 0 means too.
    pub max_connection_age_grace: Span,
    /// A connection that silent is pinged; default 30s, which 0 means too.
    pub time: Span,
    /// A ping unanswered for that long ends the connection; default 10s, which 0 means too.
    pub timeout: Span,
}

/// `keepalive.enforcement_policy:`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnforcementPolicy {
    /// Least time between a client's pings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_time: Option<Span>,
    /// Whether a client may ping without a call in flight.
    pub permit_without_stream: bool,
}

// === impl Grpc ===

impl Grpc {
    /// Largest message in bytes.
    pub fn message_bytes_max(&self) -> usize {
        match self.max_recv_msg_size_mib {
            0 => MESSAGE_MIB_DEFAULT as usize * MIB,
            mib => mib as usize * MIB,
        }
    }

    /// Calls in flight per connection.
    pub fn calls_max(&self) -> u32 {
        if self.max_concurrent_streams == 0 { CALLS_DEFAULT } else { self.max_concurrent_streams }
    }

    pub(super) fn check(&self) -> Vec<ConfigError> {
        let mut errors = check_place(&self.endpoint, &self.transport);
        if self.max_recv_msg_size_mib > MESSAGE_MIB_MAX {
            let message =
                format!("must be at most {MESSAGE_MIB_MAX} MiB, not {}", self.max_recv_msg_size_mib);
            errors.push(ConfigError::new("max_recv_msg_size_mib", message));
        }
        errors.extend(self.tls.iter().flat_map(Tls::check).map(|error| error.under("tls")));
        errors.extend(Middlewares::check(self.middlewares));
        errors
    }

    pub(super) fn warnings(&self) -> Vec<ConfigError> {
        let own = [
            ("read_buffer_size", self.read_buffer_size.is_some()),
            ("write_buffer_size", self.write_buffer_size.is_some()),
            ("keepalive.enforcement_policy", self.keepalive.enforcement_policy.is_some()),
        ]
        .into_iter()
        .filter(|(_, written)| *written)
        .map(|(key, _)| ConfigError::new(key, "has no effect here"));
        let tls = self.tls.iter().flat_map(Tls::warnings).map(|warning| warning.under("tls"));
        let auth = self.auth.iter().flat_map(Auth::warnings).map(|warning| warning.under("auth"));
        own.chain(tls).chain(auth).collect()
    }
}

impl Default for Grpc {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4317".to_owned(),
            transport: "tcp".to_owned(),
            max_recv_msg_size_mib: MESSAGE_MIB_DEFAULT,
            max_concurrent_streams: CALLS_DEFAULT,
            read_buffer_size: None,
            write_buffer_size: None,
            keepalive: Keepalive::default(),
            include_metadata: false,
            tls: None,
            auth: None,
            middlewares: None,
            dialer: None,
        }
    }
}

// === impl ServerParameters ===

impl ServerParameters {
    /// How long a connection may be silent before it is pinged, and how long a ping may stay unanswered.
    pub fn ping(&self) -> (Duration, Duration) {
        let or = |Span(value): Span, default| if value.is_zero() { default } else { value };
        (or(self.time, PING_AFTER), or(self.timeout, PING_TIMEOUT))
    }

    /// How long the calls of a connection that was asked to leave may take.
    pub fn grace(&self) -> Duration {
        let Span(grace) = self.max_connection_age_grace;
        if grace.is_zero() { AGE_GRACE } else { grace }
    }
}

impl Default for ServerParameters {
    fn default() -> Self {
        Self {
            max_connection_idle: Span(Duration::ZERO),
            max_connection_age: Span(Duration::from_secs(300)),
            max_connection_age_grace: Span(AGE_GRACE),
            time: Span(PING_AFTER),
            timeout: Span(PING_TIMEOUT),
        }
    }
}

const MIB: usize = 1 << 20;
const MESSAGE_MIB_DEFAULT: u32 = 16;
/// A gRPC message cannot announce more than 4 GiB; a request beyond 1 GiB is a mistake.
const MESSAGE_MIB_MAX: u32 = 1024;
const CALLS_DEFAULT: u32 = 1024;
const PING_AFTER: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const AGE_GRACE: Duration = Duration::from_secs(60);
