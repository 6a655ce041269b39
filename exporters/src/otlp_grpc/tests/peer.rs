//! A gRPC server that answers as it is told, also in ways no honest server would.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{net::TcpListener, task::AbortHandle};

/// What the server got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) authority: String,
    pub(crate) headers: HeaderMap,
    /// The compression flag of the message.
    pub(crate) compressed: bool,
    /// The message, as it came over the wire.
    pub(crate) message: Bytes,
}

/// What it says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) http_status: u16,
    pub(crate) headers: HeaderMap,
    /// With the five bytes in front.
    pub(crate) body: Option<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    /// It never says anything.
    pub(crate) hang: bool,
    /// It closes the connection instead.
    pub(crate) close: bool,
}

/// A server on a port of its own, until dropped.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    tasks: Arc<Mutex<Vec<AbortHandle>>>,
}

// === impl Reply ===

impl Reply {
    /// OK, with this message and no more.
    pub(crate) fn ok(message: &[u8]) -> Self {
        Self { body: Some(framed(0, message)), trailers: Some(status_headers(0)), ..Self::head() }
    }

    /// A status in the header block, as servers do when there is nothing else to say.
    pub(crate) fn status(code: i32) -> Self {
        Self { headers: status_headers(code), ..Self::head() }
    }

    /// The same with details or a message.
    pub(crate) fn of(status: tonic::Status) -> Self {
        Self { headers: status.into_http::<()>().headers().clone(), ..Self::head() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    fn head() -> Self {
        Self { http_status: 200, ..Self::default() }
    }
}

/// A message with its five bytes in front.
pub(crate) fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut bytes = vec![flag];
    bytes.extend((message.len() as u32).to_be_bytes());
    bytes.extend(message);
    bytes.into()
}

pub(crate) fn status_headers(code: i32) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from(code))])
}

// === impl Peer ===

impl Peer {
    /// Answers the n-th request with `answer(n, request)`.
    pub(crate) async fn start(
        address: Option<SocketAddr>,
        answer: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address.unwrap_or(([127, 0, 0, 1], 0).into())).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let tasks = Arc::new(Mutex::new(Vec::new()));
        let (answer, log, connections) = (Arc::new(answer), Arc::clone(&received), Arc::clone(&tasks));
        let accept = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                let task = tokio::spawn(async move {
                    let service =
                        service_fn(move |request| serve(request, Arc::clone(&log), Arc::clone(&answer)));
                    let builder = Builder::new(TokioExecutor::new()).http2_only();
                    // A connection that is closed on purpose is no fault of the test.
                    let _ = builder.serve_connection(TokioIo::new(socket), service).await;
                });
                connections.lock().unwrap().push(task.abort_handle());
            }
        });
        tasks.lock().unwrap().push(accept.abort_handle());
        Self { address, received, tasks }
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.tasks.lock().unwrap().len() - 1
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.tasks.lock().unwrap().iter().for_each(AbortHandle::abort);
    }
}

type Answered =
    Response<StreamBody<tokio_stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>>;

async fn serve<A>(
    request: Request<Incoming>,
    log: Arc<Mutex<Vec<Received>>>,
    answer: Arc<A>,
) -> Result<Answered, Closed>
where
    A: Fn(usize, &Received) -> Reply,
{
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    assert!(body.len() >= 5, "a gRPC message has five bytes in front");
    assert_eq!(u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize, body.len() - 5);
    let received = Received {
        path: parts.uri.path().to_owned(),
        authority: parts.uri.authority().map(ToString::to_string).unwrap_or_default(),
        headers: parts.headers,
        compressed: body[0] == 1,
        message: body.slice(5..),
    };
    let reply = {
        let mut log = log.lock().unwrap();
        log.push(received);
        answer(log.len() - 1, &log[log.len() - 1])
    };
    if reply.close {
        return Err(Closed);
    }
    if reply.hang {
        std::future::pending::<()>().await;
    }
    let body = reply.body.map(Frame::data).into_iter().chain(reply.trailers.map(Frame::trailers));
    let frames: Vec<_> = body.map(Ok).collect();
    let mut response = Response::new(StreamBody::new(tokio_stream::iter(frames)));
    *response.status_mut() = http::StatusCode::from_u16(reply.http_status).unwrap();
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response.headers_mut().extend(reply.headers);
    Ok(response)
}

/// Makes hyper reset the stream.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed")
    }
}

impl std::error::Error for Closed {}
