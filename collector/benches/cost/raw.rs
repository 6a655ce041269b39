//! The measure of forwarding: a gRPC server that sends each request on as it came and answers when that was
//! answered. It looks into nothing and keeps nothing.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{HeaderMap, Request, Response, body::Frame, body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;

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
