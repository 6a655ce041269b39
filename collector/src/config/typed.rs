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
//! - A duration that is a number without a unit counts nanoseconds: a warning, since seconds are meant as a rule.

mod fault;
mod node;

use std::{cell::RefCell, collections::HashSet};

pub(crate) use self::fault::{Fault, not_here};
use super::{
    diagnostic::{Diagnostic, Severity},
    path::Found,
    tree::{Node, NodeId},
};

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
    /// Durations that are bare numbers.
    without_unit: RefCell<Vec<(NodeId, u64)>>,
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
        reading.without_unit.borrow_mut().clear();
        let fault = match deserialize(NodeDeserializer { node, reading: &reading }) {
            Ok(value) => {
                found.extend(reading.warnings(root));
                return Some(value);
            }
            Err(fault) => fault,
        };
        let id = fault.node().unwrap_or(node.id);
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
        let keys = keys.map(|key| key.key_warning("this key is accepted and has no effect here"));
        let ids = self.without_unit.borrow();
        let bare = ids.iter().filter_map(|(id, number)| {
            let warning = format!("a duration without a unit counts nanoseconds: this is {number}ns");
            let help = format!("write `{number}s` if seconds are meant");
            Some(Found::by_id(root, *id)?.warning(warning).with_help(help))
        });
        keys.chain(bare).collect()
    }
}

/// Each fault takes one reading, and so does each null where a scalar is wanted.
const READINGS_MAX: usize = 200;

#[cfg(test)]
mod tests;
