//! What users write under `otlp_grpc:` (or `otlp:`), as the OpenTelemetry Collector documents it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{HeaderValue, Uri, uri::Authority};
use pipelines::config::{ByteSize, ConfigError, Middlewares, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tonic::{
    codec::CompressionEncoding,
    metadata::{MetadataKey, MetadataMap},
    transport::Endpoint,
};

use super::connections::{LOOK_UP_EVERY, Target};
use crate::{
    auth,
    delivery::config::{DEAD_LETTER_BYTES_MAX, OnFull, RetryOnFailure, SendingQueue},
    secret::Secret,
    tls::{Tls, TlsClient},
};

/// The exporter's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `host:port`, `http://host:port` or `https://host:port`.
    pub endpoint: String,
    /// TLS is on unless `insecure: true` or `http://` says otherwise.
    pub tls: Tls,
    /// How requests are compressed.
    pub compression: Compression,
    /// Metadata of every request. Values are secrets.
    pub headers: BTreeMap<String, Secret>,
    /// Who we are: the id of an extension such as `bearertokenauth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<auth::Reference>,
    /// The time of one attempt.
    pub timeout: Span,
    /// What `:authority` says, and the name that the server's certificate must carry; the endpoint if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// What `user-agent` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// HTTP/2 pings on a silent connection.
    pub keepalive: Keepalive,
    /// Without effect: an attempt always waits for the connection, within `timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_for_ready: Option<bool>,
    /// How requests are spread over the addresses of the endpoint's name: `round_robin`, over all in turn, or
    /// `pick_first`, to one as long as it can be reached. Names are looked up anew every 30 s and after failures,
    /// with `dns:///` in front of the endpoint or without.
    pub balancer_name: Balancer,
    /// Connections to one address at most. One carries 4 requests before a further one is opened, so the usual
    /// `num_consumers` of 4 makes do with one.
    pub connections: usize,
    /// Without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_buffer_size: Option<u64>,
    /// Without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_buffer_size: Option<u64>,
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
    /// Room on disk, over all pipelines, for what the destination refuses for good; 0 keeps nothing. When it is used
    /// up, what is refused further is lost and counted; `phasor journal dead-letters` shows what is kept and sends it
    /// again. A pipeline that answers `delivered` keeps nothing, because its senders are told.
    pub max_dead_letter_bytes: ByteSize,
}

/// `balancer_name`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balancer {
    /// Over all addresses, in turn.
    #[default]
    RoundRobin,
    /// To one address, as long as it can be reached.
    PickFirst,
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
    /// Not supported yet.
    Snappy,
    /// As it is.
    #[serde(alias = "")]
    None,
}

/// `keepalive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keepalive {
    /// How long a connection with requests in flight may be silent before it is asked.
    pub time: Span,
    /// How long it may take to answer.
    pub timeout: Span,
    /// Ask idle connections as well.
    pub permit_without_stream: bool,
}

// === impl Config ===

