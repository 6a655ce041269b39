//! Naming the label that made a group of series overflow.

use std::collections::HashSet;

use crate::connectors::key::Parts;

/// The name of the part that takes the most distinct values over the keys, with their number. `names` are the
/// names of the parts, in order.
pub(crate) fn guilty<'n, 'k>(
    names: impl IntoIterator<Item = &'n str>,
    keys: impl IntoIterator<Item = &'k [u8]>,
) -> Option<(&'n str, usize)> {
    let names: Vec<&str> = names.into_iter().collect();
    let mut values: Vec<HashSet<String>> = vec![HashSet::new(); names.len()];
    for key in keys {
        for (part, values) in Parts(key).zip(&mut values) {
            values.insert(part.to_text());
        }
    }
    names.into_iter().zip(values).map(|(name, values)| (name, values.len())).max_by_key(|(_, values)| *values)
}
