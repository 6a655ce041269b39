//! What of the configuration decides about names and labels.

use super::SERVICE;
use crate::prometheus::config::{Config, ResourceLabels};

/// What decides about names and labels. A table saved under others is not read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    pub(super) namespace: String,
    pub(super) const_labels: Vec<(String, String)>,
    pub(super) suffixes: bool,
    /// Whether gauges of unit `1` get `_ratio`.
    pub(super) ratio: bool,
    /// Whether names are kept as they are spelled.
    pub(super) utf8: bool,
    pub(super) resource_labels: Option<ResourceLabels>,
    pub(super) scope_labels: bool,
}

// === impl Settings ===

impl Settings {
    /// From what the user wrote.
    pub fn new(config: &Config) -> Self {
        Self {
            namespace: config.namespace.clone(),
            const_labels: config.const_labels.clone().into_iter().collect(),
            suffixes: config.adds_suffixes(),
            ratio: config.add_ratio_suffix,
            utf8: config.keeps_utf8(),
            resource_labels: resource_labels(config),
            scope_labels: !config.without_scope_info,
        }
    }

    /// Whether a resource attribute becomes a label.
    pub(super) fn shows(&self, key: &str) -> bool {
        self.resource_labels.as_ref().is_some_and(|labels| labels.takes(key))
    }
}

/// The newer of two ways to say it goes first.
fn resource_labels(config: &Config) -> Option<ResourceLabels> {
    let older = config.resource_to_telemetry_conversion;
    if config.resource_constant_labels.is_given() {
        return Some(config.resource_constant_labels.clone());
    }
    let services = if older.exclude_service_attributes { &SERVICE[..] } else { &[] };
    older.enabled.then(|| ResourceLabels {
        included: vec!["*".to_owned()],
        excluded: services.iter().map(|&key| key.to_owned()).collect(),
    })
}
