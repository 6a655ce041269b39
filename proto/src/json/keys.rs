//! The names of OTLP's fields in JSON, made from the table at compile time.

use crate::schema::{Field, Message};

/// The fields of a message as JSON sees them.
pub(super) struct Keys {
    /// In the order of [`Message::fields`].
    keys: [Key; FIELDS_MAX],
    count: usize,
    /// One more than the place of the field with this number; 0 if there is none.
    places: [u8; NUMBERS],
}

/// `"lowerCamelCase":`.
#[derive(Clone, Copy)]
struct Key {
    quoted: [u8; KEY_BYTES_MAX],
    length: usize,
}

// === impl Keys ===

impl Keys {
    /// Of this message.
    pub(super) fn of(message: Message) -> &'static Self {
        &KEYS[message as usize]
    }

    /// The place of the field with this name among the message's fields. Senders write fields in the
    /// table's order, so it is looked for from `expected` on.
    #[inline]
    pub(super) fn place(&self, name: &[u8], expected: usize) -> Option<usize> {
        (expected..self.count).chain(0..expected.min(self.count)).find(|place| self.name(*place) == name)
    }

    /// The place of the field with this number.
    #[inline]
    pub(super) fn place_of_number(&self, number: u32) -> Option<usize> {
        self.places.get(number as usize).and_then(|place| usize::from(*place).checked_sub(1))
    }

    /// The field's name.
    #[inline]
    pub(super) fn name(&self, place: usize) -> &[u8] {
        let key = &self.keys[place];
        &key.quoted[1..key.length - 2]
    }

    /// The field's name in quotes, and a colon.
    #[inline]
    pub(super) fn quoted(&self, place: usize) -> &[u8] {
        let key = &self.keys[place];
        &key.quoted[..key.length]
    }

    const fn new(fields: &[Field]) -> Self {
        let mut keys = Self {
            keys: [Key { quoted: [0; KEY_BYTES_MAX], length: 0 }; FIELDS_MAX],
            count: fields.len(),
            places: [0; NUMBERS],
        };
        let mut place = 0;
        while place < fields.len() {
            keys.keys[place] = Key::new(fields[place].name.as_bytes());
            keys.places[fields[place].number as usize] = place as u8 + 1;
            place += 1;
        }
        keys
    }
}

// === impl Key ===

impl Key {
    /// proto3's JSON mapping: an underscore goes, the letter after it becomes a capital.
    const fn new(name: &[u8]) -> Self {
        let mut key = Self { quoted: [0; KEY_BYTES_MAX], length: 1 };
        key.quoted[0] = b'"';
        let mut at = 0;
        while at < name.len() {
            let capital = name[at] == b'_';
            if capital {
                at += 1;
            }
            key.quoted[key.length] = if capital { name[at].to_ascii_uppercase() } else { name[at] };
            key.length += 1;
            at += 1;
        }
        key.quoted[key.length] = b'"';
        key.quoted[key.length + 1] = b':';
        key.length += 2;
        key
    }
}

/// Room for `"droppedAttributesCount":`; a longer name would not compile.
const KEY_BYTES_MAX: usize = 32;
/// A span has so many.
const FIELDS_MAX: usize = 16;
/// Field numbers are below this.
const NUMBERS: usize = 32;

static KEYS: [Keys; Message::ALL.len()] = {
    let mut all = [const { Keys::new(&[]) }; Message::ALL.len()];
    let mut index = 0;
    while index < all.len() {
        all[index] = Keys::new(Message::ALL[index].fields());
        index += 1;
    }
    all
};
