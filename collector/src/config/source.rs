//! Where a configuration comes from: files, texts, variables, single values.
//!
//! - **In:** what stands behind `--config` and `--set`, in the OpenTelemetry Collector's words: a path, `file:PATH`,
//!   `yaml:TEXT`, `env:NAME`; `KEY=VALUE`.
//! - **Out:** a tree whose nodes know the source they came from.
//! - **Not here:** how sources are merged (`config.rs`), and references inside of them (`env.rs`).

use std::{
    ffi::OsStr,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    DEFAULT,
    diagnostic::Diagnostic,
    env::Environment,
    tree::{Document, Node, TEXT_BYTES_MAX},
};

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The one inside the binary.
    Default,
    /// A file.
    File(PathBuf),
    /// `yaml:TEXT`. Keys may be paths: `processors::batch::timeout: 2s`.
    Yaml(String),
    /// `env:NAME`: a variable that holds a configuration.
    Variable(String),
    /// `KEY=VALUE`: one value, under a path whose keys are joined by dots.
    Setting(String),
    /// A text under a name.
    Text {
        /// Shown in messages.
        name: String,
        /// YAML.
        text: String,
    },
}

// === impl Source ===

impl Source {
    /// Reads what was given with `--config`.
    pub fn parse(given: &OsStr) -> Self {
        match given.to_str().and_then(|given| given.split_once(':')) {
            Some(("file", path)) => Self::File(PathBuf::from(path)),
            Some(("yaml", text)) => Self::Yaml(text.to_owned()),
            Some(("env", name)) => Self::Variable(name.to_owned()),
            _ => Self::File(PathBuf::from(given)),
        }
    }

    /// As messages name it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Default => "embedded default".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Yaml(_) => "yaml".to_owned(),
            Self::Variable(name) => format!("env:{name}"),
            Self::Setting(_) => "--set".to_owned(),
            Self::Text { name, .. } => name.clone(),
        }
    }

    /// The tree, and what is wrong with it all the same.
    ///
    /// # Errors
    /// There is nothing to read, or it is not YAML.
    pub(super) fn read(&self, environment: &Environment<'_>) -> Result<(Node, Vec<Diagnostic>), Diagnostic> {
        let document = Arc::new(Document { name: self.name(), text: self.text(environment)? });
        let (mut tree, faults) = document.read()?;
        match self {
            Self::Yaml(_) => tree.unfold_keys("::"),
            Self::Setting(_) => tree.unfold_keys("."),
            _ => {}
        }
        Ok((tree, faults))
    }

    fn text(&self, environment: &Environment<'_>) -> Result<String, Diagnostic> {
        match self {
            Self::Default => Ok(DEFAULT.to_owned()),
            Self::Yaml(text) | Self::Text { text, .. } => Ok(text.clone()),
            Self::File(path) => read_file(path),
            Self::Variable(name) => environment(name).ok_or_else(|| {
                Diagnostic::error(format!("the environment variable `{name}` is not set"))
                    .with_help("it would hold a whole configuration; `--config FILE` names a file")
            }),
            Self::Setting(setting) => match setting.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => Ok(format!("{}: {value}", key.trim())),
                _ => Err(Diagnostic::error(format!("`--set {setting}` sets nothing"))
                    .with_help("write for example `--set exporters.debug.verbosity=detailed`")),
            },
        }
    }
}

/// The text of a file that is a configuration or a part of one.
///
/// # Errors
/// It cannot be read, or is not text. The fault has no place.
pub(super) fn read_file(path: &Path) -> Result<String, Diagnostic> {
    let name = path.display();
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that a file too large is seen to be.
    let limit = TEXT_BYTES_MAX as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(|error| {
        let fault = Diagnostic::error(format!("cannot read {name}: {error}"));
        match path.to_str() {
            Some(text) if text.contains("://") => fault.with_help(
                "configurations come from files, `yaml:TEXT` and `env:NAME`, not from the network",
            ),
            _ => fault,
        }
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Diagnostic::error(format!("{name} is not text in UTF-8; byte {at} is wrong"))
    })
}
