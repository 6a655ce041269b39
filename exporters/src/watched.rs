//! A small file that somebody may replace while we run: a token, a password, a list of users.
//!
//! - **Out:** its text, at most [`LOOK_EVERY`] old.
//! - **Guaranteed:** a file that cannot be read any more, or is not text, or is larger than [`FILE_BYTES_MAX`], leaves
//!   the last text in place and says so once; replacing by rename and Kubernetes' links are seen, because the path is
//!   followed anew each time; whoever asks waits for no disk longer than one look takes.
//! - **Not here:** certificates, which are read at intervals of their own ([`crate::tls`]).

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tracing::{info, warn};

/// A file and the text it held when we last looked.
pub struct Watched {
    path: PathBuf,
    seen: Mutex<Seen>,
}

struct Seen {
    looked: Instant,
    /// What tells one version of the file from another: when it was changed, and its length.
    version: Option<(SystemTime, u64)>,
    text: Arc<str>,
    is_unreadable: bool,
}

// === impl Watched ===

impl Watched {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// It cannot be read, is not UTF-8, or is larger than [`FILE_BYTES_MAX`].
    pub fn open(path: &Path) -> io::Result<Self> {
        let version = version(path);
        let text = read(path)?;
        let seen = Seen { looked: now(), version, text, is_unreadable: false };
        Ok(Self { path: path.to_owned(), seen: Mutex::new(seen) })
    }

    /// What it holds. The same `Arc` as before unless it has changed.
    pub fn text(&self) -> Arc<str> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.looked.elapsed() >= LOOK_EVERY {
            seen.looked = now();
            self.look(&mut seen);
        }
        Arc::clone(&seen.text)
    }

    fn look(&self, seen: &mut Seen) {
        let version = version(&self.path);
        if version == seen.version && version.is_some() {
            return;
        }
        let file = self.path.display();
        match read(&self.path) {
            Ok(text) => {
                info!(%file, "a file of secrets has changed and was read again");
                *seen = Seen { looked: seen.looked, version, text, is_unreadable: false };
            }
            Err(error) if !seen.is_unreadable => {
                warn!(%file, %error, "a file of secrets cannot be read any more; what it held stays in use");
                seen.is_unreadable = true;
            }
            Err(_) => {}
        }
    }
}

impl fmt::Debug for Watched {
    /// Not what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({})", self.path.display())
    }
}

fn version(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &Path) -> io::Result<Arc<str>> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let message = format!("it is larger than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text.into())
}

#[expect(clippy::disallowed_methods, reason = "files are looked after by the process, not by data")]
fn now() -> Instant {
    Instant::now()
}

/// How old a text may be.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The largest file that is read.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    async fn later() {
        tokio::time::advance(LOOK_EVERY).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_seen_and_a_file_that_is_gone_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "one").unwrap();
        let watched = Watched::open(&path).unwrap();
        assert_eq!(&*watched.text(), "one");
        // Replaced by rename, as editors and Kubernetes do it.
        std::fs::write(folder.path().join("new"), "second").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(&*watched.text(), "one", "nobody looks twice in a second");
        later().await;
        assert_eq!(&*watched.text(), "second");
        std::fs::remove_file(&path).unwrap();
        later().await;
        assert_eq!(&*watched.text(), "second");
        std::fs::write(&path, b"\xff\xff").unwrap();
        later().await;
        assert_eq!(&*watched.text(), "second");
        std::fs::write(&path, "third").unwrap();
        later().await;
        assert_eq!(&*watched.text(), "third");
    }

    #[tokio::test]
    async fn a_file_without_end_is_refused() {
        assert_eq!(Watched::open(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
