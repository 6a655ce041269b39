//! Where lines go that do not go to our own log.
//!
//! **Guaranteed:** a destination that blocks holds up this exporter and nobody else; one that fails loses its lines, as
//! eyes that look away do.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use pipelines::config::ConfigError;
use tokio::task::spawn_blocking;

/// All of them.
#[derive(Clone, Debug)]
pub(super) struct Output(Arc<Mutex<Vec<Way>>>);

#[derive(Debug)]
enum Way {
    Stdout,
    Stderr,
    File(File),
}

// === impl Output ===

impl Output {
    /// Opens the files among the paths, to be added to.
    pub(super) fn open(paths: &[String]) -> Result<Self, ConfigError> {
        let mut ways = Vec::new();
        for (index, path) in paths.iter().enumerate() {
            ways.push(match path.as_str() {
                STDOUT => Way::Stdout,
                STDERR => Way::Stderr,
                file => {
                    let opened = OpenOptions::new().append(true).create(true).open(file);
                    let path = format!("output_paths[{index}]");
                    let wrong = |error| ConfigError::new(path, format!("`{file}` cannot be opened: {error}"));
                    Way::File(opened.map_err(wrong)?)
                }
            });
        }
        Ok(Self(Arc::new(Mutex::new(ways))))
    }

    /// Writes a line, or several.
    pub(super) async fn write(&self, mut text: String) {
        let ways = Arc::clone(&self.0);
        text.push('\n');
        let write = move || {
            for way in ways.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
                // Nobody may be there to read, and there is nobody to tell.
                let _ = way.write(text.as_bytes());
            }
        };
        let _ = spawn_blocking(write).await;
    }
}

// === impl Way ===

impl Way {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
            Self::Stderr => io::stderr().write_all(bytes),
            Self::File(file) => file.write_all(bytes),
        }
    }
}

pub(super) const STDOUT: &str = "stdout";
const STDERR: &str = "stderr";
