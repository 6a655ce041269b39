//! Reading a request's body, and throwing away what is left of one that nobody wants.
//!
//! - **In:** the body of a request.
//! - **Out:** its bytes in an [`AdmittedBuffer`]; or why not.
//! - **Guaranteed:** nothing is kept that was not admitted first, and nothing waits for room. A sender that falls
//!   silent for [`SILENCE_MAX`] loses what it holds. Who is refused while still sending is read on for a while, so
//!   that the answer is seen and not a broken connection.
//! - **Not here:** how long a body may take as a whole, which its reader says.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Version, header::EXPECT};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::{runtime::Handle, time::timeout};

use super::admission::{Admission, AdmittedBuffer, Full};

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Limit or budget.
    Full(Full),
    /// The connection ended, or broke its framing.
    CutOff,
    /// Nothing came for that long.
    Silent(Duration),
}

/// A body of HTTP/1 whose rest is read and thrown away when it is dropped before its end. HTTP/1.1 would otherwise
/// have to close the connection under a sender that writes first and reads later, and the reset could overtake the
/// answer. Other versions have streams for that.
#[derive(Debug)]
pub(crate) struct Unwanted<B: Body<Data = Bytes> + Send + Unpin + 'static> {
    /// Set until it is dropped.
    body: Option<B>,
    /// Whether its end was seen, or who sends it knows already that it is not wanted.
    is_done: bool,
    /// Who asked first whether to send does not send when the answer is no.
    asked_first: bool,
}

/// Reads a body to its end. One of announced length is refused at once if there is no room for it.
///
/// # Errors
/// See [`BodyError`].
pub(crate) async fn read<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
    admission: &Admission,
    bytes_max: usize,
) -> Result<AdmittedBuffer, BodyError> {
    let announced = body.size_hint().exact().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    let mut buffer = AdmittedBuffer::new(admission, announced, bytes_max).map_err(BodyError::Full)?;
    while let Some(data) = next(body).await? {
        buffer.extend(&data).map_err(BodyError::Full)?;
    }
    Ok(buffer)
}

/// The next bytes of a body, or its end.
///
/// # Errors
/// It was cut off, or nothing came.
pub(crate) async fn next<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Result<Option<Bytes>, BodyError> {
    loop {
        let frame = timeout(SILENCE_MAX, body.frame()).await.map_err(|_| BodyError::Silent(SILENCE_MAX))?;
        let Some(frame) = frame else { return Ok(None) };
        if let Ok(data) = frame.map_err(|_| BodyError::CutOff)?.into_data() {
            return Ok(Some(data));
        }
    }
}

/// Throws away what comes, up to a bound.
async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let mut left = DISCARD_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

// === impl Unwanted ===

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Unwanted<B> {
    /// The request with its body wrapped.
    pub(crate) fn wrap(request: Request<B>) -> Request<Self> {
        let is_http1 = request.version() < Version::HTTP_2;
        let asked_first = asks_first(request.headers());
        request.map(|body| Self { body: Some(body), is_done: !is_http1, asked_first })
    }
}

fn asks_first(headers: &HeaderMap) -> bool {
    headers.contains_key(EXPECT)
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Body for Unwanted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        // Who is read is told to go on.
        this.asked_first = false;
        let frame = Pin::new(body).poll_frame(ctx);
        this.is_done |= matches!(frame, Poll::Ready(None | Some(Err(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Drop for Unwanted<B> {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        if self.is_done || self.asked_first || body.is_end_stream() {
            return;
        }
        // Without a runtime the process is ending.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(DISCARD_WITHIN, discard(body)));
        }
    }
}

/// Between two pieces of a body. Longer, and it holds its admitted bytes for nothing.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How much of a refused body is thrown away, and for how long: well beyond every usual limit.
const DISCARD_BYTES_MAX: usize = 256 << 20;
const DISCARD_WITHIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
    };

    use futures_util::stream;
    use http_body_util::StreamBody;

    use super::*;

    /// Pieces of a kilobyte, of which it counts how many were read.
    fn pieces(count: usize, read: &Arc<AtomicUsize>) -> impl Body<Data = Bytes> + Send + Unpin + 'static {
        let read = Arc::clone(read);
        StreamBody::new(stream::iter((0..count).map(move |_| {
            read.fetch_add(1, Relaxed);
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[7; 1024])))
        })))
    }

    #[tokio::test(start_paused = true)]
    async fn who_falls_silent_loses_what_it_holds() {
        let admission = Admission::new(1_000_000);
        let pieces = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"first")))]);
        let mut body = StreamBody::new(futures_util::StreamExt::chain(pieces, stream::pending()));
        let error = read(&mut body, &admission, 1_000).await.unwrap_err();
        assert_eq!(error, BodyError::Silent(SILENCE_MAX));
        assert_eq!(admission.bytes_in_use(), 0);
    }

    /// How many of `count` pieces are read of a request that is refused after the first.
    async fn read_of(count: usize, version: Version, expect: bool) -> usize {
        let read = Arc::new(AtomicUsize::new(0));
        let mut request = Request::post("/").version(version);
        if expect {
            request = request.header(EXPECT, "100-continue");
        }
        drop(Unwanted::wrap(request.body(pieces(count, &read)).unwrap()));
        for _ in 0..count * 4 {
            tokio::task::yield_now().await;
        }
        read.load(Relaxed)
    }

    #[tokio::test]
    async fn what_a_refused_sender_still_writes_is_read_unless_it_asked_first() {
        assert_eq!(read_of(100, Version::HTTP_11, false).await, 100);
        assert_eq!(read_of(100, Version::HTTP_11, true).await, 0);
        assert_eq!(read_of(100, Version::HTTP_2, false).await, 0);
    }
}
