//! The extensions with the OpenTelemetry Collector's keys: `health_check`, `file_storage`, and those that know who
//! somebody is, `bearertokenauth` and `basicauth`.
//!
//! **Not here:** what they do. The journal and the health endpoints belong to the wiring, and `exporters::auth` has the
//! keys of the last two.

use std::{collections::BTreeMap, path::PathBuf};

use exporters::auth::{self, Authenticator, Authenticators, Reference, Side};
use pipelines::{
    component::ComponentId,
    config::{ConfigError, IgnoredAny, Middlewares},
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    diagnostic::Diagnostic,
    names::Class,
    path::{Found, join},
    sections::Assembly,
    tree::{Node, Value},
};

/// An extension's configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Config {
    /// `health_check`
    HealthCheck(HealthCheck),
    /// `file_storage`
    FileStorage(FileStorage),
    /// `bearertokenauth` or `basicauth`
    Authenticator(Authenticator),
}

/// `health_check:` answers on a port of its own whether the collector works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// Where it listens: `host:port`.
    pub endpoint: String,
    /// The path it answers at.
    pub path: String,
    /// Bodies other than the usual ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<ResponseBody>,
    /// Without effect: health always follows the pipelines.
    #[serde(skip_serializing)]
    pub check_collector_pipeline: Option<IgnoredAny>,
    /// An error in this version: the endpoint does not speak TLS.
    #[serde(skip_serializing)]
    pub tls: Option<IgnoredAny>,
    /// An error in this version: the endpoint asks nobody who they are.
    #[serde(skip_serializing)]
    pub auth: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub cors: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub response_headers: Option<IgnoredAny>,
    /// Without effect: requests have no body.
    #[serde(skip_serializing)]
    pub max_request_body_size: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub include_metadata: Option<IgnoredAny>,
    /// Without effect: requests have no body.
    #[serde(skip_serializing)]
    pub compression_algorithms: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub read_timeout: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub read_header_timeout: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub write_timeout: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub idle_timeout: Option<IgnoredAny>,
    /// Without effect.
    #[serde(skip_serializing)]
    pub keep_alives_enabled: Option<IgnoredAny>,
    /// `tcp` (the default), `tcp4` or `tcp6`.
    pub transport: String,
    /// Without effect: it is for who opens connections.
    #[serde(skip_serializing)]
    pub dialer: Option<IgnoredAny>,
    /// Nothing may be in it.
    #[serde(skip_serializing)]
    pub middlewares: Option<Middlewares>,
}

/// `response_body:`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResponseBody {
    /// While all is well.
    pub healthy: String,
    /// While it is not.
    pub unhealthy: String,
}

/// `file_storage:` keeps the journal on disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FileStorage {
    /// Where the journal lies; `journal` in the data directory if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Whether a directory that is not there is made; on if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_directory: Option<bool>,
    /// Without effect: a directory is made readable for its owner only.
    #[serde(skip_serializing)]
    pub directory_permissions: Option<IgnoredAny>,
    /// Without effect: the journal waits for no lock.
    #[serde(skip_serializing)]
    pub timeout: Option<IgnoredAny>,
    /// Without effect: whole segments are deleted, nothing needs compaction.
    #[serde(skip_serializing)]
    pub compaction: Option<IgnoredAny>,
    /// Off is a warning: a durable pipeline always waits for the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fsync: Option<bool>,
    /// Without effect: damage is skipped and reported.
    #[serde(skip_serializing)]
    pub recreate: Option<IgnoredAny>,
}

/// The kinds of extensions.
pub const KINDS: &[&str] = &["health_check", "file_storage", "bearertokenauth", "basicauth"];

/// Reads the configuration of one extension.
///
/// # Errors
/// Those of the deserializer; also if `kind` is none of [`KINDS`].
pub fn deserialize<'de, D: Deserializer<'de>>(kind: &str, deserializer: D) -> Result<Config, D::Error> {
    match kind {
        "health_check" => HealthCheck::deserialize(deserializer).map(Config::HealthCheck),
        "file_storage" => FileStorage::deserialize(deserializer).map(Config::FileStorage),
        _ if auth::KINDS.contains(&kind) => auth::deserialize(kind, deserializer).map(Config::Authenticator),
        _ => Err(serde::de::Error::custom(format!("`{kind}` is not an extension"))),
    }
}

// === impl Config ===

impl Config {
    /// Everything that is wrong, with paths from the component.
    pub fn check(&self) -> Vec<ConfigError> {
        match self {
            Self::HealthCheck(health_check) => health_check.check(),
            Self::FileStorage(_) => Vec::new(),
            Self::Authenticator(authenticator) => authenticator.check(),
        }
    }

