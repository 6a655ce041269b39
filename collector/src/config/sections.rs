//! From the tree to a [`Config`]: which section holds what, and what must fit together.
//!
//! - **In:** the expanded tree.
//! - **Out:** the configuration, or every fault of the file at once, each at its place.
//! - **Not here:** the keys of components (they know them), and whether pipelines fit together
//!   (`pipelines::engine::graph` knows that).

use std::collections::BTreeMap;

use pipelines::{component::ComponentId, config::ConfigError, connectors, processors};

use super::{
    Config, Service,
    diagnostic::{Diagnostic, Severity},
    extensions,
    names::{Class, Unknown, nearest},
    path::{Found, join, starts_with_key},
    service::modes,
    tree::{Node, Value},
    typed::{self, Fault, NodeDeserializer},
};
use crate::receivers;

/// Reads everything. What was found is added to `found`; without errors there is a configuration.
pub(crate) fn assemble(root: &Node, found: &mut Vec<Diagnostic>) -> Option<Config> {
    let mut assembly = Assembly { root, found, defined: BTreeMap::new() };
    if !assembly.check_root() {
        return None;
    }
    let receivers = assembly.class::<receivers::Config>();
    let processors = assembly.class::<processors::Config>();
    let connectors = assembly.class::<connectors::Config>();
    let exporters = assembly.class::<exporters::Config>();
    let extensions = assembly.class::<extensions::Config>();
    let pipelines = assembly.pipelines();
    let enabled = assembly.enabled_extensions();
    let telemetry = assembly.telemetry();
    let graph = assembly.graph(pipelines);
    assembly.check_storages(&enabled);
    assembly.check_singles(graph.as_ref(), &enabled);
    assembly.check_authenticators(&extensions, &enabled);
    assembly.check_signals(graph.as_ref(), &exporters);
    if assembly.found.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return None;
    }
    let (graph, telemetry) = (graph?, telemetry?);
    assembly.warn_unused(&graph, &enabled);
    assembly.say_where_own_metrics_are(&telemetry, &graph, &exporters);
    let modes = modes(&graph, &exporters, &enabled);
    let service = Service { extensions: enabled, graph, modes, telemetry };
    Some(Config { receivers, processors, connectors, exporters, extensions, service })
}

/// What the sections have in common: a closed list of components, each with a configuration.
pub(crate) trait Section: Sized {
    /// Whose section it is.
    const CLASS: Class;

    /// Reads the configuration of the component `kind`, which is one of the class.
    fn deserialize(kind: &str, deserializer: NodeDeserializer<'_>) -> Result<Self, Fault>;

    /// Everything that is wrong, with paths from the component.
    fn check(&self) -> Vec<ConfigError>;

    /// Keys that do not do what they seem to, with paths from the component.
    fn warnings(&self) -> Vec<ConfigError>;
}

pub(crate) struct Assembly<'t, 'f> {
    pub(crate) root: &'t Node,
    pub(crate) found: &'f mut Vec<Diagnostic>,
    /// Every component the file defines, with its path as written; also those that have faults, since
    /// whoever refers to one is not to blame.
    pub(crate) defined: BTreeMap<(Class, ComponentId), String>,
}

// === impl Assembly ===

impl<'t> Assembly<'t, '_> {
    /// Whether there is anything to go on with.
    fn check_root(&mut self) -> bool {
        match &self.root.value {
            Value::Map(_) => {}
            Value::Null => {
                self.error("", "the configuration is empty");
                return false;
            }
            _ => {
                let message = format!("expected a mapping of sections, found {}", self.root.describe());
                self.error("", message);
                return false;
            }
        }
        let sections = Class::ALL.map(Class::section);
        self.check_keys("", &[sections.as_slice(), &["service"]].concat());
        match self.root.get("service") {
            Some(_) => self.check_keys("service", &["extensions", "pipelines", "telemetry"]),
            None => self.error("", "the section `service` is missing, which names the pipelines"),
        }
        true
    }

