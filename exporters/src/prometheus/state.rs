//! The table's own compact format in snapshots: writing, and reading with every bound checked.
//!
//! Integers are LEB128, numbers and bytes follow their length, floating point numbers are 8 bytes.
//! **Not here:** checksums and versions of files. The snapshot has them.

use super::{exemplar::Exemplar, text::Number};

/// Reads what the `put_` functions wrote. Every answer is `None` once the bytes do not fit.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

/// Appends an unsigned integer.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length and bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a floating point number, bit by bit.
pub fn put_double(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

/// Appends a number, remembering whether it is whole.
pub fn put_number(out: &mut Vec<u8>, number: Number) {
    match number {
        Number::Int(value) => {
            out.push(0);
            put_varint(out, value as u64);
        }
        Number::Double(value) => {
            out.push(1);
            put_double(out, value);
        }
    }
}

/// Appends an exemplar that may be absent.
pub fn put_exemplar(out: &mut Vec<u8>, exemplar: Option<&Exemplar>) {
    let Some(exemplar) = exemplar else { return out.push(0) };
    out.push(1);
    put_bytes(out, &exemplar.labels);
    put_number(out, exemplar.value);
    put_varint(out, exemplar.time_ns);
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether everything has been read.
    pub fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    /// An unsigned integer.
    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A number of entries that follow, each of at least `bytes_min`: no more than there is room for.
    pub fn count(&mut self, bytes_min: usize) -> Option<usize> {
        let count = usize::try_from(self.varint()?).ok()?;
        (count.checked_mul(bytes_min)? <= self.bytes.len().saturating_add(bytes_min)).then_some(count)
    }

    /// Bytes with their length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(bytes)
    }

    /// Bytes that are text.
    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// Rendered labels: text in which nothing can end the line.
    pub fn labels(&mut self) -> Option<&'a [u8]> {
        let text = self.text()?;
        (!text.contains('\n')).then_some(text.as_bytes())
    }

    /// A floating point number.
    pub fn double(&mut self) -> Option<f64> {
        let (bytes, rest) = self.bytes.split_first_chunk::<8>()?;
        self.bytes = rest;
        Some(f64::from_bits(u64::from_le_bytes(*bytes)))
    }

    /// A number.
    pub fn number(&mut self) -> Option<Number> {
        match self.byte()? {
            0 => Some(Number::Int(self.varint()? as i64)),
            1 => self.double().map(Number::Double),
            _ => None,
        }
    }

    /// An exemplar that may be absent.
    pub fn exemplar(&mut self) -> Option<Option<Exemplar>> {
        match self.byte()? {
            0 => Some(None),
            1 => {
                let labels = self.labels()?.into();
                Some(Some(Exemplar { labels, value: self.number()?, time_ns: self.varint()? }))
            }
            _ => None,
        }
    }
}
