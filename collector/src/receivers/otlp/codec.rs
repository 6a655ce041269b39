//! gRPC's frame around one message, in and out.
//!
//! ```text
//! in    flag: 0 plain, 1 compressed | length, 4 bytes big-endian | message      over any number of DATA frames
//! out   0 | length | message, then the trailer grpc-status: 0
//! ```
//!
//! - **In:** the body of a unary call.
//! - **Out:** the message in one exact allocation, with the permit that covers it.
//! - **Guaranteed:** the announced length is checked, and every piece admitted before it is kept; a compressed
//!   message is inflated under admission, too. The one copy on this way joins DATA frames.
//! - **Not here:** tonic's own decoder. It reserves before anybody could refuse, inflates without a hook
//!   for admission, answers OUT_OF_RANGE for what OTLP calls RESOURCE_EXHAUSTED, and its buffer of 8 KiB
//!   would stay in the journal's tail with every small batch.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};

use super::{
    inflate::{Encoding, Inflater},
    status::Decline,
};
use crate::receivers::{
    admission::{Admission, AdmittedBuffer, Full, Permit},
    body,
};

/// What we answer a call with that succeeded.
#[derive(Debug)]
pub(super) struct Reply {
    /// The framed message; then the trailers.
    frame: Option<Bytes>,
    trailers: bool,
}

/// The prefix of a message, as far as it has arrived.
#[derive(Debug, Default)]
struct Prefix {
    bytes: [u8; PREFIX_BYTES],
    filled: usize,
}

/// Reads the one message of a unary call. `encoding` is what `grpc-encoding` names.
///
/// # Errors
/// Too large, not admitted, cut off, not framed as one message, or not compressed as announced.
pub(super) async fn read_message<B: Body<Data = Bytes>>(
    body: B,
    encoding: Option<Encoding>,
    inflater: &Inflater,
    bytes_max: usize,
) -> Result<(Bytes, Permit), Decline> {
    let mut body = pin!(body);
    let mut prefix = Prefix::default();
    let mut message = None;
    let failed = |error| Decline::body(error, bytes_max);
    while let Some(mut data) = body::next(&mut body).await.map_err(failed)? {
        let buffer = match &mut message {
            Some(buffer) => buffer,
            None if prefix.fill(&mut data) => message.insert(prefix.admit(inflater.admission(), bytes_max)?),
            None => continue,
        };
        // The buffer's limit is the announced length.
        buffer.extend(&data).map_err(|full| match full {
            Full::Limit => Decline::Framing(ONE_MESSAGE),
            Full::Budget | Full::Never => Decline::full(full, bytes_max),
        })?;
    }
    let message = message.ok_or(Decline::Framing(ONE_MESSAGE))?;
    if message.len() < prefix.length() {
        return Err(Decline::CutOff);
    }
    match (prefix.flag(), encoding) {
        (0, _) => Ok(message.freeze()),
        (1, Some(encoding)) => {
            let (compressed, _permit) = message.freeze();
            let inflated = inflater.inflate(encoding, &compressed, bytes_max).await;
            Ok(inflated.map_err(|error| Decline::inflate(error, bytes_max))?.freeze())
        }
        (1, None) => Err(Decline::CompressedWithoutEncoding),
        _ => Err(Decline::Framing("the compressed flag of a message is 0 or 1")),
    }
}

// === impl Reply ===

impl Reply {
    /// Frames `message`, uncompressed: answers are a few bytes.
    pub(super) fn ok(message: &[u8]) -> Self {
        let mut frame = BytesMut::with_capacity(PREFIX_BYTES + message.len());
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).expect("answers are bounded by their one message"));
        frame.put_slice(message);
        Self { frame: Some(frame.freeze()), trailers: true }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if let Some(frame) = this.frame.take() {
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        if std::mem::take(&mut this.trailers) {
            let trailers = HeaderMap::from_iter(
                [("grpc-status", HeaderValue::from_static("0"))]
                    .map(|(name, value)| (http::HeaderName::from_static(name), value)),
            );
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.frame.is_none() && !self.trailers
    }
}

// === impl Prefix ===

impl Prefix {
    /// Takes what is missing from `data`; tells whether it is complete.
    fn fill(&mut self, data: &mut Bytes) -> bool {
        let missing = &mut self.bytes[self.filled..];
        let taken = missing.len().min(data.len());
        data.copy_to_slice(&mut missing[..taken]);
        self.filled += taken;
        self.filled == PREFIX_BYTES
    }

    fn flag(&self) -> u8 {
        self.bytes[0]
    }

    fn length(&self) -> usize {
        let [_, length @ ..] = self.bytes;
        u32::from_be_bytes(length) as usize
    }

    /// A buffer for exactly what was announced, which is admitted as it arrives.
    fn admit(&self, admission: &Admission, bytes_max: usize) -> Result<AdmittedBuffer, Decline> {
        if self.length() > bytes_max {
            return Err(Decline::TooLarge { bytes_max });
        }
        let buffer = AdmittedBuffer::new(admission, self.length(), self.length());
        buffer.map_err(|full| Decline::full(full, bytes_max))
    }
}

const PREFIX_BYTES: usize = 5;
const ONE_MESSAGE: &str = "a unary call carries exactly one message";

#[cfg(test)]
mod tests;
