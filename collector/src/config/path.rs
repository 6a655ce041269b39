//! Paths such as `service.pipelines.traces.receivers[1]`, and the nodes they lead to.

use super::{
    diagnostic::Diagnostic,
    names::Class,
    tree::{At, Node, NodeId, Value},
};

/// Where a path leads, or as far as it leads.
#[derive(Debug)]
pub(crate) struct Found<'t> {
    pub(crate) node: &'t Node,
    /// The key of the entry that holds the node; the node itself in a list.
    pub(crate) key_at: At,
    /// As the user wrote it, with what could not be found in the tree at the end.
    pub(crate) path: String,
    /// Whether the whole path is in the tree.
    pub(crate) complete: bool,
}

/// A path one key longer.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

// === impl Found ===

impl<'t> Found<'t> {
    /// Follows a path from the root. Names of components match under each of their names, since paths
    /// that come from checks hold the canonical one.
    pub(crate) fn follow(root: &'t Node, path: &str) -> Self {
        let mut found = Self { node: root, key_at: root.at.clone(), path: String::new(), complete: false };
        let mut rest = path;
        while let Some((next, key_at, written, left)) = step(found.node, &found.path, rest) {
            found = Self { node: next, key_at, path: written, complete: false };
            rest = left;
        }
        found.complete = rest.is_empty();
        if !found.complete {
            let separator = if found.path.is_empty() || rest.starts_with('[') { "" } else { "." };
            found.path = format!("{}{separator}{}", found.path, rest.trim_start_matches('.'));
        }
        found
    }

    /// Finds a node by its id.
    pub(crate) fn by_id(root: &'t Node, id: NodeId) -> Option<Self> {
        fn search<'t>(node: &'t Node, key_at: &At, path: &str, id: NodeId) -> Option<Found<'t>> {
            if node.id == id {
                let (key_at, path) = (key_at.clone(), path.to_owned());
                return Some(Found { node, key_at, path, complete: true });
            }
            match &node.value {
                Value::Map(entries) => entries
                    .iter()
                    .find_map(|entry| search(&entry.node, &entry.key_at, &join(path, &entry.key), id)),
                Value::List(items) => items
                    .iter()
                    .enumerate()
                    .find_map(|(index, item)| search(item, &item.at, &format!("{path}[{index}]"), id)),
                _ => None,
            }
        }
        search(root, &root.at, "", id)
    }

    /// The value if it is a scalar of its own, else the key: nobody wants to see the first line of a mapping
    /// marked when the mapping lacks something.
    pub(crate) fn place(&self) -> &At {
        match self.node.value {
            Value::List(_) | Value::Map(_) | Value::Null => &self.key_at,
            _ if !self.complete => &self.key_at,
            _ => &self.node.at,
        }
    }

    /// An error here.
    pub(crate) fn error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic { path: self.path.clone(), ..self.place().error(message) }
    }

    /// A warning here.
    pub(crate) fn warning(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic { path: self.path.clone(), ..self.place().warning(message) }
    }

    /// An error about the key.
    pub(crate) fn key_error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic { path: self.path.clone(), ..self.key_at.error(message) }
    }

    /// A warning about the key.
    pub(crate) fn key_warning(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic { path: self.path.clone(), ..self.key_at.warning(message) }
    }
}

/// One step along a path: the node, its key, the path so far as written, what is left.
fn step<'t, 'p>(node: &'t Node, written: &str, rest: &'p str) -> Option<(&'t Node, At, String, &'p str)> {
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    if let Some(index) = rest.strip_prefix('[') {
        let (index, left) = index.split_once(']')?;
        let item = node.items().get(index.parse::<usize>().ok()?)?;
        return Some((item, item.at.clone(), format!("{written}[{index}]"), left));
    }
    let class = Class::of_section(written);
    let matched = node.entries().iter().filter_map(|entry| {
        let canonical = class.map(|class| class.canonical(&entry.key));
        let names = [Some(entry.key.as_str()), canonical.as_deref()];
        let lengths = names.into_iter().flatten().filter(|name| starts_with_key(rest, name)).map(str::len);
        lengths.max().map(|length| (length, entry))
    });
    // Keys may hold dots: the longest that fits is meant.
    let (length, entry) = matched.max_by_key(|(length, _)| *length)?;
    Some((&entry.node, entry.key_at.clone(), join(written, &entry.key), &rest[length..]))
}

/// Whether a path leads to `key`, or to what is below it.
pub(crate) fn starts_with_key(path: &str, key: &str) -> bool {
    path.strip_prefix(key).is_some_and(|left| left.is_empty() || left.starts_with(['.', '[']))
}