impl Config {
    /// Every fault, with its path below the exporter.
    pub fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        errors.extend(self.uri().err());
        errors.extend(self.tls.check().into_iter().map(|error| error.under("tls")));
        errors.extend(self.metadata().err());
        errors.extend(self.authority().err());
        if self.user_agent.as_deref().is_some_and(|text| HeaderValue::try_from(text).is_err()) {
            errors.push(ConfigError::new("user_agent", "holds characters that no header can hold"));
        }
        errors.extend(Middlewares::check(self.middlewares));
        if self.compression == Compression::Snappy {
            errors
                .push(ConfigError::new("compression", "`snappy` is not supported; write gzip, zstd or none"));
        }
        if self.timeout.0.is_zero() {
            errors.push(ConfigError::new("timeout", "must be longer than 0, for example 5s"));
        }
        if !(1..=CONNECTIONS_MAX).contains(&self.connections) {
            let message = format!("must lie between 1 and {CONNECTIONS_MAX}");
            errors.push(ConfigError::new("connections", message));
        }
        if self.max_lag_bytes.is_some_and(|size| size.0 == 0) {
            errors.push(ConfigError::new("max_lag_bytes", "must be more than 0, for example 64MiB"));
        }
        errors.extend(self.sending_queue.check().into_iter().map(|error| error.under("sending_queue")));
        errors.extend(self.retry_on_failure.check().into_iter().map(|error| error.under("retry_on_failure")));
        errors
    }

    /// Keys that are written but change nothing here.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        let written = [
            ("wait_for_ready", self.wait_for_ready.is_some()),
            ("read_buffer_size", self.read_buffer_size.is_some()),
            ("write_buffer_size", self.write_buffer_size.is_some()),
        ];
        let written = written.into_iter().filter(|(_, written)| *written);
        let mut notes: Vec<_> = written.map(|(key, _)| ConfigError::new(key, "has no effect")).collect();
        notes.extend(self.tls.without_effect().into_iter().map(|note| note.under("tls")));
        if self.auth.is_some() && self.uri().is_ok_and(|(_, secure)| !secure) {
            notes.push(auth::in_the_clear());
        }
        let queue = self.sending_queue.without_effect().into_iter();
        notes.extend(queue.map(|note| note.under("sending_queue")));
        notes
    }

    /// What is wrong with the files of `tls`, if TLS is spoken.
    pub fn file_fault(&self) -> Option<ConfigError> {
        let (_, secure) = self.uri().ok()?;
        let fault = secure.then(|| TlsClient::file_fault(&self.tls)).flatten();
        fault.map(|error| error.under("tls"))
    }

    /// Where and how to connect.
    ///
    /// # Errors
    /// The endpoint cannot be read, or a certificate cannot.
    pub(super) fn target(&self) -> Result<Target, ConfigError> {
        let (uri, secure) = self.uri()?;
        let host = uri.host().unwrap_or_default().to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let keepalive = self.keepalive;
        // TLS is ours ([`crate::tls`]); what tonic gets is a connection that needs none.
        let clear = Uri::builder().scheme("http").path_and_query("/");
        let clear = clear.authority(uri.authority().map_or("", |authority| authority.as_str())).build();
        let clear = clear.map_err(|error| ConfigError::new("endpoint", error.to_string()))?;
        let origin = self.origin(uri)?;
        let mut endpoint = Endpoint::from(clear)
            .origin(origin.clone())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .keep_alive_timeout(keepalive.timeout.0)
            .keep_alive_while_idle(keepalive.permit_without_stream)
            .user_agent(self.user_agent.as_deref().unwrap_or(USER_AGENT))
            .map_err(|error| ConfigError::new("endpoint", error.to_string()))?;
        if !keepalive.time.0.is_zero() {
            endpoint = endpoint.http2_keep_alive_interval(keepalive.time.0.max(KEEPALIVE_MIN));
        }
        let mut tls = self.tls.clone();
        if let (None, Some(authority)) = (&tls.server_name_override, self.authority()?) {
            tls.server_name_override = Some(authority.host().to_owned());
        }
        let tls = secure.then(|| TlsClient::open(&tls, &["h2"])).transpose();
        Ok(Target {
            endpoint,
            origin,
            tls: tls.map_err(|error| error.under("tls"))?.map(Arc::new),
            host,
            port,
            balancer: self.balancer_name,
            connections_max: self.connections,
            // An attempt has time for another address, or for the request.
            connect_timeout: self.timeout.0 / 2,
            look_up_every: LOOK_UP_EVERY,
        })
    }

    /// The metadata of every request.
    ///
    /// # Errors
    /// A name or a value cannot be sent.
    pub(super) fn metadata(&self) -> Result<MetadataMap, ConfigError> {
        let mut metadata = MetadataMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let wrong = |what: &str| ConfigError::new(format!("headers.{name}"), what);
            let key = MetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes());
            let key = key.map_err(|_| wrong("is not a name that gRPC can send as text"))?;
            let value =
                value.reveal().parse().map_err(|_| wrong("holds characters that gRPC cannot send"))?;
            metadata.insert(key, value);
        }
        Ok(metadata)
    }

    /// What requests say they go to.
    fn origin(&self, uri: Uri) -> Result<Uri, ConfigError> {
        let Some(authority) = self.authority()? else { return Ok(uri) };
        let mut parts = uri.into_parts();
        parts.authority = Some(authority);
        Uri::from_parts(parts).map_err(|error| ConfigError::new("authority", error.to_string()))
    }

    fn authority(&self) -> Result<Option<Authority>, ConfigError> {
        let wrong = |text: &str| {
            ConfigError::new(
                "authority",
                format!("`{text}` is not an authority; write for example tempo:4317"),
            )
        };
        let text = self.authority.as_deref().filter(|text| !text.is_empty());
        text.map(|text| text.parse().map_err(|_| wrong(text))).transpose()
    }

    /// The address, and whether TLS is spoken.
    fn uri(&self) -> Result<(Uri, bool), ConfigError> {
        let wrong = |what: &str| {
            let text = &self.endpoint;
            ConfigError::new("endpoint", format!("`{text}` {what}; write for example tempo:4317"))
        };
        let text = ["dns:///", "passthrough:///"]
            .iter()
            .find_map(|scheme| self.endpoint.strip_prefix(scheme))
            .unwrap_or(&self.endpoint);
        let (secure, address) = match text.split_once("://") {
            Some(("http", address)) => (false, address),
            Some(("https", address)) => (true, address),
            Some(_) => return Err(wrong("has a scheme other than http or https")),
            None if text.starts_with("unix:") => {
                return Err(wrong("is a Unix socket, which is not supported"));
            }
            None => (self.tls.is_wanted(), text),
        };
        let address = address.trim_end_matches('/');
        if address.is_empty() {
            return Err(ConfigError::new("endpoint", "is missing; write for example tempo:4317"));
        }
        let authority: Authority = address.parse().map_err(|_| wrong("is not an address"))?;
        if authority.port_u16().is_none() && !self.endpoint.contains("://") {
            return Err(wrong("has no port"));
        }
        let scheme = if secure { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build();
        Ok((uri.map_err(|_| wrong("is not an address"))?, secure))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            tls: Tls::default(),
            compression: Compression::default(),
            headers: BTreeMap::new(),
            auth: None,
            timeout: Span(Duration::from_secs(5)),
            authority: None,
            user_agent: None,
            keepalive: Keepalive::default(),
            wait_for_ready: None,
            balancer_name: Balancer::default(),
            connections: CONNECTIONS_DEFAULT,
            read_buffer_size: None,
            write_buffer_size: None,
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
    pub(super) fn encoding(self) -> Option<CompressionEncoding> {
        match self {
            Self::Gzip => Some(CompressionEncoding::Gzip),
            Self::Zstd => Some(CompressionEncoding::Zstd),
            Self::Snappy | Self::None => None,
        }
    }
}

// === impl Keepalive ===

impl Default for Keepalive {
    /// On, unlike in the Collector: a connection that went silent would otherwise hold up every
    /// attempt until the kernel gives up, a quarter of an hour later. Pings go out only while a
    /// request waits, so a server that limits pings has no cause to object.
    fn default() -> Self {
        Self {
            time: Span(Duration::from_secs(30)),
            timeout: Span(Duration::from_secs(10)),
            permit_without_stream: false,
        }
    }
}

const CONNECTIONS_DEFAULT: usize = 4;
const CONNECTIONS_MAX: usize = 16;
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
const FRAME_BYTES_MAX: u32 = 1 << 20;
/// As in gRPC's Go client: more frequent pings are taken for an attack.
const KEEPALIVE_MIN: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("phasor/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests;
