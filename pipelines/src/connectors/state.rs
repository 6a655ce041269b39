//! The form of a saved state: little-endian varints and length-prefixed bytes.
//!
//! - **Guaranteed:** [`Reader`] never panics and never reserves memory for a count it has not seen the bytes
//!   of; anything that does not fit is a [`RestoreError`].

use crate::consumer::RestoreError;

/// Appends to a saved state.
#[derive(Debug)]
pub(crate) struct Writer<'a>(pub(crate) &'a mut Vec<u8>);

/// Reads a saved state from its front.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

// === impl Writer ===

impl Writer<'_> {
    pub(crate) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Small ones of either sign are short.
    pub(crate) fn signed(&mut self, value: i32) {
        self.number(u64::from((value << 1 ^ value >> 31) as u32));
    }

    pub(crate) fn double(&mut self, value: f64) {
        self.fixed(&value.to_bits().to_le_bytes());
    }

    pub(crate) fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.fixed(bytes);
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(crate) fn byte(&mut self) -> Result<u8, RestoreError> {
        Ok(self.fixed::<1>()?[0])
    }

    pub(crate) fn number(&mut self) -> Result<u64, RestoreError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(RestoreError("a number does not fit into 64 bits"))
    }

    /// A number that counts or indexes something in memory.
    pub(crate) fn index(&mut self) -> Result<usize, RestoreError> {
        usize::try_from(self.number()?).map_err(|_| RestoreError("an index does not fit"))
    }

    pub(crate) fn signed(&mut self) -> Result<i32, RestoreError> {
        let coded =
            u32::try_from(self.number()?).map_err(|_| RestoreError("a number does not fit into 32 bits"))?;
        Ok((coded >> 1) as i32 ^ -((coded & 1) as i32))
    }

    pub(crate) fn double(&mut self) -> Result<f64, RestoreError> {
        Ok(f64::from_bits(u64::from_le_bytes(self.fixed()?)))
    }

    /// A sum of measurements, none of which was below zero.
    pub(crate) fn sum(&mut self) -> Result<f64, RestoreError> {
        let sum = self.double()?;
        let adds_up = sum.is_finite() && sum >= 0.0;
        adds_up.then_some(sum).ok_or(RestoreError("a sum is no finite number, or below zero"))
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], RestoreError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(TOO_SHORT)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], RestoreError> {
        let length = self.index()?;
        let (head, rest) = self.0.split_at_checked(length).ok_or(TOO_SHORT)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, RestoreError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| RestoreError("a text is not UTF-8"))
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Result<(), RestoreError> {
        if self.0.is_empty() { Ok(()) } else { Err(RestoreError("there are bytes behind its end")) }
    }
}

/// A hash that stays the same from one build to the next (FNV-1a), for fingerprints. Not for tables: whoever
/// chooses the input can make it collide.
pub(crate) fn stable_hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        // The terminator keeps ("ab", "c") and ("a", "bc") apart; UTF-8 never holds this byte.
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

const TOO_SHORT: RestoreError = RestoreError("it ends too early");
