//! Who we are, and who others are: the extensions `bearertokenauth` and `basicauth`, with the OpenTelemetry
//! Collector's keys.
//!
//! Read in this order: [`config`] (what users write), [`tokens`] (what a header must hold, also when it comes out of a
//! file that changes), [`credentials`] (what an exporter sends along).
//!
//! - **In:** `auth: {authenticator: ID}` of a component, and the extensions that are enabled.
//! - **Guaranteed:** secrets are in no log and no error; a file that changes is read again within
//!   [`watched::LOOK_EVERY`](crate::watched::LOOK_EVERY), and one that cannot be read any more changes nothing.
//! - **Not here:** the server's side; a receiver decides about requests.

use std::collections::BTreeMap;

use pipelines::{component::ComponentId, config::ConfigError};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

pub mod config;
pub mod credentials;
pub mod tokens;

pub use config::{BasicAuth, BearerTokenAuth};
pub use credentials::Credentials;
pub use tokens::Tokens;

/// An extension that knows who somebody is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Authenticator {
    /// `bearertokenauth`
    BearerToken(BearerTokenAuth),
    /// `basicauth`
    Basic(BasicAuth),
}

/// `auth:` of a receiver or an exporter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The id of an extension, such as `bearertokenauth/backend`.
    pub authenticator: String,
}

/// Which end of a connection a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It sends, and says who it is.
    Client,
    /// It is asked, and wants to know by whom.
    Server,
}

/// The extensions that are enabled.
#[derive(Clone, Debug, Default)]
pub struct Authenticators(BTreeMap<ComponentId, Authenticator>);

/// The kinds of extensions that can be named as `authenticator`.
pub const KINDS: &[&str] = &["bearertokenauth", "basicauth"];

/// Reads the configuration of an extension of this `kind`.
///
/// # Errors
/// Those of the deserializer; also if the kind is not in [`KINDS`].
pub fn deserialize<'de, D: Deserializer<'de>>(
    kind: &str,
    deserializer: D,
) -> Result<Authenticator, D::Error> {
    match kind {
        "bearertokenauth" => BearerTokenAuth::deserialize(deserializer).map(Authenticator::BearerToken),
        "basicauth" => BasicAuth::deserialize(deserializer).map(Authenticator::Basic),
        _ => Err(D::Error::unknown_variant(kind, KINDS)),
    }
}

// === impl Authenticator ===

impl Authenticator {
    /// Every fault, with its path below the extension.
    pub fn check(&self) -> Vec<ConfigError> {
        match self {
            Self::BearerToken(config) => config.check(),
            Self::Basic(config) => config.check(),
        }
    }

    /// Keys that are written but change nothing here.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        match self {
            Self::BearerToken(config) => config.without_effect(),
            Self::Basic(config) => config.without_effect(),
        }
    }

    /// What is wrong with the files that say who we are, with its path below the extension.
    ///
    /// The list of who may come (`htpasswd`) is read by whom it is for.
    pub fn file_fault(&self) -> Option<ConfigError> {
        match self {
            Self::Basic(BasicAuth { client_auth: None, .. }) => None,
            Self::BearerToken(_) | Self::Basic(_) => Credentials::new(self).err(),
        }
    }

    /// Why it cannot be used on this side; nothing if it can.
    pub fn unfit(&self, side: Side) -> Option<&'static str> {
        match (self, side) {
            (Self::Basic(BasicAuth { client_auth: None, .. }), Side::Client) => {
                Some("has no client_auth, which says who we are")
            }
            (Self::Basic(BasicAuth { htpasswd: None, .. }), Side::Server) => {
                Some("has no htpasswd, which says who may come")
            }
            _ => None,
        }
    }
}

// === impl Reference ===

impl Reference {
    /// The extension it names.
    pub fn id(&self) -> ComponentId {
        let text = self.authenticator.trim();
        match text.split_once('/') {
            Some((kind, name)) => ComponentId::named(kind.trim(), name.trim()),
            None => ComponentId::new(text),
        }
    }
}

// === impl Authenticators ===

impl Authenticators {
    /// The extension that is named.
    ///
    /// # Errors
    /// There is none that could be used on this side; the path is `auth.authenticator`.
    pub fn find(&self, reference: &Reference, side: Side) -> Result<&Authenticator, ConfigError> {
        let text = &reference.authenticator;
        let wrong = |message: String| ConfigError::new("auth.authenticator", message);
        let Some(found) = self.0.get(&reference.id()) else {
            return Err(wrong(format!("`{text}` is no extension that is enabled and knows who somebody is")));
        };
        found.unfit(side).map_or(Ok(found), |why| Err(wrong(format!("`{text}` {why}"))))
    }
}

impl FromIterator<(ComponentId, Authenticator)> for Authenticators {
    fn from_iter<I: IntoIterator<Item = (ComponentId, Authenticator)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

/// What is to be said where credentials go out without TLS.
pub(crate) fn in_the_clear() -> ConfigError {
    let message = "sends who we are in the clear, where whoever listens can learn it; speak TLS";
    ConfigError::new("auth.authenticator", message)
}

#[cfg(test)]
mod tests;
