//! `tls:` and `auth:` of a protocol, as the Collector documents them for servers.

use std::{path::PathBuf, time::Duration};

use exporters::{auth::Reference, secret::Secret, tls::config::versions};
use pipelines::config::{ConfigError, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::SupportedProtocolVersion;

use super::Unread;

/// `tls:` with the keys of `configtls.ServerConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Our certificate, and those between it and its root, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// The same, in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_pem: Option<String>,
    /// Its key, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The same, in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_pem: Option<Secret>,
    /// Who signs the certificates that clients must show; without it clients show none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<PathBuf>,
    /// Whether that file is read again when it changes.
    pub client_ca_file_reload: bool,
    /// How often the files of certificate and key are looked at for a change; never, if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload_interval: Option<Span>,
    /// The oldest version that is spoken: `1.2` (the default) or `1.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_version: Option<String>,
    /// The newest version that is spoken: `1.2` or `1.3` (the default).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_version: Option<String>,
    /// Cipher suites of TLS 1.2 by their registered names; those of TLS 1.3 are always all on. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher_suites: Option<Vec<String>>,
    /// No effect: all curves that are built in are on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curve_preferences: Option<Vec<String>>,
    /// No effect: whom clients are to be signed by, `client_ca_file` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// No effect, like `ca_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// No effect, like `ca_file`.
    pub include_system_ca_certs_pool: bool,
    /// Not in this version.
    #[serde(skip_serializing_if = "Unread::is_absent")]
    pub tpm: Unread,
}

/// `auth:` with the keys of `confighttp.AuthConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The id of an extension, such as `bearertokenauth/agents`.
    pub authenticator: String,
    /// No effect: who somebody is stands in a header.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_params: Vec<String>,
}

// === impl Tls ===

impl Tls {
    pub(super) fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let pairs = [
            ("cert_file", self.cert_file.is_some(), "cert_pem", self.cert_pem.is_some()),
            ("key_file", self.key_file.is_some(), "key_pem", self.key_pem.is_some()),
        ];
        for (file, in_file, pem, in_place) in pairs {
            if in_file && in_place {
                errors.push(ConfigError::new(pem, format!("says the same as {file}; write one of them")));
            } else if !in_file && !in_place {
                errors.push(ConfigError::new(file, format!("is missing; write it or {pem}")));
            }
        }
        if self.client_ca_file_reload && self.client_ca_file.is_none() {
            errors.push(ConfigError::new("client_ca_file_reload", "needs client_ca_file beside it"));
        }
        for (i, name) in self.cipher_suites.iter().flatten().enumerate() {
            let known = suites();
            if !known.iter().any(|suite| suite == name) {
                let message = format!("`{name}` is not spoken; write some of {}", known.join(", "));
                errors.push(ConfigError::new(format!("cipher_suites[{i}]"), message));
            }
        }
        errors.extend(self.tpm.refused("tpm"));
        errors.extend(self.versions().err());
        errors
    }

    pub(super) fn warnings(&self) -> Vec<ConfigError> {
        let mut warnings: Vec<_> = [
            ("curve_preferences", self.curve_preferences.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("ca_pem", self.ca_pem.is_some()),
            ("include_system_ca_certs_pool", self.include_system_ca_certs_pool),
        ]
        .into_iter()
        .filter(|(_, written)| *written)
        .map(|(key, _)| ConfigError::new(key, "has no effect here"))
        .collect();
        if matches!(self.min_version.as_deref(), Some("1.0" | "1.1")) {
            let message = "has no effect; versions before 1.2 are not spoken";
            warnings.push(ConfigError::new("min_version", message));
        }
        warnings
    }

    /// The versions that are spoken.
    pub(in crate::receivers::otlp) fn versions(
        &self,
    ) -> Result<Vec<&'static SupportedProtocolVersion>, ConfigError> {
        versions(self.min_version.as_deref(), self.max_version.as_deref())
    }

    /// Whether a suite of this registered name is spoken.
    pub(in crate::receivers::otlp) fn takes_suite(&self, name: &str) -> bool {
        self.cipher_suites.as_ref().is_none_or(|list| list.iter().any(|own| own == name))
    }

    /// How often files are looked at for a change.
    pub(in crate::receivers::otlp) fn look_every(&self) -> Option<Duration> {
        let certificate = self.reload_interval.map(|Span(every)| every).filter(|every| !every.is_zero());
        let roots = self.client_ca_file_reload.then_some(LOOK_EVERY);
        certificate.into_iter().chain(roots).min()
    }
}

/// The registered names of all suites that are built in.
fn suites() -> Vec<String> {
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    provider.cipher_suites.iter().map(|suite| suite_name(*suite)).collect()
}

/// The registered name; rustls marks those of TLS 1.3 in its own way.
pub(in crate::receivers::otlp) fn suite_name(suite: tokio_rustls::rustls::SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
}

// === impl Auth ===

impl Auth {
    /// What it names.
    pub(in crate::receivers::otlp) fn reference(&self) -> Reference {
        Reference { authenticator: self.authenticator.clone() }
    }

    pub(super) fn warnings(&self) -> Vec<ConfigError> {
        let written = !self.request_params.is_empty();
        written.then(|| ConfigError::new("request_params", "has no effect here")).into_iter().collect()
    }
}

/// How often a file of roots is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
