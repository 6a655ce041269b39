//! From a node of the tree to a component's `Config`, with every fault of it at its place.
//!
//! - **In:** a node, and the function that deserializes the component.
//! - **Out:** the value, or all faults at once. Serde stops at the first fault, so the node that is wrong is
//!   noted, left out, and everything read again, until it passes or nothing is left.
//! - **Guaranteed:** the number of readings is bounded by [`READINGS_MAX`].
//!
//! How YAML meets Rust, as in the OpenTelemetry Collector:
//! - `key:` with nothing behind it is an empty mapping or list where one is wanted, and as good as left out
//!   where a scalar is wanted.
//! - A text field takes a number or a boolean as it was written; a number field takes no text.
//! - A field of the type `IgnoredAny` is a key that is accepted and has no effect here: a warning.

use std::{cell::RefCell, collections::HashSet, fmt};

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, IntoDeserializer, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use super::{
    diagnostic::{Diagnostic, Severity},
    names::nearest,
    path::Found,
    tree::{Entry, Node, NodeId, Value},
};

/// What is wrong with one node.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Nothing until the node in whose reading it was raised has put itself here.
    node: Option<NodeId>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
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

/// Deserializes a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeDeserializer<'t> {
    node: &'t Node,
    reading: &'t Reading,
}

/// What one reading leaves out and notes.
#[derive(Debug, Default)]
struct Reading {
    left_out: HashSet<NodeId>,
    without_effect: RefCell<Vec<NodeId>>,
}

/// Reads `node`, a part of `root`, with `deserialize`. Faults and warnings are added to `found`. Nothing comes
/// out if there is any fault.
pub(crate) fn read<T>(
    root: &Node,
    node: &Node,
    found: &mut Vec<Diagnostic>,
    deserialize: impl Fn(NodeDeserializer<'_>) -> Result<T, Fault>,
) -> Option<T> {
    let before = found.len();
    let value = read_what_is_right(root, node, found, deserialize);
    value.filter(|_| found[before..].iter().all(|one| one.severity == Severity::Warning))
}

/// The same, and what comes out lacks the parts that are at fault.
pub(crate) fn read_what_is_right<T>(
    root: &Node,
    node: &Node,
    found: &mut Vec<Diagnostic>,
    deserialize: impl Fn(NodeDeserializer<'_>) -> Result<T, Fault>,
) -> Option<T> {
    let mut reading = Reading::default();
    for _ in 0..READINGS_MAX {
        reading.without_effect.borrow_mut().clear();
        let fault = match deserialize(NodeDeserializer { node, reading: &reading }) {
            Ok(value) => {
                found.extend(reading.warnings(root));
                return Some(value);
            }
            Err(fault) => fault,
        };
        let id = fault.node.unwrap_or(node.id);
        let place = Found::by_id(root, id)?;
        found.extend(fault.diagnostic(&place, &reading));
        // The whole component is wrong, or a fault comes back although its node is gone.
        if id == node.id || !reading.left_out.insert(id) {
            return None;
        }
    }
    None
}

// === impl Reading ===

impl Reading {
    fn warnings(&self, root: &Node) -> Vec<Diagnostic> {
        let ids = self.without_effect.borrow();
        let keys = ids.iter().filter_map(|id| Found::by_id(root, *id));
        keys.map(|key| key.key_warning("this key is accepted and has no effect here")).collect()
    }
}

// === impl Fault ===

impl Fault {
    fn new(kind: Kind) -> Self {
        Self { node: None, kind }
    }

    /// The innermost node wins.
    fn at(mut self, node: &Node) -> Self {
        self.node.get_or_insert(node.id);
        self
    }

    /// Nothing if the fault only follows from another one, or from a null that counts as left out.
    fn diagnostic(self, place: &Found<'_>, reading: &Reading) -> Option<Diagnostic> {
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
        Self::new(Kind::UnknownWord { word: super::tree::shorten(word), known })
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

// === impl NodeDeserializer ===

impl<'t> NodeDeserializer<'t> {
    fn child(self, node: &'t Node) -> Self {
        Self { node, reading: self.reading }
    }

    /// Not every child: those that were found wrong before are gone.
    fn present<'n, N>(self, children: &'t [N], node: impl Fn(&'t N) -> &'n Node) -> Vec<&'t N> {
        children.iter().filter(|child| !self.reading.left_out.contains(&node(child).id)).collect()
    }

    fn map<V: Visitor<'t>>(
        self,
        entries: &'t [Entry],
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let mut entries = self.present(entries, |entry| &entry.node);
        entries.reverse();
        let mut access = Entries { map: self, entries, current: None, known };
        let result = visitor.visit_map(&mut access);
        // A fault between a key and its value is a fault of the key.
        let node = access.current.map_or(self.node, |entry| &entry.node);
        result.map_err(|fault| match fault.kind {
            Kind::Missing { .. } => fault.at(self.node),
            _ => fault.at(node),
        })
    }

    fn list<V: Visitor<'t>>(self, items: &'t [Node], visitor: V) -> Result<V::Value, Fault> {
        let mut items = self.present(items, |item| item);
        items.reverse();
        visitor.visit_seq(Items { list: self, items }).map_err(|fault| fault.at(self.node))
    }

    fn wrong(self, expected: &dyn de::Expected) -> Fault {
        let found = match self.node.value {
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
            _ => Unexpected::Unit,
        };
        <Fault as de::Error>::invalid_type(found, expected).at(self.node)
    }
}

impl<'t> de::Deserializer<'t> for NodeDeserializer<'t> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Signed(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => return self.list(items, visitor),
            Value::Map(entries) => return self.map(entries, &[], visitor),
        }
        .map_err(|fault: Fault| fault.at(self.node))
    }

    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        match (&self.node.text, &self.node.value) {
            (Some(text), _) | (None, Value::Text(text)) => {
                visitor.visit_borrowed_str(text).map_err(|fault: Fault| fault.at(self.node))
            }
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        // Also for null: `grpc:` is a mapping with nothing in it. See the module's text.
        visitor.visit_some(self).map_err(|fault: Fault| fault.at(self.node))
    }

    fn deserialize_seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::List(items) => self.list(items, visitor),
            Value::Null => self.list(&[], visitor),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'t>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Map(entries) => self.map(entries, fields, visitor),
            Value::Null => self.map(&[], fields, visitor),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let result = match (&self.node.text, &self.node.value) {
            (Some(text), _) | (None, Value::Text(text)) => {
                visitor.visit_enum(de::value::StrDeserializer::<Fault>::new(text))
            }
            (None, Value::Map(entries)) if entries.len() == 1 => {
                let entry = &entries[0];
                if self.reading.left_out.contains(&entry.node.id) {
                    return Err(Fault::new(Kind::Consequence).at(self.node));
                }
                visitor.visit_enum(Variant { map: self, entry })
            }
            _ => return Err(self.wrong(&"a text")),
        };
        result.map_err(|fault| fault.at(self.node))
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self).map_err(|fault: Fault| fault.at(self.node))
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.reading.without_effect.borrow_mut().push(self.node.id);
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        <V: Visitor<'t>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple_struct identifier
    }
}