    /// Keys that do not do what they seem to.
    pub fn warnings(&self) -> Vec<ConfigError> {
        match self {
            Self::FileStorage(FileStorage { fsync: Some(false), .. }) => {
                let message = "has no effect; a durable pipeline always waits for the disk";
                vec![ConfigError::new("fsync", message)]
            }
            Self::HealthCheck(_) | Self::FileStorage(_) => Vec::new(),
            Self::Authenticator(authenticator) => authenticator.without_effect(),
        }
    }
}

// === impl Config (the whole) ===

impl super::Config {
    /// The extensions that know who somebody is, as far as they are enabled.
    pub fn authenticators(&self) -> Authenticators {
        let enabled = self.service.extensions.iter().filter_map(|id| match self.extensions.get(id)? {
            Config::Authenticator(authenticator) => Some((id.clone(), authenticator.clone())),
            _ => None,
        });
        enabled.collect()
    }
}

// === impl Assembly ===

impl Assembly<'_, '_> {
    /// What `auth` names must be an extension that is enabled and fits the side it is on.
    pub(crate) fn check_authenticators(
        &mut self,
        extensions: &BTreeMap<ComponentId, Config>,
        enabled: &[ComponentId],
    ) {
        let places = [
            (Class::Exporter, "", Side::Client),
            (Class::Receiver, "protocols.grpc", Side::Server),
            (Class::Receiver, "protocols.http", Side::Server),
        ];
        for (class, below, side) in places {
            for entry in self.root.get(class.section()).map(Node::entries).unwrap_or_default() {
                let keys = below.split('.').filter(|key| !key.is_empty()).chain(["auth", "authenticator"]);
                let named = keys.clone().try_fold(&entry.node, |node, key| node.get(key));
                let Some(Node { value: Value::Text(text), .. }) = named else { continue };
                let path = keys.fold(join(class.section(), &entry.key), |path, key| join(&path, key));
                self.check_authenticator(&path, text, side, extensions, enabled);
            }
        }
    }

    fn check_authenticator(
        &mut self,
        path: &str,
        text: &str,
        side: Side,
        extensions: &BTreeMap<ComponentId, Config>,
        enabled: &[ComponentId],
    ) {
        let id = Reference { authenticator: text.to_owned() }.id();
        if !self.defined.contains_key(&(Class::Extension, id.clone())) {
            let message = format!("`{text}` is not defined under extensions");
            let help = self.nearest_defined(text, &[Class::Extension]);
            self.found.push(Diagnostic { help, ..Found::follow(self.root, path).error(message) });
        } else if !auth::KINDS.contains(&id.kind.as_str()) {
            let kinds = auth::KINDS.join(" or ");
            self.error(path, format!("the extension `{text}` does not know who somebody is; write {kinds}"));
        } else if !enabled.contains(&id) {
            self.error(path, format!("the extension `{text}` is not named under `service.extensions`"));
        } else if let Some(Config::Authenticator(found)) = extensions.get(&id)
            && let Some(why) = found.unfit(side)
        {
            self.error(path, format!("the extension `{text}` {why}"));
        }
    }
}

// === impl HealthCheck ===

impl HealthCheck {
    fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        for (key, value) in [("tls", self.tls), ("auth", self.auth)] {
            if value.is_some() {
                errors.push(ConfigError::new(
                    key,
                    format!("`{key}` of the health check is not in this version"),
                ));
            }
        }
        if !["tcp", "tcp4", "tcp6"].contains(&self.transport.as_str()) {
            let message = format!("`{}` is not supported; write tcp, tcp4 or tcp6", self.transport);
            errors.push(ConfigError::new("transport", message));
        }
        errors.extend(Middlewares::check(self.middlewares));
        if !self.path.starts_with('/') {
            errors.push(ConfigError::new("path", "must begin with `/`"));
        }
        let port = self.endpoint.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            errors.push(ConfigError::new("endpoint", "must be host:port, such as 127.0.0.1:13133"));
        }
        errors
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            endpoint: ENDPOINT_DEFAULT.to_owned(),
            path: "/".to_owned(),
            response_body: None,
            check_collector_pipeline: None,
            tls: None,
            auth: None,
            cors: None,
            response_headers: None,
            max_request_body_size: None,
            include_metadata: None,
            compression_algorithms: None,
            read_timeout: None,
            read_header_timeout: None,
            write_timeout: None,
            idle_timeout: None,
            keep_alives_enabled: None,
            transport: "tcp".to_owned(),
            dialer: None,
            middlewares: None,
        }
    }
}

/// The Collector's port. It binds to loopback unless told otherwise, as ours all do.
const ENDPOINT_DEFAULT: &str = "127.0.0.1:13133";
