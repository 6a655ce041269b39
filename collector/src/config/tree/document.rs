//! From the text of a file to a tree, by way of `serde-saphyr`.
//!
//! **Guaranteed:** text, depth, number of nodes and what aliases may replay are bounded by the constants at the
//! end of this file.

use std::{fmt, sync::Arc};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, NonFiniteFloatPolicy, Options, Spanned};

use super::{At, Document, Entry, Node, NodeId, Value};
use crate::config::diagnostic::Diagnostic;

/// A node as the parser gives it, without its text.
#[derive(Debug)]
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

// === impl Document ===

impl Document {
    /// Reads the text.
    ///
    /// # Errors
    /// It is not YAML, or breaks a limit; the second list holds what can be reported beside a tree, that
    /// is: the first key written twice.
    pub(crate) fn read(self: &Arc<Self>) -> Result<(Node, Vec<Diagnostic>), Diagnostic> {
        if self.text.len() > TEXT_BYTES_MAX {
            let message = format!("the configuration is larger than {} KiB", TEXT_BYTES_MAX >> 10);
            return Err(self.start().error(message));
        }
        let mut faults = Vec::new();
        let raw = match parse(&self.text, DuplicateKeyPolicy::Error) {
            Ok(raw) => raw,
            Err(error) => {
                let fault = self.syntax_error(&error);
                if !matches!(innermost(&error), serde_saphyr::Error::DuplicateMappingKey { .. }) {
                    return Err(fault);
                }
                // One key too many does not hide the other faults of the file.
                faults.push(fault);
                match parse(&self.text, DuplicateKeyPolicy::FirstWins) {
                    Ok(raw) => raw,
                    Err(error) => return Err(self.syntax_error(&error)),
                }
            }
        };
        Ok((self.node(raw), faults))
    }

    /// The tree of a text that need not be YAML, such as the value of a variable.
    pub(super) fn value(self: &Arc<Self>) -> Option<Node> {
        parse(&self.text, DuplicateKeyPolicy::Error).ok().map(|raw| self.node(raw))
    }

    /// The first character.
    pub(crate) fn start(self: &Arc<Self>) -> At {
        At { document: Arc::clone(self), line: 1, column: 1, length: 1 }
    }

    /// A place of which only the beginning is known.
    pub(crate) fn place(self: &Arc<Self>, line: u32, column: u32) -> At {
        At { document: Arc::clone(self), line: line.max(1), column: column.max(1), length: 1 }
    }

    fn node(self: &Arc<Self>, raw: Spanned<Raw>) -> Node {
        let at = self.at(raw.referenced, raw.defined);
        let mut text = None;
        let value = match raw.value {
            Raw::Scalar(value) => {
                let written = self.written(raw.defined);
                // `0123` is octal to some readers and decimal to others.
                let doubtful = written.len() > 1
                    && written.starts_with('0')
                    && written.bytes().all(|byte| byte.is_ascii_digit());
                match value {
                    Value::Float(_) if doubtful => Value::Text(written.to_owned()),
                    Value::Bool(_) | Value::Unsigned(_) | Value::Signed(_) | Value::Float(_) => {
                        text = Some(written.to_owned());
                        value
                    }
                    other => other,
                }
            }
            Raw::List(items) => Value::List(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| Entry {
                        key_at: self.at(key.referenced, key.defined),
                        key: key.value,
                        node: self.node(value),
                    })
                    .collect(),
            ),
        };
        Node { id: NodeId::default(), at, value, text }
    }

    /// The text of a scalar as the file has it.
    fn written(&self, location: Location) -> &str {
        let span = location.span();
        let range = span.byte_offset().zip(span.byte_len()).map(|(start, length)| {
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            start..start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX))
        });
        range.and_then(|range| self.text.get(range)).unwrap_or_default()
    }

    fn at(self: &Arc<Self>, referenced: Location, defined: Location) -> At {
        let length = if referenced == defined {
            self.written(defined).lines().next().map_or(1, |line| line.chars().count())
        } else {
            1
        };
        At {
            document: Arc::clone(self),
            line: u32::try_from(referenced.line()).unwrap_or(u32::MAX).max(1),
            column: u32::try_from(referenced.column()).unwrap_or(u32::MAX).max(1),
            length: u32::try_from(length).unwrap_or(u32::MAX).max(1),
        }
    }

    fn syntax_error(self: &Arc<Self>, error: &serde_saphyr::Error) -> Diagnostic {
        use serde_saphyr::Error;
        let error = innermost(error);
        let at =
            error.location().filter(|at| at.line() > 0).map_or_else(|| self.start(), |at| self.at(at, at));
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or(&text);
        match error {
            Error::DuplicateMappingKey { key, .. } => {
                let key = key.as_deref().unwrap_or("?");
                at.error(format!("the key `{key}` is written twice in one mapping"))
                    .with_help("remove one of the two")
            }
            Error::MultipleDocuments { .. } => at
                .error("a second YAML document begins here, one file holds one configuration")
                .with_help("give further files with further `--config` options"),
            Error::NullIntoString { .. } | Error::Unexpected { .. } => at.error("a key must be plain text"),
            Error::RecursiveReferencesRequireWeakTypes { .. } => {
                at.error("an alias stands inside its own anchor")
            }
            Error::Budget { breach, .. } => at.error(format!("the configuration is too large: {breach:?}")),
            Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. } => at.error("aliases repeat too much"),
            _ => {
                let line = self.line(at.line);
                let diagnostic = at.error(format!("this is not YAML: {message}"));
                match () {
                    () if line.contains("${") => diagnostic.with_help(
                        "put a reference in quotes, \"${env:NAME}\", where it stands inside [ ] or { } or has `: ` in its default",
                    ),
                    () if message.starts_with("tabs") => diagnostic.with_help("indent with spaces"),
                    () => diagnostic,
                }
            }
        }
    }

    pub(super) fn line(&self, line: u32) -> &str {
        self.text.lines().nth(line as usize - 1).unwrap_or_default()
    }
}

/// The fault itself, without where its alias stands.
fn innermost(mut error: &serde_saphyr::Error) -> &serde_saphyr::Error {
    while let serde_saphyr::Error::AliasError { error: inner, .. }
    | serde_saphyr::Error::WithSnippet { error: inner, .. } = error
    {
        error = inner;
    }
    error
}

fn parse(text: &str, duplicate_keys: DuplicateKeyPolicy) -> Result<Spanned<Raw>, serde_saphyr::Error> {
    serde_saphyr::from_str_with_options(text, options(duplicate_keys))
}

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_saphyr::options! {
        // As the Go Collector: `yes` and `on` are text.
        strict_booleans: true,
        duplicate_keys: duplicate_keys,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_anchors: ALIASES_MAX,
            max_aliases: ALIASES_MAX,
            max_documents: 2,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: NODES_MAX },
    }
}

// === impl Raw ===

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Unsigned(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(u64::try_from(value).map_or(Value::Signed(value), Value::Unsigned)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

/// A configuration is written by people; the largest seen in public are below 100 KiB.
pub(crate) const TEXT_BYTES_MAX: usize = 1 << 20;
/// Deeper than any documented key by far, and shallow enough for the stack of a thread.
const DEPTH_MAX: usize = 32;
/// Mappings, lists and scalars, those that aliases repeat included.
const NODES_MAX: usize = 50_000;
const ALIASES_MAX: usize = 1_000;
