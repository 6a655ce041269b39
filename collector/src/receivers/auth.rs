//! Who may send: the server's side of `bearertokenauth` and `basicauth`.
//!
//! - **In:** the headers of a request, before its body is read.
//! - **Out:** nothing, or why it may not.
//! - **Guaranteed:** secrets are compared in a time that does not depend on how much of them is right. Files are
//!   followed as they change; one that cannot be used any more leaves the last one in use. A slow hash is computed on
//!   a thread for such work, two at a time, and once for each password that is right.
//! - **Not here:** what becomes of a request that may not.

mod users;

use exporters::auth::{Authenticator, Authenticators, Reference, Side, Tokens, config::Htpasswd};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use pipelines::config::ConfigError;
use subtle::{Choice, ConstantTimeEq};

use self::users::Users;

/// Knows who may send.
#[derive(Debug)]
pub(super) enum Auth {
    Tokens(Tokens),
    Users(Users),
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("the request does not say who sends it; this receiver asks for credentials ({0})")]
    Missing(&'static str),
    #[error("the credentials are not right ({0})")]
    Wrong(&'static str),
}

/// What is wrong with a list of users, with its path below `htpasswd`.
pub(super) fn users_fault(htpasswd: &Htpasswd) -> Option<ConfigError> {
    Users::open(htpasswd).err()
}

// === impl Auth ===

impl Auth {
    /// What `reference` names.
    ///
    /// # Errors
    /// There is no such extension, or what it names cannot be read.
    pub(super) fn open(reference: &Reference, known: &Authenticators) -> Result<Self, ConfigError> {
        match known.find(reference, Side::Server)? {
            Authenticator::BearerToken(config) => Tokens::open(config).map(Self::Tokens),
            Authenticator::Basic(config) => {
                let htpasswd = config.htpasswd.clone().unwrap_or_default();
                Users::open(&htpasswd).map(Self::Users).map_err(|error| error.under("htpasswd"))
            }
        }
    }

    /// Whether somebody with these headers may send.
    ///
    /// # Errors
    /// They may not.
    pub(super) async fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        match self {
            Self::Tokens(tokens) => {
                let shown = headers.get(tokens.header()).ok_or(Denied::Missing(BEARER))?;
                is_one_of(shown, &tokens.values()).then_some(()).ok_or(Denied::Wrong(BEARER))
            }
            Self::Users(users) => {
                let shown = headers.get(AUTHORIZATION).ok_or(Denied::Missing(BASIC))?;
                users.takes(shown).await.then_some(()).ok_or(Denied::Wrong(BASIC))
            }
        }
    }
}

fn is_one_of(shown: &HeaderValue, welcome: &[HeaderValue]) -> bool {
    let shown = shown.as_bytes();
    let any = welcome.iter().fold(Choice::from(0), |any, value| any | value.as_bytes().ct_eq(shown));
    any.into()
}

// === impl Denied ===

impl Denied {
    /// The scheme to use, for `WWW-Authenticate`.
    pub(super) fn challenge(self) -> HeaderValue {
        let (Self::Missing(scheme) | Self::Wrong(scheme)) = self;
        HeaderValue::from_static(if scheme == BASIC {
            "Basic realm=\"otlp\", charset=\"UTF-8\""
        } else {
            "Bearer realm=\"otlp\""
        })
    }
}

const BEARER: &str = "a bearer token";
const BASIC: &str = "user and password, the scheme Basic";
