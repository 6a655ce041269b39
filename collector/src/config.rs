//! The configuration: the OpenTelemetry Collector's YAML, read so that every fault has its place.
//!
//! - **In:** files, or none (then the embedded default), and the environment.
//! - **Out:** a [`Config`] of canonical names and checked pipelines, with what each of them promises.
//! - **Guaranteed:** all faults of all files are reported at once, each with file, line, column, path, what
//!   would be right and the nearest known name. Nothing is read half.
//! - **Not here:** the keys of components; each has them beside its code.
//!
//! Read in the order of the way a file takes: [`tree`] (text to nodes with places), [`mod@env`] (references in the
//! scalars), [`typed`] (nodes to a component's `Config`), [`sections`] and [`service`] (what must fit
//! together), [`mod@print`] (and back to text). [`names`] is the list of components and their aliases.

pub mod answer_mode;
pub mod diagnostic;
mod env;
pub mod extensions;
pub mod names;
mod path;
mod print;
pub mod schema;
mod sections;
mod service;
pub mod telemetry;
mod tree;
mod typed;

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use pipelines::{
    component::{ComponentId, PipelineId},
    connectors,
    engine::graph::Graph,
    journal::Mode,
    processors,
};

use self::{
    diagnostic::{Diagnostic, Diagnostics},
    extensions::FileStorage,
    telemetry::Telemetry,
    tree::{Document, Node},
};
use crate::receivers;

/// A configuration in which everything fits together. Component ids are canonical.
#[derive(Clone, Debug)]
pub struct Config {
    /// All that are defined, those that no pipeline names too.
    pub receivers: BTreeMap<ComponentId, receivers::Config>,
    /// Likewise.
    pub processors: BTreeMap<ComponentId, processors::Config>,
    /// Likewise.
    pub connectors: BTreeMap<ComponentId, connectors::Config>,
    /// Likewise.
    pub exporters: BTreeMap<ComponentId, exporters::Config>,
    /// Likewise.
    pub extensions: BTreeMap<ComponentId, extensions::Config>,
    /// What runs.
    pub service: Service,
}

/// The section `service`.
#[derive(Clone, Debug)]
pub struct Service {
    /// Extensions that run, in the order of the file.
    pub extensions: Vec<ComponentId>,
    /// The pipelines, upstream first.
    pub graph: Graph,
    /// What each pipeline promises with its answer.
    pub modes: BTreeMap<PipelineId, Mode>,
    /// What the collector says about itself.
    pub telemetry: Telemetry,
}

/// A configuration and what is to be said about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What it does not do although it seems to say so.
    pub warnings: Diagnostics,
    /// Names of the files it came from.
    pub sources: Vec<String>,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The one inside the binary.
    Default,
    /// A file.
    File(PathBuf),
    /// A text under a name.
    Text {
        /// Shown in messages.
        name: String,
        /// YAML.
        text: String,
    },
}

/// Reads the configuration from `sources`, later ones merged over earlier ones as the Collector merges them;
/// from the embedded default if there are none. Variables are those of the process.
///
/// # Errors
/// Everything that is wrong, warnings among it, in the order of the files.
pub fn load(sources: &[Source]) -> Result<Loaded, Diagnostics> {
    load_with(sources, &|name| std::env::var(name).ok())
}

/// The same with an environment of one's own.
///
/// # Errors
/// As [`load`].
pub fn load_with(
    sources: &[Source],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Diagnostics> {
    let default = [Source::Default];
    let sources = if sources.is_empty() { &default } else { sources };
    let mut found = Vec::new();
    let mut merged: Option<Node> = None;
    // A file that cannot be read at all would make every name in the others look undefined.
    let mut unreadable = false;
    for source in sources {
        let tree = source.read().and_then(|document| Arc::new(document).read());
        let (mut tree, faults) = match tree {
            Ok(read) => read,
            Err(fault) => {
                found.push(fault);
                unreadable = true;
                continue;
            }
        };
        found.extend(faults);
        found.extend(env::expand(&mut tree, environment));
        match &mut merged {
            None => merged = Some(tree),
            Some(merged) => merged.merge(tree),
        }
    }
    let names: Vec<_> = sources.iter().map(Source::name).collect();
    let config = match merged {
        Some(mut tree) if !unreadable => {
            tree.number();
            sections::assemble(&tree, &mut found)
        }
        _ => None,
    };
    let diagnostics = Diagnostics::sorted(found, &names);
    match config {
        Some(config) if !diagnostics.has_errors() => {
            Ok(Loaded { config, warnings: diagnostics, sources: names })
        }
        _ => Err(diagnostics),
    }
}

// === impl Config ===

impl Config {
    /// The configuration of the storage that is enabled, if there is one.
    pub fn file_storage(&self) -> Option<&FileStorage> {
        self.service.extensions.iter().find_map(|id| match self.extensions.get(id) {
            Some(extensions::Config::FileStorage(storage)) => Some(storage),
            _ => None,
        })
    }

    /// Where the journal lies.
    pub fn journal_directory(&self, data_dir: &Path) -> PathBuf {
        let storage = self.file_storage().and_then(|storage| storage.directory.clone());
        storage.unwrap_or_else(|| data_dir.join("journal"))
    }

    /// Where dead letters lie: beside the journal in the data directory, or in the directory that `file_storage` names.
    pub fn dead_letters_directory(&self, data_dir: &Path) -> PathBuf {
        let storage = self.file_storage().and_then(|storage| storage.directory.as_deref());
        storage.unwrap_or(data_dir).join("dead-letters")
    }

    /// The health check that is enabled, if there is one.
    pub fn health_check(&self) -> Option<&extensions::HealthCheck> {
        self.service.extensions.iter().find_map(|id| match self.extensions.get(id) {
            Some(extensions::Config::HealthCheck(health_check)) => Some(health_check),
            _ => None,
        })
    }

    /// As YAML with every default written out and secrets left out. Without secrets it reads back as the same
    /// configuration.
    pub fn to_yaml(&self) -> String {
        print::print(self)
    }
}

// === impl Source ===

impl Source {
    fn name(&self) -> String {
        match self {
            Self::Default => "embedded default".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Text { name, .. } => name.clone(),
        }
    }

    fn read(&self) -> Result<Document, Diagnostic> {
        let text = match self {
            Self::Default => DEFAULT.to_owned(),
            Self::Text { text, .. } => text.clone(),
            Self::File(path) => read_file(path)?,
        };
        Ok(Document { name: self.name(), text })
    }
}

fn read_file(path: &Path) -> Result<String, Diagnostic> {
    let name = path.display();
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that a file too large is seen to be.
    let limit = tree::TEXT_BYTES_MAX as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| Diagnostic::error(format!("cannot read {name}: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Diagnostic::error(format!("{name} is not text in UTF-8; byte {at} is wrong"))
    })
}

/// The embedded default.
pub const DEFAULT: &str = include_str!("config/default.yaml");

#[cfg(test)]
mod tests;
