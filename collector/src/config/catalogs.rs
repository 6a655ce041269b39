//! The catalog files that `event_metrics` names: whether they can be read, and what is wrong in them.
//!
//! **Guaranteed:** every fault of every file is told, with its place in that file.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use pipelines::{
    config::ConfigError,
    connectors::{
        self,
        event_metrics::{self, catalog::Catalog},
    },
};

use super::{
    Config,
    diagnostic::Diagnostic,
    path::Found,
    sections::with_subject,
    source::read_file,
    tree::{Document, Node},
};

/// What is wrong with the catalog files of the connectors in use.
pub(super) fn faults(root: &Node, config: &Config) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for id in config.service.graph.connectors() {
        if let Some(connectors::Config::EventMetrics(connector)) = config.connectors.get(id) {
            found.extend(of_connector(root, &format!("connectors.{id}.catalog"), connector));
        }
    }
    found
}

/// `path` leads to the list of catalogs.
fn of_connector(root: &Node, path: &str, connector: &event_metrics::Config) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut texts = BTreeMap::new();
    for file in connector.files() {
        let index = connector.catalog.iter().position(|name| name == file).unwrap_or_default();
        match read_file(Path::new(file)) {
            Ok(text) => {
                found.extend(of_file(file, &text));
                texts.insert(file.to_owned(), text);
            }
            Err(fault) => found.push(Found::follow(root, &format!("{path}[{index}]")).error(fault.message)),
        }
    }
    if found.is_empty() {
        // Each is right by itself. What is wrong between two of them has no line.
        let between = connector.catalog(&texts).err().unwrap_or_default();
        let place = Found::follow(root, path);
        found.extend(between.into_iter().map(|error| place.error(error.message)));
    }
    found
}

fn of_file(file: &str, text: &str) -> Vec<Diagnostic> {
    let document = Arc::new(Document { name: file.to_owned(), text: text.to_owned() });
    let faults = Catalog::read(text).err().unwrap_or_default();
    let diagnostic = |fault: event_metrics::catalog::Fault| {
        let error = ConfigError::new(fault.path, fault.message);
        let place = document.place(fault.line, fault.column);
        Diagnostic { path: error.path.clone(), ..place.error(with_subject(&error)) }
    };
    faults.into_iter().map(diagnostic).collect()
}
