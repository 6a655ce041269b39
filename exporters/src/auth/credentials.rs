//! What a client sends along to say who it is: one header, made anew when the files behind it change.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use pipelines::config::ConfigError;

use super::{Authenticator, Authenticators, Reference, Side, Tokens, config::ClientAuth};
use crate::{secret::Secret, watched::Watched};

/// Who an exporter is.
#[derive(Debug)]
pub struct Credentials(Kind);

#[derive(Debug)]
enum Kind {
    Tokens(Tokens),
    Basic { username: Source, password: Source },
}

/// A text in the configuration or in a file.
#[derive(Debug)]
enum Source {
    Text(Secret),
    File(Watched),
}

// === impl Credentials ===

impl Credentials {
    /// Those that `auth:` of an exporter names, if it is there.
    ///
    /// # Errors
    /// There is no such extension, or a file cannot be read.
    pub fn find(
        auth: Option<&Reference>,
        authenticators: &Authenticators,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(reference) = auth else { return Ok(None) };
        Self::new(authenticators.find(reference, Side::Client)?).map(Some)
    }

    /// Those of this extension.
    ///
    /// # Errors
    /// A file cannot be read, or the extension is not for clients.
    pub fn new(authenticator: &Authenticator) -> Result<Self, ConfigError> {
        match authenticator {
            Authenticator::BearerToken(config) => Tokens::open(config).map(Kind::Tokens).map(Self),
            Authenticator::Basic(config) => {
                let client = config.client_auth.as_ref();
                let client = client.ok_or_else(|| ConfigError::new("client_auth", "is missing"))?;
                Self::basic(client).map_err(|error| error.under("client_auth"))
            }
        }
    }

    fn basic(client: &ClientAuth) -> Result<Self, ConfigError> {
        let name = client.username.as_deref().map(Secret::from);
        let username = Source::open("username_file", client.username_file.as_deref(), name)?;
        let password =
            Source::open("password_file", client.password_file.as_deref(), client.password.clone())?;
        Ok(Self(Kind::Basic { username, password }))
    }

    /// Adds who we are to the headers of a request; it replaces what they say already.
    pub fn apply(&self, headers: &mut HeaderMap) {
        match &self.0 {
            Kind::Tokens(tokens) => {
                if let Some(value) = tokens.values().first() {
                    headers.insert(tokens.header().clone(), value.clone());
                }
            }
            Kind::Basic { username, password } => {
                // RFC 7617, section 2.
                let pair = format!("{}:{}", username.read(), password.read());
                let text = format!("Basic {}", BASE64_STANDARD.encode(pair));
                let mut value =
                    HeaderValue::try_from(text).expect("base64 is made of letters a header can hold");
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
        }
    }
}

// === impl Source ===

impl Source {
    fn open(key: &str, file: Option<&std::path::Path>, text: Option<Secret>) -> Result<Self, ConfigError> {
        let Some(path) = file else { return Ok(Self::Text(text.unwrap_or_else(|| Secret::from("")))) };
        let wrong = |error| ConfigError::new(key, format!("`{}` cannot be read: {error}", path.display()));
        Watched::open(path).map(Self::File).map_err(wrong)
    }

    /// A file usually ends in a line break, which is no part of a password.
    fn read(&self) -> String {
        match self {
            Self::Text(text) => text.reveal().to_owned(),
            Self::File(file) => file.text().trim().to_owned(),
        }
    }
}
