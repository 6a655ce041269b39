//! What a user writes under `otlp:`, with the OpenTelemetry Collector's keys.
//!
//! - **Guaranteed:** every documented key is accepted. What this version cannot do and a user may rely
//!   on is an error; what has no effect here is a warning.
//! - **Not here:** file, line and column; `collector/src/config` knows them.

mod cors;
mod grpc;
mod http;
mod tls;

use std::borrow::Cow;

use pipelines::config::ConfigError;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

pub(super) use self::tls::suite_name;
pub use self::{
    cors::Cors,
    grpc::{EnforcementPolicy, Grpc, Keepalive, ServerParameters},
    http::Http,
    tls::{Auth, Tls},
};

/// `otlp:`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which protocols are served, and where.
    pub protocols: Protocols,
}

/// `protocols:`. A protocol that is not named is off; one that is named without a value has the defaults.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Protocols {
    /// OTLP/gRPC.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub grpc: Option<Grpc>,
    /// OTLP/HTTP.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
}

/// A part of the Collector's configuration that this version does not read: whatever it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    present: bool,
}

// === impl Config ===

impl Config {
    /// Everything that is wrong, with paths from `otlp`.
    pub fn check(&self) -> Vec<ConfigError> {
        let Protocols { grpc, http } = &self.protocols;
        let mut errors = Vec::new();
        if grpc.is_none() && http.is_none() {
            errors.push(ConfigError::new("protocols", "names no protocol; write `grpc:`, `http:` or both"));
        }
        errors.extend(grpc.iter().flat_map(Grpc::check).map(|error| error.under("protocols.grpc")));
        errors.extend(http.iter().flat_map(Http::check).map(|error| error.under("protocols.http")));
        errors
    }

    /// The largest request that is taken, in bytes.
    pub fn request_bytes_max(&self) -> u64 {
        let Protocols { grpc, http } = &self.protocols;
        let grpc = grpc.iter().map(Grpc::message_bytes_max);
        grpc.chain(http.iter().map(Http::body_bytes_max)).max().unwrap_or_default() as u64
    }

    /// Keys that are accepted and change nothing.
    pub fn warnings(&self) -> Vec<ConfigError> {
        let Protocols { grpc, http } = &self.protocols;
        let grpc = grpc.iter().flat_map(Grpc::warnings).map(|warning| warning.under("protocols.grpc"));
        let http = http.iter().flat_map(Http::warnings).map(|warning| warning.under("protocols.http"));
        grpc.chain(http).collect()
    }
}

// === impl Unread ===

impl Unread {
    /// Whether the key was written at all.
    pub fn is_present(self) -> bool {
        self.present
    }

    fn is_absent(&self) -> bool {
        !self.present
    }

    /// The error for a key that must not be ignored.
    fn refused(self, path: &str) -> Option<ConfigError> {
        self.present.then(|| ConfigError::new(path, format!("`{path}` is not supported in this version")))
    }
}

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::<serde::de::IgnoredAny>::deserialize(deserializer)?;
        Ok(Self { present: value.is_some() })
    }
}

impl JsonSchema for Unread {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Unread".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}

impl Serialize for Unread {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

/// A key without a value asks for the defaults.
fn named<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(|value| Some(value.unwrap_or_default()))
}

/// The same for a block that is always there.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Where to listen: an address, or with `unix` a path.
fn check_place(endpoint: &str, transport: &str) -> Vec<ConfigError> {
    let wrong = match transport {
        "tcp" | "tcp4" | "tcp6" => check_endpoint(endpoint),
        "unix" if endpoint.is_empty() || endpoint.len() > UNIX_PATH_BYTES_MAX || endpoint.contains('\0') => {
            let message = format!("must be the path of a socket, at most {UNIX_PATH_BYTES_MAX} bytes long");
            Some(ConfigError::new("endpoint", message))
        }
        "unix" => None,
        _ => {
            let message = format!("`{transport}` is not supported; write tcp, tcp4, tcp6 or unix");
            return check_endpoint(endpoint)
                .into_iter()
                .chain([ConfigError::new("transport", message)])
                .collect();
        }
    };
    wrong.into_iter().collect()
}

/// What `sockaddr_un` holds, without the zero at its end.
const UNIX_PATH_BYTES_MAX: usize = 107;

/// An address to listen at: `host:port`, or `:port` for all interfaces.
fn check_endpoint(endpoint: &str) -> Option<ConfigError> {
    let wrong = |message: String| Some(ConfigError::new("endpoint", message));
    let Some((host, port)) = endpoint.rsplit_once(':') else {
        return wrong(format!("`{endpoint}` has no port; write host:port, such as 127.0.0.1:4317"));
    };
    if port.parse::<u16>().is_err() {
        return wrong(format!("`{port}` is not a port; write a number from 0 to 65535"));
    }
    if host.contains("//") {
        return wrong(format!("`{endpoint}` is a URL; write host:port without a scheme"));
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return wrong(format!("`{host}` needs brackets as an IPv6 address; write [{host}]:{port}"));
    }
    None
}

#[cfg(test)]
mod tests;
