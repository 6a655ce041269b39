//! The files that `tls` and extensions name: whether they can be read, and hold what they should.
//!
//! **Guaranteed:** what the start would find wrong is told here in the same words, at the key that names the file. Only
//! what is in use is looked at. Nothing of what the files hold is shown.

use exporters::auth::Authenticator;
use pipelines::config::ConfigError;

use super::{Config, diagnostic::Diagnostic, extensions, path::Found, tree::Node};
use crate::receivers::{self, users_fault};

/// What is wrong with the files of the components in use.
pub(super) fn faults(root: &Node, config: &Config) -> Vec<Diagnostic> {
    let mut found: Vec<ConfigError> = Vec::new();
    for id in config.service.graph.receivers() {
        if let Some(receivers::Config::Otlp(otlp)) = config.receivers.get(id) {
            let faults = otlp.file_faults().into_iter();
            found.extend(faults.map(|error| error.under(&format!("receivers.{id}"))));
        }
    }
    for id in config.service.graph.exporters() {
        let fault = config.exporters.get(id).and_then(exporters::Config::file_fault);
        found.extend(fault.map(|error| error.under(&format!("exporters.{id}"))));
    }
    for id in &config.service.extensions {
        if let Some(extensions::Config::Authenticator(authenticator)) = config.extensions.get(id) {
            let faults = of_authenticator(authenticator).into_iter();
            found.extend(faults.map(|error| error.under(&format!("extensions.{id}"))));
        }
    }
    let diagnostic = |error: ConfigError| Found::follow(root, &error.path).error(error.message);
    found.into_iter().map(diagnostic).collect()
}

fn of_authenticator(authenticator: &Authenticator) -> Vec<ConfigError> {
    let users = match authenticator {
        Authenticator::Basic(basic) => basic.htpasswd.as_ref().and_then(users_fault),
        Authenticator::BearerToken(_) => None,
    };
    let users = users.map(|error| error.under("htpasswd"));
    authenticator.file_fault().into_iter().chain(users).collect()
}
