//! What users write under `bearertokenauth:` and `basicauth:`, as the OpenTelemetry Collector documents it.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use pipelines::config::{ConfigError, IgnoredAny};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// `bearertokenauth:` a token that whoever has it may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BearerTokenAuth {
    /// What stands before the token, with a space between; nothing does if it is empty.
    pub scheme: String,
    /// The header, or the metadata key, that carries it.
    pub header: String,
    /// The token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// Several: a client sends the first, a server takes any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<Secret>,
    /// A file with a token in each line, read again when it changes. It goes before `token` and `tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<PathBuf>,
}

/// `basicauth:` a user name and a password; for one side of a connection, either of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BasicAuth {
    /// For a server: who may come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub htpasswd: Option<Htpasswd>,
    /// For a client: who we are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
}

/// `htpasswd:` lines of `user:password`, the password in a form that Apache's `htpasswd` makes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Htpasswd {
    /// A file of such lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Such lines in place; they go before those of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline: Option<Secret>,
}

/// `client_auth:`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientAuth {
    /// The user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A file with the user name, read again when it changes. It goes before `username`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username_file: Option<PathBuf>,
    /// The password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A file with the password, read again when it changes. It goes before `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// An error in this version.
    #[serde(skip_serializing)]
    pub aws_secrets_manager: Option<IgnoredAny>,
}

// === impl BearerTokenAuth ===

impl BearerTokenAuth {
    /// Every fault, with its path below the extension.
    pub fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.token.is_none() && self.tokens.is_empty() && self.filename.is_none() {
            errors.push(ConfigError::new("", "a token is missing; write token, tokens or filename"));
        }
        if self.token.is_some() && !self.tokens.is_empty() {
            errors.push(ConfigError::new("tokens", "says the same as token; write one of them"));
        }
        if HeaderName::try_from(self.header.as_str()).is_err() {
            let message = format!("`{}` is not the name of a header", self.header);
            errors.push(ConfigError::new("header", message));
        }
        if HeaderValue::try_from(self.scheme.as_str()).is_err() {
            errors.push(ConfigError::new("scheme", "holds characters that no header can hold"));
        }
        let tokens = self.tokens.iter().enumerate().map(|(index, token)| (format!("tokens[{index}]"), token));
        for (path, token) in self.token.iter().map(|token| ("token".to_owned(), token)).chain(tokens) {
            if token.reveal().trim().is_empty() {
                errors.push(ConfigError::new(path, "is empty, which everybody can say"));
            } else if HeaderValue::try_from(token.reveal()).is_err() {
                errors.push(ConfigError::new(path, "holds characters that no header can hold"));
            }
        }
        errors
    }

    /// Keys that are written but change nothing here.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        let written = [("token", self.token.is_some()), ("tokens", !self.tokens.is_empty())];
        let written = written.into_iter().filter(|(_, written)| *written && self.filename.is_some());
        written.map(|(key, _)| ConfigError::new(key, "has no effect beside filename")).collect()
    }
}

impl Default for BearerTokenAuth {
    fn default() -> Self {
        Self {
            scheme: "Bearer".to_owned(),
            header: "Authorization".to_owned(),
            token: None,
            tokens: Vec::new(),
            filename: None,
        }
    }
}

// === impl BasicAuth ===

impl BasicAuth {
    /// Every fault, with its path below the extension.
    pub fn check(&self) -> Vec<ConfigError> {
        match (&self.htpasswd, &self.client_auth) {
            (Some(_), Some(_)) => {
                let message = "cannot stand beside htpasswd; define an extension for each side";
                vec![ConfigError::new("client_auth", message)]
            }
            (None, None) => {
                let message =
                    "who somebody is is missing; write htpasswd (a server) or client_auth (a client)";
                vec![ConfigError::new("", message)]
            }
            (Some(htpasswd), None) => under("htpasswd", htpasswd.check()),
            (None, Some(client)) => under("client_auth", client.check()),
        }
    }

    /// Keys that are written but change nothing here.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        let Some(client) = &self.client_auth else { return Vec::new() };
        let written = [
            ("username", client.username.is_some() && client.username_file.is_some(), "username_file"),
            ("password", client.password.is_some() && client.password_file.is_some(), "password_file"),
        ];
        let note = |(key, _, file): (&str, bool, &str)| {
            ConfigError::new(key, format!("has no effect beside {file}")).under("client_auth")
        };
        written.into_iter().filter(|(_, both, _)| *both).map(note).collect()
    }
}

// === impl Htpasswd ===

impl Htpasswd {
    fn check(&self) -> Vec<ConfigError> {
        let missing = self.file.is_none() && self.inline.is_none();
        let error = || ConfigError::new("", "who may come is missing; write file or inline");
        missing.then(error).into_iter().collect()
    }
}

// === impl ClientAuth ===

impl ClientAuth {
    fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.aws_secrets_manager.is_some() {
            let message = "is not in this version; write username_file and password_file";
            errors.push(ConfigError::new("aws_secrets_manager", message));
        } else if self.username.is_none() && self.username_file.is_none() {
            errors.push(ConfigError::new("", "the user's name is missing; write username or username_file"));
        }
        if self.username.as_ref().is_some_and(|name| name.contains(':')) {
            errors.push(ConfigError::new("username", "must not contain a colon, which ends it on the wire"));
        }
        errors
    }
}

fn under(parent: &str, errors: Vec<ConfigError>) -> Vec<ConfigError> {
    errors.into_iter().map(|error| error.under(parent)).collect()
}
