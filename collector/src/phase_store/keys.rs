//! API keys: how they look, how they are kept, and what `phasor keys` does.
//!
//! - **Guaranteed:** a key is stored only as the SHA-256 of its text and looked up by that; its 256
//!   random bits need no slow hash. A new key is shown exactly once. Everything works on the file of
//!   the store, also while a server runs on it.
//! - **Not here:** which operation wants which role; `http` says that.

use std::{
    fmt,
    fs::OpenOptions,
    io::{IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use pipelines::time::UnixNanos;
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    store::sqlite::{self, OpenError, access},
    time_text,
};

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Store phases, events and pushes.
    Ingest,
    /// Read the own customer's tasks.
    Read,
    /// Everything, of every customer.
    Operator,
}

/// Whom a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Row id of the key.
    pub key: i64,
    /// Row id of its customer.
    pub customer: i64,
    /// What it may do.
    pub role: Role,
    /// The repository owners it is good for, in lower case; absent: all.
    pub owners: Option<Vec<String>>,
}

/// The text of a key. Neither logs nor `Debug` show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// For people: `ci of acme/shop`.
    pub name: String,
    /// Made if there is none of this name.
    pub customer: String,
    /// What it may do.
    pub role: Role,
    /// Repository owners it is good for; none: all.
    pub owners: Vec<String>,
}

/// A key as `phasor keys list` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct KeyRow {
    pub id: i64,
    pub name: String,
    pub customer: String,
    pub role: String,
    pub owners: Option<Vec<String>>,
    pub inserted_at: String,
    pub revoked_at: Option<String>,
}

/// What became of the first key at a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstKey {
    /// There are keys already.
    Present,
    /// `PHASOR_BOOTSTRAP_API_KEY` was taken.
    Bootstrapped,
    /// Show it now, once, on the terminal.
    Show(Secret),
    /// It is in this file, which only its owner may read.
    Written(PathBuf),
}

