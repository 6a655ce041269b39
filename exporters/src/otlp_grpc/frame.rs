//! gRPC's frame around a request that goes out as it is: nothing is copied but its beginning.
//!
//! ```text
//! 0 | length, 4 bytes big-endian | piece | piece | ...       a DATA frame or more for each piece
//! ```
//!
//! - **Guaranteed:** the pieces leave from where they are, in order; the last one ends the stream.
//! - **Not here:** compressed requests, which tonic frames ([`super::codec`]).

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body, Frame};

use crate::delivery::payload::Payload;

/// The body of a unary call.
#[derive(Debug)]
pub(super) struct Framed {
    payload: Payload,
    /// The piece that is next.
    piece: usize,
    /// How much of it has gone out with the prefix.
    gone: usize,
    begun: bool,
}

// === impl Framed ===

impl Framed {
    /// `payload` must be shorter than 4 GiB, as any request is ([`crate::delivery::gather::Gathering::bytes_max`]).
    pub(super) fn new(payload: Payload) -> Self {
        Self { payload, piece: 0, gone: 0, begun: false }
    }

    /// The prefix, and the beginning of the first piece: five bytes alone would be a frame of their own.
    fn begin(&mut self) -> Bytes {
        self.begun = true;
        let first = self.payload.pieces().first().map_or(&[][..], |piece| piece);
        self.gone = first.len().min(BEGINNING_BYTES);
        let mut beginning = BytesMut::with_capacity(PREFIX_BYTES + self.gone);
        beginning.put_u8(0);
        beginning.put_u32(u32::try_from(self.payload.len()).expect("requests are below 4 GiB"));
        beginning.put_slice(&first[..self.gone]);
        self.skip_empty();
        beginning.freeze()
    }

    fn skip_empty(&mut self) {
        while self.payload.pieces().get(self.piece).is_some_and(|piece| piece.len() == self.gone) {
            (self.piece, self.gone) = (self.piece + 1, 0);
        }
    }
}

impl Body for Framed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if !this.begun {
            return Poll::Ready(Some(Ok(Frame::data(this.begin()))));
        }
        let Some(piece) = this.payload.pieces().get(this.piece) else { return Poll::Ready(None) };
        let data = piece.slice(this.gone..);
        (this.piece, this.gone) = (this.piece + 1, 0);
        this.skip_empty();
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.begun && self.piece == self.payload.pieces().len()
    }
}

const PREFIX_BYTES: usize = 5;
const BEGINNING_BYTES: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use proptest::prelude::*;
    use proto::testing::sample;

    use super::*;

    /// The frames of a payload, and whether the end was announced with the last one.
    fn frames(payload: Payload) -> (Vec<Bytes>, bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut body, mut frames) = (Framed::new(payload), Vec::new());
            while !body.is_end_stream() {
                frames.push(body.frame().await.unwrap().unwrap().into_data().unwrap());
            }
            let ended = body.frame().await.is_none();
            (frames, ended)
        })
    }

    proptest! {
        #[test]
        fn the_frames_are_one_message(sizes in proptest::collection::vec(1_usize..60, 1..20)) {
            let batches: Vec<_> = sizes.iter().map(|spans| sample::traces(*spans, 4, 1).into()).collect();
            let payload = Payload::of(&batches);
            let (frames, ended) = frames(payload.clone());
            let mut message = vec![0];
            message.put_u32(payload.len() as u32);
            message.put_slice(&payload.to_bytes());
            prop_assert_eq!(frames.concat(), message);
            prop_assert!(ended && frames.iter().all(|frame| !frame.is_empty()));
        }
    }

    #[test]
    fn an_empty_message_is_its_prefix() {
        assert_eq!(frames(Bytes::new().into()), (vec![Bytes::from_static(&[0; 5])], true));
    }
}
