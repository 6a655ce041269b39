//! A few attributes picked out of many in one walk.

use proto::view::{Attributes, Value};

/// Names of attributes, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    names: Vec<Box<str>>,
}

/// What was found, in the order of the names. Lives on the stack: looking allocates nothing.
pub(crate) type Found<'a> = [Option<Value<'a>>; WANTED_MAX];

// === impl Wanted ===

impl Wanted {
    /// The place of a name, which it is given if it has none. Callers keep the number of names below
    /// [`WANTED_MAX`] by checking the configuration.
    pub(crate) fn place(&mut self, name: &str) -> usize {
        self.names.iter().position(|known| **known == *name).unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        })
    }

    /// The name at a place.
    pub(crate) fn name(&self, place: usize) -> &str {
        &self.names[place]
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Puts the first value of each wanted attribute where nothing has been found yet.
    #[inline]
    pub(crate) fn find<'a>(&self, attributes: Attributes<'a>, found: &mut Found<'a>) {
        let mut missing = found.iter().take(self.names.len()).filter(|value| value.is_none()).count();
        if missing == 0 {
            return;
        }
        for (key, value) in attributes.unread() {
            for (name, found) in self.names.iter().zip(found.iter_mut()) {
                if found.is_none() && name.as_bytes() == key {
                    *found = Some(value.read());
                    missing -= 1;
                }
            }
            if missing == 0 {
                return;
            }
        }
    }
}

/// How many attributes one walk may look for.
pub(crate) const WANTED_MAX: usize = 32;

/// Nothing found yet.
pub(crate) const NOTHING: Found<'static> = [None; WANTED_MAX];
