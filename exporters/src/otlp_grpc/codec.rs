//! A codec that leaves messages as they are: bytes in, bytes out.
//!
//! On the way out tonic compresses the message behind its five-byte header; what is not compressed does not come this
//! way ([`super::frame`]).
//! On the way in the answer is split off the receive buffer without a copy.

use bytes::{Buf, BufMut, Bytes};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// For one message of a known size, so that its buffer is allocated once.
#[derive(Clone, Copy, Debug)]
pub(super) struct BytesCodec {
    /// Bytes of the request.
    pub(super) request_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    buffer_bytes: usize,
}

// === impl BytesCodec ===

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Plain;
    type Decoder = Plain;

    fn encoder(&mut self) -> Plain {
        Plain { buffer_bytes: self.request_bytes + HEADER_BYTES }
    }

    fn decoder(&mut self) -> Plain {
        Plain { buffer_bytes: ANSWER_BYTES }
    }
}

// === impl Plain ===

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(self.buffer_bytes, YIELD_BYTES)
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(self.buffer_bytes, YIELD_BYTES)
    }
}

const HEADER_BYTES: usize = 5;
/// Most answers are empty.
const ANSWER_BYTES: usize = 64;
/// One message is one buffer: it is handed on as soon as it is complete.
const YIELD_BYTES: usize = 32 << 10;
