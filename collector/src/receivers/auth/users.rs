//! Users and their passwords, as Apache's `htpasswd` writes them.
//!
//! Passwords may stand as bcrypt (`htpasswd -B`), as SHA-1 (`{SHA}`, `htpasswd -s`) or as they are. The other forms
//! (`$apr1$`, `$1$`, `$5$`, `$6$`, `{SSHA}`) are refused by name when the list is read.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use exporters::{auth::config::Htpasswd, watched::Watched};
use http::HeaderValue;
use pipelines::config::ConfigError;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::{sync::Semaphore, task::spawn_blocking};
use tracing::warn;

/// A list of users.
pub(in crate::receivers) struct Users {
    inline: String,
    file: Option<Watched>,
    held: Mutex<Held>,
    turns: Arc<Semaphore>,
}

struct Held {
    /// What the file said when the list was made.
    text: Arc<str>,
    passwords: Arc<HashMap<String, Password>>,
    /// Digests of credentials that were right, so that a slow hash is computed once.
    right: HashSet<[u8; 32]>,
}

#[derive(Clone)]
enum Password {
    Plain(String),
    Sha1([u8; 20]),
    Bcrypt(String),
}

// === impl Users ===

impl Users {
    /// Reads the list.
    ///
    /// # Errors
    /// The file cannot be read, a line is not `user:password`, or a password is in a form we do not know.
    pub(super) fn open(config: &Htpasswd) -> Result<Self, ConfigError> {
        let inline = config.inline.as_ref().map(|text| text.reveal().to_owned()).unwrap_or_default();
        let file = match &config.file {
            None => None,
            Some(path) => Some(Watched::open(path).map_err(|error| {
                ConfigError::new("file", format!("`{}` cannot be read: {error}", path.display()))
            })?),
        };
        let text = file.as_ref().map_or_else(|| Arc::from(""), Watched::text);
        let key = if file.is_some() { "file" } else { "inline" };
        let passwords = read(&inline, &text).map_err(|what| ConfigError::new(key, what))?;
        let held = Held { text, passwords: Arc::new(passwords), right: HashSet::new() };
        Ok(Self { inline, file, held: Mutex::new(held), turns: Arc::new(Semaphore::new(SLOW_MAX)) })
    }

    /// Whether the value of an `authorization` header names a user with their password.
    pub(super) async fn takes(&self, shown: &HeaderValue) -> bool {
        let Some((user, password)) = credentials(shown) else { return false };
        let digest: [u8; 32] = Sha256::digest(shown.as_bytes()).into();
        let (list, kept, is_known) = {
            let mut held = self.held();
            self.follow(&mut held);
            if held.right.contains(&digest) {
                return true;
            }
            // Who is not there is compared with somebody, so that the time does not tell who is.
            let kept = held.passwords.get(&user);
            let kept = (kept.or_else(|| held.passwords.values().next()).cloned(), kept.is_some());
            (Arc::clone(&held.passwords), kept.0, kept.1)
        };
        let Some(kept) = kept else { return false };
        let is_right = self.matches(kept, password).await && is_known;
        if is_right {
            let mut held = self.held();
            if held.right.len() >= RIGHT_MAX {
                held.right.clear();
            }
            if Arc::ptr_eq(&list, &held.passwords) {
                held.right.insert(digest);
            }
        }
        is_right
    }

    async fn matches(&self, kept: Password, password: String) -> bool {
        match kept {
            Password::Plain(plain) => plain.as_bytes().ct_eq(password.as_bytes()).into(),
            Password::Sha1(digest) => {
                let shown: [u8; 20] = Sha1::digest(password.as_bytes()).into();
                digest.ct_eq(&shown).into()
            }
            Password::Bcrypt(hash) => {
                let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else { return false };
                let verifying = spawn_blocking(move || {
                    let is_right = bcrypt::verify(password, &hash).unwrap_or(false);
                    drop(turn);
                    is_right
                });
                verifying.await.unwrap_or(false)
            }
        }
    }

