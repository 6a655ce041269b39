//! A configuration file as a tree in which every node knows its place.
//!
//! - **In:** the text of a file.
//! - **Out:** [`Node`]s with line and column, aliases and merge keys resolved; later files merged over
//!   earlier ones.
//! - **Guaranteed:** bounded: text, depth, number of nodes and what aliases may replay each have a limit,
//!   and breaking one is an error with a place. A key written twice is an error.
//! - **Not here:** references to the environment (`env.rs`) and what the keys mean (`sections.rs`).

mod document;

use std::sync::Arc;

pub(crate) use self::document::TEXT_BYTES_MAX;
use super::diagnostic::{Diagnostic, Place, Severity};

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Document {
    /// As the user gave it.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A place in a [`Document`].
#[derive(Clone, Debug)]
pub(crate) struct At {
    document: Arc<Document>,
    line: u32,
    column: u32,
    length: u32,
}

/// Tells the nodes of one tree apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Unique after [`Node::number`].
    pub(crate) id: NodeId,
    pub(crate) at: At,
    pub(crate) value: Value,
    /// What a text field gets: a number as it was written, the whole value of a reference.
    pub(crate) text: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// Negative.
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: At,
    pub(crate) node: Node,
}

// === impl At ===

impl At {
    pub(crate) fn error(&self, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Error, message)
    }

    pub(crate) fn warning(&self, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Warning, message)
    }

    fn diagnostic(&self, severity: Severity, message: impl Into<String>) -> Diagnostic {
        let place = Place {
            file: self.document.name.clone(),
            line: self.line,
            column: self.column,
            length: self.length,
            excerpt: self.document.line(self.line).to_owned(),
        };
        Diagnostic {
            severity,
            message: message.into(),
            place: Some(Box::new(place)),
            path: String::new(),
            help: None,
        }
    }
}

// === impl Node ===

impl Node {
    /// An empty mapping, for what a file leaves out.
    pub(crate) fn empty(at: At) -> Self {
        Self { id: NodeId::default(), at, value: Value::Map(Vec::new()), text: None }
    }

    /// Reads the value of a variable as the Collector does: as YAML, or as plain text if it is none. A text
    /// field gets it unread.
    pub(crate) fn from_reference(value: String, at: &At) -> Self {
        let document = Arc::new(Document { name: String::new(), text: value });
        let mut node = document
            .value()
            .unwrap_or_else(|| Self { value: Value::Text(document.text.clone()), ..Self::empty(at.clone()) });
        node.move_to(at);
        if !matches!(node.value, Value::Null) {
            node.text = Some(document.text.clone());
        }
        node
    }

    fn move_to(&mut self, at: &At) {
        self.at = at.clone();
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.move_to(at)),
            Value::Map(entries) => entries.iter_mut().for_each(|entry| {
                entry.key_at = at.clone();
                entry.node.move_to(at);
            }),
            _ => {}
        }
    }

    /// Puts a later file over this one, as the Collector merges: mappings key by key, everything else, lists
    /// too, is replaced.
    pub(crate) fn merge(&mut self, over: Self) {
        match (&mut self.value, over.value) {
            (Value::Map(entries), Value::Map(news)) => {
                for new in news {
                    match entries.iter_mut().find(|entry| entry.key == new.key) {
                        Some(Entry { node: old @ Self { value: Value::Map(_), .. }, .. })
                            if matches!(new.node.value, Value::Map(_)) =>
                        {
                            old.merge(new.node);
                        }
                        Some(entry) => *entry = new,
                        None => entries.push(new),
                    }
                }
            }
            (Value::Map(_), Value::Null) => {}
            (old, value) => {
                *old = value;
                self.at = over.at;
                self.text = over.text;
            }
        }
    }

    /// Makes mappings of keys that are paths: with `::`, `processors::batch: {timeout: 2s}` is what
    /// `processors: {batch: {timeout: 2s}}` is.
    pub(crate) fn unfold_keys(&mut self, separator: &str) {
        let Value::Map(entries) = &mut self.value else { return };
        let mut unfolded = Self::empty(self.at.clone());
        for mut entry in std::mem::take(entries) {
            while let Some((outer, inner)) = entry.key.rsplit_once(separator) {
                let (outer, key) = (outer.to_owned(), inner.to_owned());
                let node = Self::of(entry.key_at.clone(), Entry { key, ..entry });
                entry = Entry { key: outer, key_at: node.at.clone(), node };
            }
            unfolded.merge(Self::of(entry.key_at.clone(), entry));
        }
        self.value = unfolded.value;
    }

    /// A mapping with one entry.
    fn of(at: At, entry: Entry) -> Self {
        Self { value: Value::Map(vec![entry]), ..Self::empty(at) }
    }

    /// Gives every node its own id.
    pub(crate) fn number(&mut self) {
        let mut next = 0;
        self.number_from(&mut next);
    }

    fn number_from(&mut self, next: &mut u32) {
        self.id = NodeId(*next);
        *next += 1;
        for child in self.children_mut() {
            child.number_from(next);
        }
    }

    /// The nodes directly below.
    pub(crate) fn children_mut(&mut self) -> Vec<&mut Self> {
        match &mut self.value {
            Value::List(items) => items.iter_mut().collect(),
            Value::Map(entries) => entries.iter_mut().map(|entry| &mut entry.node).collect(),
            _ => Vec::new(),
        }
    }

    /// The entries of a mapping; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// What it is, in the words of an error message.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("`{value}`"),
            Value::Unsigned(_) | Value::Signed(_) | Value::Float(_) => {
                format!("the number {}", self.text.as_deref().unwrap_or("?"))
            }
            Value::Text(text) => format!("the text `{}`", shorten(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// Enough of a text to recognise it.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Text of a value in a message.
const TEXT_CHARS_SHOWN: usize = 60;
