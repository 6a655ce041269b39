//! The ids of tasks, traces and spans, and the stream they are drawn from.
//!
//! - **In:** a seed of 32 random bytes per request, made outside.
//! - **Guaranteed:** the same seed gives the same ids, so a transaction that is tried again, or a
//!   test, makes the same task. No id is all zero, which OTLP calls invalid.

use std::fmt;

use sha2::{Digest, Sha256};

/// An id of `N` bytes, shown as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id<const N: usize>(pub [u8; N]);

/// Names a task: 16 hex digits.
pub type TaskId = Id<8>;
/// Names a trace: 32 hex digits.
pub type TraceId = Id<16>;
/// Names a span: 16 hex digits.
pub type SpanId = Id<8>;

/// Random bytes for one request.
pub type Seed = [u8; 32];

/// Draws ids from a seed, in a fixed order.
#[derive(Debug)]
pub struct Ids {
    seed: Seed,
    drawn: u64,
}

// === impl Id ===

impl<const N: usize> Id<N> {
    /// Reads exactly `2 * N` lower-case hex digits that are not all zero.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * N {
            return None;
        }
        let mut id = [0; N];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        (id != [0; N]).then_some(Self(id))
    }
}

impl<const N: usize> fmt::Display for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl Ids ===

impl Ids {
    /// The stream of one seed.
    pub fn new(seed: Seed) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next id of the stream.
    pub fn draw<const N: usize>(&mut self) -> Id<N> {
        loop {
            let mut hash = Sha256::new();
            hash.update(self.seed);
            hash.update(self.drawn.to_be_bytes());
            self.drawn += 1;
            let mut id = [0; N];
            id.copy_from_slice(&hash.finalize()[..N]);
            if id != [0; N] {
                return Id(id);
            }
        }
    }
}

/// The value of one lower-case hex digit.
pub(super) fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_lower_case_hex_of_the_exact_length_and_not_zero() {
        assert_eq!(
            TaskId::parse("00000000000000ff").map(|id| id.to_string()),
            Some("00000000000000ff".into())
        );
        for text in [
            "",
            "00000000000000fF",
            "00000000000000f",
            "00000000000000ff0",
            "0000000000000000",
            "00000000000000fé",
        ] {
            assert_eq!(TaskId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_ids_and_no_two_alike() {
        let draw = || {
            let mut ids = Ids::new([7; 32]);
            [ids.draw::<8>(), ids.draw::<8>(), ids.draw::<8>()]
        };
        assert_eq!(draw(), draw());
        assert_ne!(draw()[0], draw()[1]);
        assert_ne!(draw()[1], draw()[2]);
    }
}