/// Why an operation on keys failed.
#[derive(Debug, Error)]
pub enum KeysError {
    /// Nobody has made a store yet.
    #[error(
        "there is no phase store at {path} yet; start phasor once, or make a key with `phasor keys create`"
    )]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// The store cannot be used.
    #[error("the phase store at {path} cannot be used")]
    Open {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: OpenError,
    },
    /// The database failed.
    #[error("the phase store failed")]
    Database(#[from] rusqlite::Error),
    /// A key given from outside does not look like one.
    #[error("{0} must have 32 to 64 printable ASCII characters without spaces")]
    Malformed(&'static str),
    /// The key exists.
    #[error("this key exists already")]
    Exists,
    /// Nothing to revoke.
    #[error("there is no key {0} that is not revoked already; `phasor keys list` shows them")]
    Unknown(i64),
    /// The file for the first key cannot be written.
    #[error("{path} cannot be written")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The system has no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Makes a key, and the store if there is none, and returns the key: nobody can show it a second time.
///
/// # Errors
/// The store cannot be used.
pub fn create(data_dir: &Path, key: &NewKey) -> Result<Secret, KeysError> {
    let secret = Secret::random()?;
    std::fs::create_dir_all(data_dir)
        .map_err(|cause| KeysError::File { path: data_dir.to_owned(), cause })?;
    insert(&mut open(data_dir)?, key, &secret)?;
    Ok(secret)
}

/// All keys, oldest first, revoked ones included.
///
/// # Errors
/// The store cannot be used.
pub fn list(data_dir: &Path) -> Result<Vec<KeyRow>, KeysError> {
    Ok(access::list(&open_existing(data_dir)?)?)
}

/// Revokes a key; requests with it are refused from now on.
///
/// # Errors
/// There is no such key, or the store cannot be used.
pub fn revoke(data_dir: &Path, id: i64) -> Result<(), KeysError> {
    let now = time_text(UnixNanos::now().0);
    if access::revoke(&open_existing(data_dir)?, id, &now)? { Ok(()) } else { Err(KeysError::Unknown(id)) }
}

/// Sees to it that there is a key: `bootstrap` (of `PHASOR_BOOTSTRAP_API_KEY`) if it is given, else,
/// in a store that never had one, a random operator key.
///
/// # Errors
/// The bootstrap key is malformed, or the key can be kept nowhere.
pub fn ensure_first(data_dir: &Path, bootstrap: Option<&str>) -> Result<FirstKey, KeysError> {
    let mut connection = open(data_dir)?;
    let key = |name: &str| NewKey {
        name: name.to_owned(),
        customer: FIRST_CUSTOMER.to_owned(),
        role: Role::Operator,
        owners: Vec::new(),
    };
    if let Some(text) = bootstrap.filter(|text| !text.is_empty()) {
        let secret = Secret::import(text).ok_or(KeysError::Malformed("PHASOR_BOOTSTRAP_API_KEY"))?;
        return match insert(&mut connection, &key("bootstrap"), &secret) {
            Ok(()) => Ok(FirstKey::Bootstrapped),
            Err(KeysError::Exists) => Ok(FirstKey::Present),
            Err(error) => Err(error),
        };
    }
    if !access::is_empty(&connection)? {
        return Ok(FirstKey::Present);
    }
    let secret = Secret::random()?;
    if std::io::stdout().is_terminal() {
        insert(&mut connection, &key("first"), &secret)?;
        return Ok(FirstKey::Show(secret));
    }
    // The file first: a key that is stored but shown nowhere would lock everyone out.
    let path = data_dir.join("first-api-key");
    secret.write_to(&path).map_err(|cause| KeysError::File { path: path.clone(), cause })?;
    insert(&mut connection, &key("first"), &secret)?;
    Ok(FirstKey::Written(path))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// A look at keys makes no store.
fn open_existing(data_dir: &Path) -> Result<Connection, KeysError> {
    let path = sqlite::path_in(data_dir);
    if path.exists() { open(data_dir) } else { Err(KeysError::Missing { path }) }
}

fn open(data_dir: &Path) -> Result<Connection, KeysError> {
    let path = sqlite::path_in(data_dir);
    let mut epoch = [0; 16];
    getrandom::fill(&mut epoch).map_err(KeysError::Random)?;
    sqlite::connect(&path, u128::from_be_bytes(epoch), UnixNanos::now())
        .map_err(|cause| KeysError::Open { path, cause })
}

fn insert(connection: &mut Connection, key: &NewKey, secret: &Secret) -> Result<(), KeysError> {
    let now = time_text(UnixNanos::now().0);
    let id = access::insert(connection, key, &secret.digest(), &now)?;
    id.map(|_| ()).ok_or(KeysError::Exists)
}

// === impl Role ===

impl Role {
    /// As the command line and the table spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Operator => "operator",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ingest, Self::Read, Self::Operator].into_iter().find(|role| role.as_str() == text)
    }
}

// === impl Access ===

impl Access {
    /// Whether it is good for repositories of this owner.
    pub fn covers(&self, owner: &str) -> bool {
        self.owners.as_ref().is_none_or(|owners| owners.contains(&owner.to_lowercase()))
    }
}

// === impl Secret ===

impl Secret {
    /// A fresh key: `rsolv_` and 43 characters that carry 256 random bits.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn random() -> Result<Self, KeysError> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(KeysError::Random)?;
        Ok(Self::of(bits))
    }

    /// A key made elsewhere: 32 to 64 printable ASCII characters without spaces.
    pub fn import(text: &str) -> Option<Self> {
        let fits = (32..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// The key itself, for the one moment in which it is shown.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the key, lower-case hex.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    /// `rsolv_` + base64url (RFC 4648, section 5) without padding.
    fn of(bits: [u8; 32]) -> Self {
        let mut text = String::from("rsolv_");
        for chunk in bits.chunks(3) {
            let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            let characters = (0..=chunk.len()).map(|index| (group >> (18 - 6 * index) & 63) as usize);
            text.extend(characters.map(|index| char::from(BASE64URL[index])));
        }
        Self(text)
    }

    fn write_to(&self, path: &Path) -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        writeln!(file, "{}", self.0)?;
        file.sync_all()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Whose the first key is.
const FIRST_CUSTOMER: &str = "default";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn key(role: Role, owners: &[&str]) -> NewKey {
        let owners = owners.iter().map(|owner| (*owner).to_owned()).collect();
        NewKey { name: "test".into(), customer: "acme".into(), role, owners }
    }

    fn find(dir: &Path, secret: &Secret) -> Option<Access> {
        access::find(&open(dir).unwrap(), &secret.digest()).unwrap()
    }

    #[test]
    fn a_key_is_rsolv_and_43_characters_of_base64url() {
        assert_eq!(Secret::of([0; 32]).reveal(), format!("rsolv_{}", "A".repeat(43)));
        assert_eq!(Secret::of([255; 32]).reveal(), format!("rsolv_{}8", "_".repeat(42)));
        let ascending = std::array::from_fn(|index| index as u8);
        assert_eq!(Secret::of(ascending).reveal(), "rsolv_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        assert_ne!(Secret::random().unwrap(), Secret::random().unwrap());
        assert_eq!(format!("{:?}", Secret::of([0; 32])), "Secret(..)");
    }

    #[test]
    fn imported_keys_have_32_to_64_characters() {
        for (length, good) in [(31, false), (32, true), (64, true), (65, false)] {
            assert_eq!(Secret::import(&"k".repeat(length)).is_some(), good, "{length}");
        }
        assert!(Secret::import(&format!("{} ", "k".repeat(40))).is_none());
        assert!(Secret::import(&"é".repeat(20)).is_none());
    }

    #[test]
    fn a_key_is_found_by_its_text_until_it_is_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let secret = create(dir.path(), &key(Role::Ingest, &["Acme", "beta"])).unwrap();
        let access = find(dir.path(), &secret).unwrap();
        assert_eq!(
            (access.role, access.owners.clone()),
            (Role::Ingest, Some(vec!["acme".into(), "beta".into()]))
        );
        assert!(access.covers("ACME") && !access.covers("gamma"));
        assert_eq!(find(dir.path(), &Secret::of([1; 32])), None);

        revoke(dir.path(), access.key).unwrap();
        assert_eq!(find(dir.path(), &secret), None);
        assert!(matches!(revoke(dir.path(), access.key), Err(KeysError::Unknown(_))));
        let rows = list(dir.path()).unwrap();
        assert_eq!(rows.len(), 1);
        assert!(rows[0].revoked_at.is_some());
    }

    #[test]
    fn before_the_first_start_there_is_no_store_and_a_look_makes_none() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        assert!(matches!(list(&data_dir), Err(KeysError::Missing { .. })));
        assert!(matches!(revoke(&data_dir, 1), Err(KeysError::Missing { .. })));
        assert!(!data_dir.exists());
        create(&data_dir, &key(Role::Read, &[])).unwrap();
        assert_eq!(list(&data_dir).unwrap().len(), 1);
    }

    #[test]
    fn the_store_never_holds_the_text_of_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let secret = create(dir.path(), &key(Role::Read, &[])).unwrap();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let text = secret.reveal().as_bytes();
            assert!(!bytes.windows(text.len()).any(|window| window == text), "{path:?}");
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{path:?}");
        }
    }

    #[test]
    fn an_empty_store_gets_one_operator_key_in_a_private_file() {
        let dir = tempfile::tempdir().unwrap();
        // Tests run without a terminal, or show the key in one: both are told by the result.
        match ensure_first(dir.path(), None).unwrap() {
            FirstKey::Written(path) => {
                assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
                let text = std::fs::read_to_string(path).unwrap();
                let access = find(dir.path(), &Secret::import(text.trim_end()).unwrap()).unwrap();
                assert_eq!((access.role, access.owners), (Role::Operator, None));
            }
            FirstKey::Show(secret) => assert!(find(dir.path(), &secret).is_some()),
            other => panic!("{other:?}"),
        }
        assert_eq!(ensure_first(dir.path(), None).unwrap(), FirstKey::Present);
        assert_eq!(list(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn the_bootstrap_key_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let text = "bootstrap-0123456789-0123456789-01";
        assert_eq!(ensure_first(dir.path(), Some(text)).unwrap(), FirstKey::Bootstrapped);
        assert_eq!(ensure_first(dir.path(), Some(text)).unwrap(), FirstKey::Present);
        assert_eq!(ensure_first(dir.path(), None).unwrap(), FirstKey::Present);
        assert!(find(dir.path(), &Secret::import(text).unwrap()).is_some());
        let error = ensure_first(dir.path(), Some("short")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "PHASOR_BOOTSTRAP_API_KEY must have 32 to 64 printable ASCII characters without spaces"
        );
    }
}
