//! What users write under `tls:` of an exporter, as the OpenTelemetry Collector documents it.

use std::path::PathBuf;

use pipelines::config::{ConfigError, IgnoredAny, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::{
    SupportedProtocolVersion,
    version::{TLS12, TLS13},
};

use crate::secret::Secret;

/// `tls:` of an exporter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// No TLS, unless the endpoint says `https://` or there are certificates to trust (`ca_file`, `ca_pem`). Where the
    /// endpoint must say one or the other, without effect.
    pub insecure: bool,
    /// Any certificate is taken, so that whoever stands in between can read and change everything.
    pub insecure_skip_verify: bool,
    /// Certificates to trust, instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The same, in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// Trust the system's certificates as well.
    pub include_system_ca_certs_pool: bool,
    /// Our own certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// The same, in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_pem: Option<String>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The same, in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_pem: Option<Secret>,
    /// The name that the server's certificate must carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name_override: Option<String>,
    /// The oldest version that is spoken: `1.2` or `1.3`; those before `1.2` are not spoken at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_version: Option<String>,
    /// The newest version that is spoken: `1.2` or `1.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_version: Option<String>,
    /// Without effect: a safe list is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher_suites: Option<Vec<String>>,
    /// Without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curve_preferences: Option<Vec<String>>,
    /// How old what was read out of files may be when a connection is opened; they are read once if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload_interval: Option<Span>,
    /// Without effect: no such list is built in.
    #[serde(skip_serializing)]
    pub include_insecure_cipher_suites: Option<IgnoredAny>,
    /// An error in this version.
    #[serde(skip_serializing)]
    pub tpm: Option<IgnoredAny>,
}

// === impl Tls ===

impl Tls {
    /// Whether it is spoken where the endpoint does not say so. As in the Collector whoever names certificates to trust
    /// wants them looked at.
    pub fn is_wanted(&self) -> bool {
        !self.insecure || self.ca_file.is_some() || self.ca_pem.is_some()
    }

    /// Every fault, with its path below `tls`.
    pub fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut twice = |one: &str, other: &str, both: bool| {
            if both {
                errors.push(ConfigError::new(other, format!("says the same as {one}; write one of them")));
            }
        };
        twice("ca_file", "ca_pem", self.ca_file.is_some() && self.ca_pem.is_some());
        twice("cert_file", "cert_pem", self.cert_file.is_some() && self.cert_pem.is_some());
        twice("key_file", "key_pem", self.key_file.is_some() && self.key_pem.is_some());
        let certificate = self.cert_file.is_some() || self.cert_pem.is_some();
        let key = self.key_file.is_some() || self.key_pem.is_some();
        if certificate != key {
            let (path, missing) =
                if certificate { ("cert_file", "key_file") } else { ("key_file", "cert_file") };
            errors.push(ConfigError::new(path, format!("needs {missing} beside it")));
        }
        if self.tpm.is_some() {
            errors.push(ConfigError::new("tpm", "is not in this version; write key_file"));
        }
        errors.extend(self.versions().err());
        errors
    }

    /// Keys that are written but change nothing here, and what is dangerous.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        let written = [
            ("cipher_suites", self.cipher_suites.is_some()),
            ("curve_preferences", self.curve_preferences.is_some()),
            ("include_insecure_cipher_suites", self.include_insecure_cipher_suites.is_some()),
        ];
        let written = written.into_iter().filter(|(_, written)| *written);
        let mut notes: Vec<_> = written.map(|(key, _)| ConfigError::new(key, "has no effect")).collect();
        if self.insecure_skip_verify {
            let message = "takes any certificate: whoever stands in between can read and change everything";
            notes.push(ConfigError::new("insecure_skip_verify", message));
        }
        if matches!(self.min_version.as_deref(), Some("1.0" | "1.1")) {
            notes.push(ConfigError::new("min_version", "has no effect; versions before 1.2 are not spoken"));
        }
        notes
    }

    /// The versions that are spoken.
    pub(super) fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, ConfigError> {
        versions(self.min_version.as_deref(), self.max_version.as_deref())
    }
}

/// The versions of TLS between `min_version` and `max_version`, of those that are spoken (1.2 and 1.3).
///
/// # Errors
/// A text is no such version, or nothing lies between them; with the key it stands under.
pub fn versions(
    min: Option<&str>,
    max: Option<&str>,
) -> Result<Vec<&'static SupportedProtocolVersion>, ConfigError> {
    let wrong = |key: &str, text: &str| {
        ConfigError::new(key, format!("`{text}` is no version that is spoken; write 1.2 or 1.3"))
    };
    let first = match min {
        None | Some("" | "1.0" | "1.1" | "1.2") => 2,
        Some("1.3") => 3,
        Some(other) => return Err(wrong("min_version", other)),
    };
    let last = match max {
        None | Some("" | "1.3") => 3,
        Some("1.2") => 2,
        Some(other) => return Err(wrong("max_version", other)),
    };
    if first > last {
        return Err(ConfigError::new("max_version", "must not be less than min_version"));
    }
    let all = [(2, &TLS12), (3, &TLS13)].into_iter();
    Ok(all.filter(|(minor, _)| (first..=last).contains(minor)).map(|(_, version)| version).collect())
}