    /// A mapping with none but the known keys.
    fn check_keys(&mut self, path: &str, known: &[&str]) {
        let section = Found::follow(self.root, path);
        if !section.complete {
            return;
        }
        if !path.is_empty() && !matches!(section.node.value, Value::Map(_) | Value::Null) {
            self.found.push(section.error(format!("expected a mapping, found {}", section.node.describe())));
        }
        for entry in section.node.entries().iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let error = Diagnostic {
                path: join(path, &entry.key),
                ..entry.key_at.error(format!("unknown key `{}`", entry.key))
            };
            self.found.push(match nearest(&entry.key, known.iter().copied()) {
                Some(name) => error.with_help(format!("did you mean `{name}`?")),
                None => error.with_help(format!("known here: {}", known.join(", "))),
            });
        }
    }

    pub(crate) fn error(&mut self, path: &str, message: impl Into<String>) {
        self.found.push(Found::follow(self.root, path).error(message));
    }

    /// Errors or warnings of a check at their places.
    pub(crate) fn report(&mut self, severity: Severity, under: &str, errors: Vec<ConfigError>) {
        for error in errors {
            let error = if under.is_empty() { error } else { error.under(under) };
            let place = Found::follow(self.root, &error.path);
            self.found.push(Diagnostic { severity, ..place.error(with_subject(&error)) });
        }
    }

    /// All components of a class.
    fn class<S: Section>(&mut self) -> BTreeMap<ComponentId, S> {
        let section = S::CLASS.section();
        let mut components = BTreeMap::new();
        let Some(entry) = self.root.entry(section) else { return components };
        if !matches!(entry.node.value, Value::Map(_) | Value::Null) {
            let noun = S::CLASS.noun();
            let message =
                format!("expected a mapping with an entry for each {noun}, found {}", entry.node.describe());
            self.error(section, message);
        }
        for entry in entry.node.entries() {
            let path = join(section, &entry.key);
            let Some(id) = self.define(S::CLASS, &entry.key, &path) else { continue };
            if let Some(config) = self.component::<S>(&id, &entry.node, &path) {
                components.insert(id, config);
            }
        }
        components
    }

    /// Notes that a component is defined; nothing if its id is wrong.
    fn define(&mut self, class: Class, key: &str, path: &str) -> Option<ComponentId> {
        let id = match class.id(key) {
            Ok(id) => id,
            Err(message) => {
                self.key_error(path, message, None);
                return None;
            }
        };
        let known = class.find(&id.kind);
        if let Err(unknown) = &known {
            let (message, help) = unknown.explain(class, &id.kind);
            self.key_error(path, message, help);
        }
        if let Some(other) = self.defined.insert((class, id.clone()), path.to_owned()) {
            let message =
                format!("`{key}` is defined twice, here and as `{other}`; both are names of `{id}`");
            self.key_error(path, message, None);
        }
        known.is_ok().then_some(id)
    }

    pub(crate) fn key_error(&mut self, path: &str, message: String, help: Option<String>) {
        let error = Found::follow(self.root, path).key_error(message);
        self.found.push(Diagnostic { help, ..error });
    }

    fn component<S: Section>(&mut self, id: &ComponentId, node: &'t Node, path: &str) -> Option<S> {
        let mut read = Vec::new();
        let deserialize = |node: NodeDeserializer<'_>| S::deserialize(&id.kind, node);
        let Some(config) = typed::read_what_is_right(self.root, node, &mut read, deserialize) else {
            self.found.append(&mut read);
            return None;
        };
        let is_error = |one: &Diagnostic| one.severity == Severity::Error;
        let is_whole = !read.iter().any(is_error);
        // What is checked lacks the parts that could not be read, and is not to blame for that.
        let is_its_own_fault = |error: &ConfigError| {
            let place = Found::follow(self.root, &error.clone().under(path).path);
            is_whole
                || place.complete
                    && !read.iter().any(|one| is_error(one) && one.path.starts_with(&place.path))
        };
        let errors: Vec<_> = config.check().into_iter().filter(is_its_own_fault).collect();
        let is_fine = is_whole && errors.is_empty();
        let before = self.found.len();
        self.report(Severity::Error, path, errors);
        self.report(Severity::Warning, path, config.warnings());
        // Who knows the component knows better why a key has no effect.
        let said: Vec<_> = self.found[before..].iter().map(|one| one.path.clone()).collect();
        let is_said = |one: &Diagnostic| said.iter().any(|path| starts_with_key(&one.path, path));
        self.found.extend(read.into_iter().filter(|one| !is_said(one)));
        is_fine.then_some(config)
    }
}

