//! References to the environment in the scalars of a tree: `${env:NAME}`, `${env:NAME:-default}`.
//!
//! As the OpenTelemetry Collector does it (*Configuration, Environment variables*):
//! - `${NAME}` is `${env:NAME}`; `$$` is a dollar sign; keys are left alone.
//! - A scalar that is one reference takes the type of the value: `8` is a number, `[a, b]` a list. A text
//!   field gets the value unread. Anywhere inside a text the value is pasted in.
//! - The default counts when the variable is not set. Set to nothing is set. Without a default an unset
//!   variable is empty, with a warning.
//! - References nest: `${env:A:-${env:B}}`.
//!
//! Differently from it: references in the *value* of a variable are not followed, so a password may hold
//! a `$`; `$NAME` without braces stays as it is, with a warning; an open brace is an error.
//!
//! Expanding in the tree and not in the text keeps positions right and lets no variable inject a key.

use super::{
    diagnostic::Diagnostic,
    tree::{At, Node, Value},
};

/// Looks a variable up.
pub(crate) type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// Expands every scalar of a tree.
pub(crate) fn expand(node: &mut Node, environment: &Environment<'_>) -> Vec<Diagnostic> {
    let mut expansion = Expansion { environment, found: Vec::new() };
    expansion.node(node, "");
    expansion.found
}

struct Expansion<'e> {
    environment: &'e Environment<'e>,
    found: Vec<Diagnostic>,
}

/// What a text is made of.
enum Piece<'t> {
    Plain(&'t str),
    Dollar,
    /// `$NAME`, which looks like a reference and is none.
    Bare(&'t str),
    /// What stands between `${` and `}`.
    Reference(&'t str),
    /// `${` without its end.
    Open,
}

// === impl Expansion ===

impl Expansion<'_> {
    fn node(&mut self, node: &mut Node, path: &str) {
        match &mut node.value {
            Value::Text(text) if text.contains('$') => {
                let text = std::mem::take(text);
                let at = node.at.clone();
                *node = self.scalar(&text, &at, path);
            }
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.node(item, &format!("{path}[{index}]"));
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.node(&mut entry.node, &super::path::join(path, &entry.key));
                }
            }
            _ => {}
        }
    }

    fn scalar(&mut self, text: &str, at: &At, path: &str) -> Node {
        let pieces = pieces(text);
        if let [Piece::Reference(reference)] = pieces.as_slice() {
            let value = self.reference(reference, at, path, 0);
            return Node::from_reference(value.unwrap_or_default(), at);
        }
        let mut expanded = String::with_capacity(text.len());
        for piece in &pieces {
            self.piece(piece, at, path, 0, &mut expanded);
        }
        Node { value: Value::Text(expanded), at: at.clone(), ..Node::empty(at.clone()) }
    }

    fn piece(&mut self, piece: &Piece<'_>, at: &At, path: &str, depth: usize, out: &mut String) {
        match piece {
            Piece::Plain(text) => out.push_str(text),
            Piece::Dollar => out.push('$'),
            Piece::Reference(reference) => {
                out.push_str(&self.reference(reference, at, path, depth).unwrap_or_default());
            }
            Piece::Bare(name) => {
                let message = format!("`${name}` is not a reference and stays as it is written");
                let help = format!("write `${{env:{name}}}` for the variable, `$${name}` for the text");
                self.note(at.warning(message).with_help(help), path);
                out.push('$');
                out.push_str(name);
            }
            Piece::Open => {
                let error = at.error("a reference begins with `${` and does not end");
                self.note(error.with_help("close it with `}`, or write `$${` for the text"), path);
            }
        }
    }

    /// The value of a reference; nothing if it is unset or a fault, which is noted.
    fn reference(&mut self, inner: &str, at: &At, path: &str, depth: usize) -> Option<String> {
        let nested;
        let mut inner = inner;
        if inner.contains("${") {
            if depth == DEPTH_MAX {
                self.note(at.error(format!("references nest deeper than {DEPTH_MAX}")), path);
                return None;
            }
            let mut expanded = String::new();
            for piece in &pieces(inner) {
                self.piece(piece, at, path, depth + 1, &mut expanded);
            }
            nested = expanded;
            inner = &nested;
        }
        let (name, default) = match self::name(inner) {
            Ok(found) => found,
            Err(message) => {
                let help = "write `${env:NAME}` or `${env:NAME:-default}`, and `$$` for a dollar sign";
                self.note(at.error(message).with_help(help), path);
                return None;
            }
        };
        let value = (self.environment)(name).or_else(|| default.map(str::to_owned));
        if value.is_none() {
            let message = format!("the environment variable `{name}` is not set, so this is empty");
            let help = format!("set it, or write a default: `${{env:{name}:-...}}`");
            self.note(at.warning(message).with_help(help), path);
        }
        value
    }

    fn note(&mut self, mut diagnostic: Diagnostic, path: &str) {
        path.clone_into(&mut diagnostic.path);
        self.found.push(diagnostic);
    }
}

/// Name and default of `env:NAME`, `NAME`, `env:NAME:-default`.
fn name(reference: &str) -> Result<(&str, Option<&str>), String> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let name = match name.split_once(':') {
        Some(("env", name)) => name,
        Some((scheme, _)) => return Err(format!("references of the scheme `{scheme}` are not supported")),
        None => name,
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!("`{name}` is not the name of an environment variable"));
    }
    Ok((name, default))
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        if dollar > 0 {
            pieces.push(Piece::Plain(&rest[..dollar]));
        }
        let after = &rest[dollar + 1..];
        if let Some(after) = after.strip_prefix('$') {
            pieces.push(Piece::Dollar);
            rest = after;
        } else if let Some(inner) = after.strip_prefix('{') {
            let Some(end) = closing_brace(inner) else {
                pieces.push(Piece::Open);
                return pieces;
            };
            pieces.push(Piece::Reference(&inner[..end]));
            rest = &inner[end + 1..];
        } else {
            let looks_like_a_name = after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
            let end = if looks_like_a_name { end } else { 0 };
            pieces.push(if looks_like_a_name { Piece::Bare(&after[..end]) } else { Piece::Dollar });
            rest = &after[end..];
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Plain(rest));
    }
    pieces
}

/// Where the brace of a reference closes. Only references nest; a lone `{` does not count.
fn closing_brace(inner: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut before = '\0';
    for (at, c) in inner.char_indices() {
        match c {
            '{' if before == '$' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

const DEPTH_MAX: usize = 8;

#[cfg(test)]
mod tests;
