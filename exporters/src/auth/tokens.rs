//! The values of a header that carries a token: one for a client, all that are welcome for a server.
//!
//! **Guaranteed:** every value can stand in a header; a file that holds none any more leaves the last ones in use.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderName, HeaderValue};
use pipelines::config::ConfigError;
use tracing::warn;

use super::BearerTokenAuth;
use crate::watched::Watched;

/// What a `bearertokenauth` sends or takes.
pub struct Tokens {
    header: HeaderName,
    scheme: String,
    file: Option<Watched>,
    held: Mutex<Held>,
}

struct Held {
    /// What the file said when the values were made.
    text: Arc<str>,
    values: Arc<[HeaderValue]>,
}

// === impl Tokens ===

impl Tokens {
    /// Reads what there is.
    ///
    /// # Errors
    /// The file cannot be read or holds no token; what [`BearerTokenAuth::check`] would have said.
    pub fn open(config: &BearerTokenAuth) -> Result<Self, ConfigError> {
        if let Some(error) = config.check().into_iter().next() {
            return Err(error);
        }
        let header = HeaderName::try_from(config.header.as_str())
            .map_err(|_| ConfigError::new("header", "is not the name of a header"))?;
        let scheme = config.scheme.clone();
        let Some(path) = &config.filename else {
            let texts = config.token.iter().chain(&config.tokens).map(|token| token.reveal());
            let held = Held { text: Arc::from(""), values: values(&scheme, texts) };
            return Ok(Self { header, scheme, file: None, held: Mutex::new(held) });
        };
        let wrong = |what: String| ConfigError::new("filename", format!("`{}` {what}", path.display()));
        let file = Watched::open(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let text = file.text();
        let values = values(&scheme, text.lines());
        if values.is_empty() {
            return Err(wrong("holds no token that a header can carry".to_owned()));
        }
        Ok(Self { header, scheme, file: Some(file), held: Mutex::new(Held { text, values }) })
    }

    /// The header that carries the token.
    pub fn header(&self) -> &HeaderName {
        &self.header
    }

    /// The values a server takes, scheme and token; a client sends the first. There is at least one.
    pub fn values(&self) -> Arc<[HeaderValue]> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file {
            let text = file.text();
            if !Arc::ptr_eq(&text, &held.text) {
                let values = values(&self.scheme, text.lines());
                match values.is_empty() {
                    true => warn!("a file of tokens holds none any more; what it held stays in use"),
                    false => held.values = values,
                }
                held.text = text;
            }
        }
        Arc::clone(&held.values)
    }
}

impl fmt::Debug for Tokens {
    /// Not the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({}, {:?})", self.header, self.file)
    }
}

/// One value for each token that is none of white space.
fn values<'t>(scheme: &str, tokens: impl Iterator<Item = &'t str>) -> Arc<[HeaderValue]> {
    let tokens = tokens.map(str::trim).filter(|token| !token.is_empty());
    let value = |token: &str| {
        let text = if scheme.is_empty() { token.to_owned() } else { format!("{scheme} {token}") };
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    };
    tokens.filter_map(value).collect()
}
