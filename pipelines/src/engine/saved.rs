//! The form in which an aggregator's positions and state lie in a snapshot.
//!
//! ```text
//! inputs: u32 | per input: name length u32, name, position (16 bytes) | the aggregator's own bytes
//! ```
//!
//! Numbers are little-endian. **Not here:** checksums and slots (see [`crate::snapshot`]).

use crate::{consumer::RestoreError, journal::Position};

/// Each pipeline's name and how far it was applied.
pub(super) type Positions = Vec<(String, Position)>;

/// Positions first; the aggregator's state is appended behind.
pub(super) fn encode<'a>(positions: impl Iterator<Item = (&'a str, Position)>) -> Vec<u8> {
    let mut out = vec![0; 4];
    let mut count: u32 = 0;
    for (pipeline, position) in positions {
        count += 1;
        out.extend_from_slice(&(pipeline.len() as u32).to_le_bytes());
        out.extend_from_slice(pipeline.as_bytes());
        out.extend_from_slice(&position.to_bytes());
    }
    out[..4].copy_from_slice(&count.to_le_bytes());
    out
}

/// Positions and the aggregator's state.
pub(super) fn decode(bytes: &[u8]) -> Result<(Positions, &[u8]), RestoreError> {
    let (count, mut rest) = number(bytes)?;
    let mut positions = Vec::new();
    for _ in 0..count {
        let (length, after) = number(rest)?;
        let (name, after) = after.split_at_checked(length as usize).ok_or(CUT_SHORT)?;
        let (position, after) = after.split_first_chunk().ok_or(CUT_SHORT)?;
        let name = std::str::from_utf8(name).map_err(|_| RestoreError("a pipeline's name is not UTF-8"))?;
        positions.push((name.to_owned(), Position::from_bytes(*position)));
        rest = after;
    }
    Ok((positions, rest))
}

fn number(bytes: &[u8]) -> Result<(u32, &[u8]), RestoreError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(CUT_SHORT)?;
    Ok((u32::from_le_bytes(*number), rest))
}

const CUT_SHORT: RestoreError = RestoreError("the positions are cut short");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let positions =
            [("traces", Position::from_bytes([7; 16])), ("traces/b", Position::from_bytes([0xff; 16]))];
        let mut bytes = encode(positions.into_iter());
        bytes.extend_from_slice(b"state");
        let (decoded, state) = decode(&bytes).unwrap();
        assert_eq!(decoded, positions.map(|(name, position)| (name.to_owned(), position)));
        assert_eq!(state, b"state");
    }

    #[test]
    fn any_cut_is_an_error_and_never_a_panic() {
        let bytes = encode([("traces", Position::from_bytes([7; 16]))].into_iter());
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        assert!(decode(&[0xff; 32]).is_err());
    }
}
