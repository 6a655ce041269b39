//! An OTLP backend: a gRPC server that keeps the very bytes of every request.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    io::Read,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, StreamBody};
use hyper::{HeaderMap, Request, Response, body::Frame, body::Incoming, service::service_fn};
use hyper_util::{rt::TokioExecutor, rt::TokioIo};
use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use prost::Message;
use tokio::net::TcpListener;

/// A backend that says yes to everything, unless it is given a mind of its own.
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    received: Arc<Received>,
    task: tokio::task::JoinHandle<()>,
}

/// What a backend makes of a request: its message, undecoded, for the gRPC code it answers with.
pub type Mind = Arc<dyn Fn(Bytes) -> BoxFuture<'static, u16> + Send + Sync>;

/// What a backend has got.
#[derive(Default)]
struct Received {
    /// Under load only the bytes are counted.
    keeps: bool,
    /// Nothing: every request is taken.
    mind: Option<Mind>,
    requests: Mutex<Vec<(String, Bytes)>>,
    /// The `traceparent` of each request, or an empty text.
    traceparents: Mutex<Vec<String>>,
    bytes: AtomicUsize,
}

// === impl Backend ===

impl Backend {
    /// On a port the system chooses.
    pub async fn start() -> Self {
        Self::listen("127.0.0.1:0").await
    }

    /// One that only counts bytes, for load.
    pub async fn counting() -> Self {
        Self::begin("127.0.0.1:0", false, None).await
    }

    /// One that keeps nothing itself and answers as it is told.
    pub async fn with_mind(address: &str, mind: Mind) -> Self {
        Self::begin(address, false, Some(mind)).await
    }

    /// On this address.
    pub async fn listen(address: &str) -> Self {
        Self::begin(address, true, None).await
    }

    /// Waits until so many bytes of messages have come.
    pub async fn wait_for_bytes(&self, bytes: usize) {
        while self.received.bytes.load(Relaxed) < bytes {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn begin(address: &str, keeps: bool, mind: Option<Mind>) -> Self {
        let listener = TcpListener::bind(address).await.expect("the backend binds");
        let address = listener.local_addr().expect("an address");
        let received = Arc::new(Received { keeps, mind, ..Received::default() });
        let task = tokio::spawn(serve(listener, Arc::clone(&received)));
        Self { address, received, task }
    }

    /// The messages received so far, with the path they came to.
    pub fn requests(&self) -> Vec<(String, Bytes)> {
        self.received.requests.lock().expect("no panic while locked").clone()
    }

    /// The `traceparent` of each request received so far, or an empty text.
    pub fn traceparents(&self) -> Vec<String> {
        self.received.traceparents.lock().expect("no panic while locked").clone()
    }

    /// The ids of all spans received so far, each once.
    pub fn span_ids(&self) -> BTreeSet<Vec<u8>> {
        self.spans().into_iter().map(|span| span.span_id).collect()
    }

    /// All spans received so far.
    pub fn spans(&self) -> Vec<Span> {
        let requests = self.requests();
        let traces = requests.iter().filter(|(path, _)| path.contains("TraceService"));
        let decoded = traces.map(|(_, bytes)| {
            ExportTraceServiceRequest::decode(bytes.clone()).expect("the collector sends valid requests")
        });
        let scopes =
            decoded.flat_map(|request| request.resource_spans).flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, received: Arc<Received>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let received = Arc::clone(&received);
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&received)));
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Body = StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

async fn answer(request: Request<Incoming>, received: Arc<Received>) -> Result<Response<Body>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let encoding = request.headers().get("grpc-encoding").map(|value| value.as_bytes().to_vec());
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let traceparent = traceparent.unwrap_or_default().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let message = unframe(&body, encoding.as_deref());
    received.bytes.fetch_add(message.len(), Relaxed);
    if received.keeps {
        received.traceparents.lock().expect("no panic while locked").push(traceparent);
        received.requests.lock().expect("no panic while locked").push((path, message.clone()));
    }
    let code = match &received.mind {
        Some(mind) => mind(message).await,
        None => 0,
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    let frames = vec![Ok(Frame::data(Bytes::from_static(&[0; 5]))), Ok(Frame::trailers(trailers))];
    let body = StreamBody::new(futures_util::stream::iter(frames));
    Ok(Response::builder().header("content-type", "application/grpc").body(body).expect("a response"))
}

/// The message inside gRPC's five-byte frame.
fn unframe(body: &Bytes, encoding: Option<&[u8]>) -> Bytes {
    let message = body.slice(5..);
    if body[0] == 0 {
        return message;
    }
    let mut plain = Vec::new();
    match encoding {
        Some(b"gzip") => flate2::read::GzDecoder::new(&*message).read_to_end(&mut plain).expect("valid gzip"),
        Some(b"zstd") => {
            plain = zstd::stream::decode_all(&*message).expect("valid zstd");
            plain.len()
        }
        other => panic!("unexpected encoding {other:?}"),
    };
    Bytes::from(plain)
}
