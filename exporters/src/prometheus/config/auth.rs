//! `auth:`

use pipelines::config::{ConfigError, IgnoredAny};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Who may scrape.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// How the scraper shows who it is.
    #[serde(rename = "type")]
    pub kind: AuthKind,
    /// With `bearer`.
    #[serde(serialize_with = "hidden")]
    pub token: String,
    /// With `basic`.
    pub user: String,
    /// With `basic`.
    #[serde(serialize_with = "hidden")]
    pub password: String,
    /// An error in this version: the Collector's way to say it.
    #[serde(skip_serializing)]
    pub authenticator: Option<IgnoredAny>,
}

/// How a scraper shows who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthKind {
    /// Everybody may scrape.
    #[default]
    None,
    /// `Authorization: Bearer TOKEN`.
    Bearer,
    /// `Authorization: Basic ...`.
    Basic,
}

// === impl Auth ===

impl Auth {
    pub(super) fn check(&self) -> Vec<ConfigError> {
        let missing = |key: &str, value: &str, kind: &str| {
            value.is_empty().then(|| {
                ConfigError::new(format!("auth.{key}"), format!("is missing; `type: {kind}` needs it"))
            })
        };
        let mut errors = Vec::new();
        if self.authenticator.is_some() {
            let message = "names an extension, which a page cannot ask in this version; write `type: bearer` and `token`, \
                           or `type: basic`, `user` and `password`";
            errors.push(ConfigError::new("auth.authenticator", message));
        }
        match self.kind {
            AuthKind::None => {}
            AuthKind::Bearer => errors.extend(missing("token", &self.token, "bearer")),
            AuthKind::Basic => {
                errors.extend(missing("user", &self.user, "basic"));
                errors.extend(missing("password", &self.password, "basic"));
            }
        }
        errors
    }
}

/// Secrets are not shown.
impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Secrets are not written back.
fn hidden<S: Serializer>(secret: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.is_empty() { "" } else { "[redacted]" })
}