/// Errors of checks may leave out what they are about, since their path says it.
pub(crate) fn with_subject(error: &ConfigError) -> String {
    const VERBS: [&str; 22] = [
        "is", "are", "must", "has", "have", "names", "name", "needs", "cannot", "does", "contains", "run",
        "runs", "wants", "may", "should", "lacks", "holds", "stands", "says", "changes", "matches",
    ];
    let verb = error.message.split(' ').next().unwrap_or_default();
    let subject = error.path.rsplit('.').next().unwrap_or_default();
    if VERBS.contains(&verb) && !subject.is_empty() {
        format!("`{subject}` {}", error.message)
    } else {
        error.message.clone()
    }
}

// === impl Unknown ===

impl Unknown {
    fn explain(&self, class: Class, kind: &str) -> (String, Option<String>) {
        let noun = class.noun();
        match self {
            Self::Planned(name) => (
                format!("the {noun} `{name}` is not in this version"),
                Some("`phasor components` lists what is".to_owned()),
            ),
            Self::Foreign { instead } => (
                format!("the {noun} `{kind}` is a component of the Collector that Phasor does not have"),
                Some(instead.unwrap_or("`phasor components` lists what there is").to_owned()),
            ),
            Self::Nowhere { nearest: _, other_class: Some(other) } => (
                format!("`{kind}` is no {noun} but one of the {}", other.section()),
                Some(format!("define it under `{}`", other.section())),
            ),
            Self::Nowhere { nearest, other_class: None } => (
                format!("unknown {noun} `{kind}`"),
                Some(match nearest {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => "`phasor components` lists what there is".to_owned(),
                }),
            ),
        }
    }
}

// === impl Section ===

impl Section for receivers::Config {
    const CLASS: Class = Class::Receiver;

    fn deserialize(kind: &str, deserializer: NodeDeserializer<'_>) -> Result<Self, Fault> {
        receivers::deserialize(kind, deserializer).unwrap_or_else(|| Err(typed::not_here(kind)))
    }

    fn check(&self) -> Vec<ConfigError> {
        Self::check(self)
    }

    fn warnings(&self) -> Vec<ConfigError> {
        Self::warnings(self)
    }
}

impl Section for processors::Config {
    const CLASS: Class = Class::Processor;

    fn deserialize(kind: &str, deserializer: NodeDeserializer<'_>) -> Result<Self, Fault> {
        Self::deserialize(kind, deserializer)
    }

    fn check(&self) -> Vec<ConfigError> {
        Self::check(self).err().unwrap_or_default()
    }

    fn warnings(&self) -> Vec<ConfigError> {
        Vec::new()
    }
}

impl Section for connectors::Config {
    const CLASS: Class = Class::Connector;

    fn deserialize(kind: &str, deserializer: NodeDeserializer<'_>) -> Result<Self, Fault> {
        Self::deserialize(kind, deserializer)
    }

    fn check(&self) -> Vec<ConfigError> {
        Self::check(self).err().unwrap_or_default()
    }

    fn warnings(&self) -> Vec<ConfigError> {
        Self::warnings(self)
    }
}

impl Section for exporters::Config {
    const CLASS: Class = Class::Exporter;

    fn deserialize(kind: &str, deserializer: NodeDeserializer<'_>) -> Result<Self, Fault> {
        exporters::deserialize(kind, deserializer)
    }

    fn check(&self) -> Vec<ConfigError> {
        Self::check(self)
    }

    fn warnings(&self) -> Vec<ConfigError> {
        Self::without_effect(self)
    }
}

impl Section for extensions::Config {
    const CLASS: Class = Class::Extension;

    fn deserialize(kind: &str, deserializer: NodeDeserializer<'_>) -> Result<Self, Fault> {
        extensions::deserialize(kind, deserializer)
    }

    fn check(&self) -> Vec<ConfigError> {
        Self::check(self)
    }

    fn warnings(&self) -> Vec<ConfigError> {
        Self::warnings(self)
    }
}
