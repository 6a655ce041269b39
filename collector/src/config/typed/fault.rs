//! What may be wrong with a node, in the words of somebody who writes YAML.

use std::fmt;

use serde::de::{self, Unexpected};

use super::Reading;
use crate::config::{
    diagnostic::Diagnostic,
    names::nearest,
    path::Found,
    tree::{Node, NodeId, Value, shorten},
};

/// What is wrong with one node.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Nothing until the node in whose reading it was raised has put itself here.
    node: Option<NodeId>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// The node is of the wrong kind, or its value cannot be.
    Wrong {
        found: Option<String>,
        expected: String,
    },
    UnknownKey {
        known: &'static [&'static str],
    },
    UnknownWord {
        word: String,
        known: &'static [&'static str],
    },
    Missing {
        key: &'static str,
    },
    Twice {
        key: &'static str,
    },
    Other(String),
    /// Only follows from a fault that was noted before.
    Consequence,
}

// === impl Fault ===

impl Fault {
    pub(super) fn new(kind: Kind) -> Self {
        Self { node: None, kind }
    }

    /// Where it is, once that is known.
    pub(super) fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// The innermost node wins.
    pub(super) fn at(mut self, node: &Node) -> Self {
        self.node.get_or_insert(node.id);
        self
    }

    /// Nothing if the fault only follows from another one, or from a null that counts as left out.
    pub(super) fn diagnostic(self, place: &Found<'_>, reading: &Reading) -> Option<Diagnostic> {
        if let Kind::Missing { key } = self.kind {
            // It is there and wrong, or there under a misspelt name.
            let gone = place.node.entries().iter().any(|entry| {
                reading.left_out.contains(&entry.node.id)
                    && !matches!(entry.node.value, Value::Null)
                    && nearest(&entry.key, [key]).is_some()
            });
            return (!gone).then(|| place.key_error(format!("the key `{key}` is missing here")));
        }
        if let Kind::UnknownKey { known } = self.kind {
            let key = place.path.rsplit_once('.').map_or(place.path.as_str(), |(_, key)| key);
            let error = place.key_error(format!("unknown key `{key}`"));
            return Some(match (nearest(key, known.iter().copied()), known) {
                (Some(name), _) => error.with_help(format!("did you mean `{name}`?")),
                (None, []) => error,
                (None, _) => error.with_help(format!("known here: {}", list(known))),
            });
        }
        if matches!(place.node.value, Value::Null) {
            return None;
        }
        Some(match self.kind {
            Kind::Wrong { found, expected } => {
                let found = found.unwrap_or_else(|| place.node.describe());
                place.error(format!("expected {expected}, found {found}"))
            }
            Kind::UnknownWord { word, known } => {
                let error = place.error(format!("`{word}` is none of {}", list(known)));
                match nearest(&word, known.iter().copied()) {
                    Some(name) => error.with_help(format!("did you mean `{name}`?")),
                    None => error,
                }
            }
            Kind::Twice { key } => place.error(format!("`{key}` is given twice, once under another name")),
            Kind::Other(message) => place.error(message),
            Kind::UnknownKey { .. } | Kind::Missing { .. } | Kind::Consequence => return None,
        })
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Kind::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        // The node can say best what it is, unless a text stands for a part of it.
        let found = match found {
            Unexpected::Other(what) => Some(what.to_owned()),
            _ => None,
        };
        Self::new(Kind::Wrong { found, expected: plain_words(&expected.to_string()) })
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(Kind::Wrong { found: None, expected: plain_words(&expected.to_string()) })
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        let found = Some(format!("{length} entries"));
        Self::new(Kind::Wrong { found, expected: plain_words(&expected.to_string()) })
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownWord { word: shorten(word), known })
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownKey { known })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(Kind::Missing { key })
    }

    fn duplicate_field(key: &'static str) -> Self {
        Self::new(Kind::Twice { key })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

impl std::error::Error for Fault {}

/// The list of components and a class disagree about a kind; a test rules that out.
pub(crate) fn not_here(kind: &str) -> Fault {
    de::Error::custom(format!("`{kind}` is not in this version"))
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Serde's names of types in the words of somebody who writes YAML.
fn plain_words(expected: &str) -> String {
    match expected {
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        "path string" => "a path".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number from 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "a nonzero u64" | "a nonzero usize" | "a nonzero u32" | "a nonzero u16" => {
            "a whole number from 1".to_owned()
        }
        _ if expected.starts_with("struct ") => "a mapping".to_owned(),
        _ if expected.starts_with("enum ") => "a text".to_owned(),
        _ => expected.to_owned(),
    }
}
