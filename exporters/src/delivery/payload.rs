//! The bytes of a request, as the pieces they are.
//!
//! Export requests that follow one another byte for byte are one export request, so what is joined need not be copied:
//! a destination writes piece after piece. Small pieces are the exception, because each costs it a frame.
//!
//! - **Guaranteed:** the pieces, one after the other, are the request; cloning copies nothing.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proto::AnyBatch;

/// One export request. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Payload {
    pieces: Pieces,
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Pieces {
    One(Bytes),
    Many(Arc<[Bytes]>),
}

// === impl Payload ===

impl Payload {
    /// The bytes of `batches`, one after the other. Neighbours below [`SMALL_BYTES`] are copied together.
    pub(crate) fn of(batches: &[AnyBatch]) -> Self {
        if let [only] = batches {
            return Self::from(only.bytes().clone());
        }
        let mut pieces = Vec::with_capacity(batches.len());
        let mut small = BytesMut::new();
        for bytes in batches.iter().map(AnyBatch::bytes) {
            let is_large = bytes.len() > SMALL_BYTES;
            if !small.is_empty() && (is_large || small.len() + bytes.len() > COPIED_BYTES) {
                pieces.push(small.split().freeze());
            }
            if is_large {
                pieces.push(bytes.clone());
            } else {
                if small.capacity() == 0 {
                    small.reserve(COPIED_BYTES);
                }
                small.extend_from_slice(bytes);
            }
        }
        if !small.is_empty() {
            pieces.push(small.freeze());
        }
        let bytes = pieces.iter().map(Bytes::len).sum();
        Self { pieces: Pieces::Many(pieces.into()), bytes }
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[Bytes] {
        match &self.pieces {
            Pieces::One(bytes) => std::slice::from_ref(bytes),
            Pieces::Many(pieces) => pieces,
        }
    }

    /// The whole length, in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there is not one byte.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// All bytes in one place: a copy, if there are several pieces.
    pub fn to_bytes(&self) -> Bytes {
        match self.pieces() {
            [only] => only.clone(),
            pieces => pieces.concat().into(),
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { bytes: bytes.len(), pieces: Pieces::One(bytes) }
    }
}

/// Below this, a copy is cheaper than a frame and a place in a system call.
const SMALL_BYTES: usize = 4 << 10;
/// What small neighbours become: HTTP/2's usual frame.
const COPIED_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use proto::testing::sample;

    use super::*;

    fn batch(spans: usize) -> AnyBatch {
        sample::traces(spans, 4, 1).into()
    }

    #[test]
    fn the_pieces_are_the_request_and_small_ones_are_together() {
        let (small, large) = (batch(1), batch(100));
        assert!(small.bytes().len() < SMALL_BYTES && large.bytes().len() > SMALL_BYTES);
        let batches: Vec<_> =
            [vec![small.clone(); 3], vec![large.clone(); 2], vec![small.clone(); 100], vec![large]].concat();
        let payload = Payload::of(&batches);
        let all: Vec<u8> = batches.iter().flat_map(|batch| batch.bytes().to_vec()).collect();
        assert_eq!(payload.pieces().concat(), all);
        assert_eq!((payload.to_bytes(), payload.len()), (Bytes::from(all), payload.pieces().concat().len()));
        let copied = 100 * small.bytes().len() / COPIED_BYTES + 1;
        assert!((5..=6 + copied).contains(&payload.pieces().len()), "{}", payload.pieces().len());
        assert!(payload.pieces().iter().all(|piece| !piece.is_empty()));
    }

    #[test]
    fn a_request_on_its_own_is_not_copied() {
        let batch = batch(1);
        assert_eq!(Payload::of(std::slice::from_ref(&batch)).to_bytes().as_ptr(), batch.bytes().as_ptr());
    }
}
