//! The configuration: the OpenTelemetry Collector's YAML, read so that every fault has its place.
//!
//! - **In:** files, or none (then the embedded default), and the environment.
//! - **Out:** a [`Config`] of canonical names and checked pipelines, with what each of them promises.
//! - **Guaranteed:** all faults of all files are reported at once, each with file, line, column, path, what
//!   would be right and the nearest known name. Nothing is read half.
//! - **Not here:** the keys of components; each has them beside its code.
//!
//! Read in the order of the way a file takes: [`source`] (where it is read), [`tree`] (text to nodes with places),
//! [`mod@env`] (references in the scalars), [`typed`] (nodes to a component's `Config`), [`sections`] and [`service`]
//! (what must fit together), [`catalogs`] and [`credentials`] (files that it names), [`mod@print`] (and back to text).
//! [`names`] is the list of components and their aliases, [`foreign`] that of the Collector's others, [`schema`] tells
//! editors about all of it.

pub mod answer_mode;
mod catalogs;
mod credentials;
pub mod diagnostic;
mod env;
pub mod extensions;
mod foreign;
pub mod names;
mod path;
mod print;
pub mod schema;
mod sections;
mod service;
pub mod source;
pub mod telemetry;
mod tree;
mod typed;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use pipelines::{
    component::{ComponentId, PipelineId},
    connectors,
    engine::graph::Graph,
    journal::Mode,
    processors,
};

pub use self::source::Source;
use self::{diagnostic::Diagnostics, extensions::FileStorage, telemetry::Telemetry, tree::Node};
use crate::{phase_store, receivers};

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
    /// What is wrong in the files that it names: it cannot run with them, and can be shown.
    pub broken_files: Diagnostics,
    /// Names of the files it came from.
    pub sources: Vec<String>,
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
        let (mut tree, faults) = match source.read(environment) {
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
    let mut broken_files = Vec::new();
    let config = match merged {
        Some(mut tree) if !unreadable => {
            tree.number();
            let config = sections::assemble(&tree, &mut found);
            let faults = |config| {
                catalogs::faults(&tree, config).into_iter().chain(credentials::faults(&tree, config))
            };
            broken_files = config.iter().flat_map(faults).collect();
            config
        }
        _ => None,
    };
    let diagnostics = Diagnostics::sorted(found, &names);
    match config {
        Some(config) if !diagnostics.has_errors() => {
            let broken_files = Diagnostics(broken_files);
            Ok(Loaded { config, warnings: diagnostics, broken_files, sources: names })
        }
        _ => Err(diagnostics),
    }
}

// === impl Loaded ===

impl Loaded {
    /// This, if the collector can run with it.
    ///
    /// # Errors
    /// What is wrong in the files that it names, and the warnings.
    pub fn with_sound_files(self) -> Result<Self, Diagnostics> {
        if self.broken_files.0.is_empty() {
            return Ok(self);
        }
        Err(Diagnostics(self.warnings.0.into_iter().chain(self.broken_files.0).collect()))
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

    /// The phase store that is used, if there is one.
    pub fn phase_store(&self) -> Option<(&ComponentId, &phase_store::Config)> {
        self.service.graph.receivers().into_iter().find_map(|id| match self.receivers.get(id) {
            Some(receivers::Config::PhaseStore(store)) => Some((id, store)),
            _ => None,
        })
    }

    /// The health checks that are enabled.
    pub fn health_checks(&self) -> impl Iterator<Item = (&ComponentId, &extensions::HealthCheck)> {
        self.service.extensions.iter().filter_map(|id| match self.extensions.get(id) {
            Some(extensions::Config::HealthCheck(health_check)) => Some((id, health_check)),
            _ => None,
        })
    }

    /// As YAML with every default written out and secrets left out. Without secrets it reads back as the same
    /// configuration.
    pub fn to_yaml(&self) -> String {
        print::print(self)
    }
}

/// The embedded default.
pub const DEFAULT: &str = include_str!("config/default.yaml");

#[cfg(test)]
mod tests;
