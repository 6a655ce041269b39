//! An HTTP server that answers as it is told, also in ways no honest server would.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::AbortHandle,
};

use crate::tls::tests::Server;

/// What the server got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) version: Version,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// As it came over the wire.
    pub(crate) body: Bytes,
}

/// What it says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
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

/// What the connections of a server share.
struct Shared<A> {
    log: Arc<Mutex<Vec<Received>>>,
    answer: A,
}

// === impl Reply ===

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// Protobuf.
    pub(crate) fn ok(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::status(200) }.header("content-type", "application/x-protobuf")
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }
}

// === impl Peer ===

impl Peer {
    /// Answers the n-th request with `answer(n, request)`.
    pub(crate) async fn start(answer: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, answer).await
    }

    /// The same over TLS, if it is given.
    pub(crate) async fn listen(
        tls: Option<Server>,
        answer: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let tasks = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::new(Shared { log: Arc::clone(&received), answer });
        let connections = Arc::clone(&tasks);
        let accept = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (shared, acceptor) = (Arc::clone(&shared), tls.as_ref().map(|tls| tls.acceptor.clone()));
                let task = tokio::spawn(async move {
                    match acceptor {
                        None => serve(socket, shared).await,
                        Some(acceptor) => {
                            // Who does not trust us goes away.
                            if let Ok(stream) = acceptor.accept(socket).await {
                                serve(stream, shared).await;
                            }
                        }
                    }
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

async fn serve<A, S>(socket: S, shared: Arc<Shared<A>>)
where
    A: Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
    // A connection that is closed on purpose is no fault of the test.
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
}

async fn answer<A>(
    request: Request<Incoming>,
    shared: Arc<Shared<A>>,
) -> Result<Response<Full<Bytes>>, std::io::Error>
where
    A: Fn(usize, &Received) -> Reply,
{
    let (parts, body) = request.into_parts();
    let received = Received {
        method: parts.method.to_string(),
        version: parts.version,
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: body.collect().await.map_err(std::io::Error::other)?.to_bytes(),
    };
    let reply = {
        let mut log = shared.log.lock().unwrap();
        log.push(received);
        (shared.answer)(log.len() - 1, &log[log.len() - 1])
    };
    if reply.close {
        return Err(std::io::Error::other("closed"));
    }
    if reply.hang {
        std::future::pending::<()>().await;
    }
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = http::StatusCode::from_u16(reply.status).unwrap();
    response.headers_mut().extend(reply.headers);
    Ok(response)
}
