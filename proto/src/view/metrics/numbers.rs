//! Lists of numbers.

use crate::wire::{Fields, Payload, varint};

/// A list of numbers, packed or not, or some of each.
#[derive(Clone, Debug)]
pub struct Numbers<'a> {
    fields: Fields<'a>,
    number: u32,
    fixed: bool,
    packed: &'a [u8],
}

// === impl Numbers ===

impl<'a> Numbers<'a> {
    pub(super) fn fixed(bytes: &'a [u8], number: u32) -> Self {
        Self { fields: Fields::new(bytes), number, fixed: true, packed: &[] }
    }

    pub(super) fn varints(bytes: &'a [u8], number: u32) -> Self {
        Self { fields: Fields::new(bytes), number, fixed: false, packed: &[] }
    }

    fn next_packed(&mut self) -> Option<u64> {
        if self.fixed {
            let (first, rest) = self.packed.split_first_chunk()?;
            self.packed = rest;
            return Some(u64::from_le_bytes(*first));
        }
        let (value, length) = varint(self.packed)?;
        self.packed = &self.packed[length..];
        Some(value)
    }
}

impl Iterator for Numbers<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            if let Some(value) = self.next_packed() {
                return Some(value);
            }
            let field = self.fields.next()?;
            if field.number != self.number {
                continue;
            }
            match field.payload {
                Payload::Len(packed) => self.packed = packed,
                Payload::Varint(value) | Payload::Fixed64(value) => return Some(value),
                Payload::Fixed32(_) => {}
            }
        }
    }
}
