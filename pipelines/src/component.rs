//! Names of components and pipelines, as the YAML writes them: `type` or `type/name`.

use std::fmt;

use proto::SignalKind;

/// A component: its canonical type, and the name that tells it from others of that type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId {
    /// Canonical type, such as `otlp_grpc`. Aliases are resolved before an id is made.
    pub kind: String,
    /// What follows the slash, or nothing.
    pub name: Option<String>,
}

/// A pipeline: its signal, and the name that tells it from others of that signal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PipelineId {
    /// What flows through it.
    pub signal: SignalKind,
    /// What follows the slash, or nothing.
    pub name: Option<String>,
}

// === impl ComponentId ===

impl ComponentId {
    /// An id without a name.
    pub fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), name: None }
    }

    /// An id with a name.
    pub fn named(kind: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), name: Some(name.to_owned()) }
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

// === impl PipelineId ===

impl PipelineId {
    /// A pipeline without a name.
    pub fn new(signal: SignalKind) -> Self {
        Self { signal, name: None }
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.signal),
            None => write!(f, "{}", self.signal),
        }
    }
}
