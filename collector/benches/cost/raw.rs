//! The measures of forwarding: gRPC servers that send each request on as it came and answer when that was answered.
//! They look into nothing and keep nothing. One is made of hyper alone, one of tonic on both sides, as an ordinary
//! Rust program would be.

use std::{
    convert::Infallible,
    net::SocketAddr,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{HeaderMap, Request, Response, body::Frame, body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Status,
    body::Body,
    client,
    server::{self, NamedService, UnaryService},
    transport::{Channel, Endpoint, Server},
};

use crate::support::sender::{Raw, TRACES};

/// Serves at `listen` and sends to `backend` until the process is killed.
pub(crate) fn forward(listen: &str, backend: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.expect("the forwarder binds");
        println!("{}", listener.local_addr().expect("an address"));
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let backend: SocketAddr = backend.parse().expect("an address");
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let client = client.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| pass_on(client.clone(), backend, request));
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
}

/// The same with tonic on both sides.
pub(crate) fn forward_by_tonic(listen: &str, backend: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.expect("the forwarder binds");
        println!("{}", listener.local_addr().expect("an address"));
        let backend = Endpoint::from_shared(format!("http://{backend}")).expect("an address").connect_lazy();
        let server = Server::builder().tcp_nodelay(true).add_service(ByTonic { backend });
        server.serve_with_incoming(TcpListenerStream::new(listener)).await.expect("the forwarder serves");
    });
}

/// The traces service, passing on.
#[derive(Clone)]
struct ByTonic {
    backend: Channel,
}

impl NamedService for ByTonic {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl tower::Service<http::Request<Body>> for ByTonic {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(server::Grpc::new(Raw).unary(service, request).await) })
    }
}

impl UnaryService<Bytes> for ByTonic {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let mut client = client::Grpc::new(self.backend.clone());
        Box::pin(async move {
            client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let onward = tonic::Request::new(request.into_inner());
            client.unary(onward, http::uri::PathAndQuery::from_static(TRACES), Raw).await
        })
    }
}

type Answer =
    StreamBody<futures_util::stream::Iter<std::array::IntoIter<Result<Frame<Bytes>, Infallible>, 2>>>;

async fn pass_on(
    client: Client<HttpConnector, Full<Bytes>>,
    backend: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Answer>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let onward = Request::post(format!("http://{backend}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(body))
        .expect("a request");
    let answer = client.request(onward).await.expect("the backend answers");
    answer.into_body().collect().await?;
    Ok(Response::builder().header("content-type", "application/grpc").body(ok()).expect("a response"))
}

/// An empty message and status 0.
fn ok() -> Answer {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let frames = [Ok(Frame::data(Bytes::from_static(&[0; 5]))), Ok(Frame::trailers(trailers))];
    StreamBody::new(futures_util::stream::iter(frames))
}