/// Entries of a mapping, last first.
struct Entries<'t> {
    map: NodeDeserializer<'t>,
    entries: Vec<&'t Entry>,
    current: Option<&'t Entry>,
    /// Empty where any key may stand.
    known: &'static [&'static str],
}

impl<'t> de::MapAccess<'t> for &mut Entries<'t> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'t>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.current = self.entries.pop();
        let Some(entry) = self.current else { return Ok(None) };
        let key: de::value::BorrowedStrDeserializer<'t, Fault> =
            de::value::BorrowedStrDeserializer::new(&entry.key);
        seed.deserialize(key).map(Some).map_err(|fault| fault.at(&entry.node))
    }

    fn next_value_seed<V: DeserializeSeed<'t>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let entry = self.current.expect("serde asks for a value after its key only");
        if !self.known.is_empty() && is_ignored::<V::Value>() && !self.known.contains(&entry.key.as_str()) {
            return Err(Fault::new(Kind::UnknownKey { known: self.known }).at(&entry.node));
        }
        let value = seed.deserialize(self.map.child(&entry.node)).map_err(|fault| fault.at(&entry.node))?;
        self.current = None;
        Ok(value)
    }
}

/// A struct without `deny_unknown_fields` reads unknown keys as this type. They are errors all the same.
fn is_ignored<T>() -> bool {
    std::any::type_name::<T>() == std::any::type_name::<de::IgnoredAny>()
}

struct Items<'t> {
    list: NodeDeserializer<'t>,
    items: Vec<&'t Node>,
}

impl<'t> de::SeqAccess<'t> for Items<'t> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'t>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.pop() else { return Ok(None) };
        seed.deserialize(self.list.child(item)).map(Some).map_err(|fault| fault.at(item))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// An enum written as a mapping of one entry: `{variant: content}`.
struct Variant<'t> {
    map: NodeDeserializer<'t>,
    entry: &'t Entry,
}

impl<'t> de::EnumAccess<'t> for Variant<'t> {
    type Error = Fault;
    type Variant = NodeDeserializer<'t>;

    fn variant_seed<V: DeserializeSeed<'t>>(self, seed: V) -> Result<(V::Value, Self::Variant), Fault> {
        let key: de::value::StrDeserializer<'_, Fault> = self.entry.key.as_str().into_deserializer();
        let variant = seed.deserialize(key).map_err(|fault| fault.at(&self.entry.node))?;
        Ok((variant, self.map.child(&self.entry.node)))
    }
}

impl<'t> de::VariantAccess<'t> for NodeDeserializer<'t> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        <()>::deserialize(self)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'t>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'t>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_seq(self, visitor)
    }

    fn struct_variant<V: Visitor<'t>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_struct(self, "", fields, visitor)
    }
}

/// Each fault takes one reading, and so does each null where a scalar is wanted.
const READINGS_MAX: usize = 200;

#[cfg(test)]
mod tests;