    /// Takes over what the file says now.
    fn follow(&self, held: &mut Held) {
        let Some(text) = self.file.as_ref().map(Watched::text) else { return };
        if Arc::ptr_eq(&text, &held.text) {
            return;
        }
        match read(&self.inline, &text) {
            Ok(passwords) => {
                held.passwords = Arc::new(passwords);
                held.right.clear();
            }
            Err(what) => {
                warn!("the list of users cannot be used any more, the last one stays in use: {what}")
            }
        }
        held.text = text;
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Users {
    /// Not who, and not their passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({:?})", self.file)
    }
}

/// User and password of `Basic ...` (RFC 7617).
fn credentials(shown: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = shown.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// The users of both lists; the first line of a user counts.
fn read(inline: &str, file: &str) -> Result<HashMap<String, Password>, String> {
    let mut users = HashMap::new();
    for (i, line) in inline.lines().chain(file.lines()).enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (user, password) =
            line.split_once(':').ok_or_else(|| format!("line {}: is not user:password", i + 1))?;
        let password = Password::read(password).map_err(|what| format!("line {}: {what}", i + 1))?;
        users.entry(user.to_owned()).or_insert(password);
    }
    if users.is_empty() { Err("names no user".to_owned()) } else { Ok(users) }
}

// === impl Password ===

impl Password {
    fn read(text: &str) -> Result<Self, String> {
        if let Some(digest) = text.strip_prefix("{SHA}") {
            let digest = STANDARD.decode(digest).ok().and_then(|bytes| bytes.try_into().ok());
            return digest.map(Self::Sha1).ok_or_else(|| "{SHA} stands before 20 bytes in base64".to_owned());
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|form| text.starts_with(form)) {
            return Ok(Self::Bcrypt(text.to_owned()));
        }
        match ["$apr1$", "$1$", "$5$", "$6$", "{SSHA}"].iter().find(|form| text.starts_with(**form)) {
            Some(form) => {
                Err(format!("passwords in the form {form} are not supported; make it with htpasswd -B"))
            }
            None => Ok(Self::Plain(text.to_owned())),
        }
    }
}

/// Slow hashes that are computed at a time.
const SLOW_MAX: usize = 2;
/// Credentials that are remembered as right.
const RIGHT_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn users(inline: &str) -> Result<Users, String> {
        let config = Htpasswd { file: None, inline: Some(inline.into()) };
        Users::open(&config).map_err(|error| error.to_string())
    }

    fn basic(text: &str) -> HeaderValue {
        format!("Basic {}", STANDARD.encode(text)).try_into().unwrap()
    }

    #[tokio::test]
    async fn each_form_of_a_password_is_compared() {
        let bcrypt = bcrypt::hash("open", 4).unwrap();
        let list = format!(
            "plain:open\n# a comment\n\nsha:{{SHA}}{}\nslow:{bcrypt}\n",
            STANDARD.encode(Sha1::digest("open"))
        );
        let users = users(&list).unwrap();
        for user in ["plain", "sha", "slow"] {
            for _ in 0..2 {
                assert!(users.takes(&basic(&format!("{user}:open"))).await, "{user}");
            }
            for wrong in
                [format!("{user}:opens"), format!("{user}:"), user.to_owned(), format!("{user}x:open")]
            {
                assert!(!users.takes(&basic(&wrong)).await, "{wrong}");
            }
        }
        for value in ["Basic", "Basic !", "Bearer open", "basic"] {
            assert!(!users.takes(&HeaderValue::from_static(value)).await, "{value}");
        }
    }

    #[test]
    fn a_form_we_do_not_know_is_refused_by_name() {
        for (list, said) in [
            (
                "a:$apr1$x$y",
                "inline: line 1: passwords in the form $apr1$ are not supported; make it with htpasswd -B",
            ),
            ("a:b\nc", "inline: line 2: is not user:password"),
            ("", "inline: names no user"),
            ("a:{SHA}x", "inline: line 1: {SHA} stands before 20 bytes in base64"),
        ] {
            assert_eq!(users(list).unwrap_err(), said);
        }
    }
}
