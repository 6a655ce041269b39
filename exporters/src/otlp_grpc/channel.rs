//! The connection, with two guards around tonic's channel.
//!
//! - **Guaranteed:** whatever goes wrong on the way (refused, reset, closed without an answer) is
//!   UNAVAILABLE, which the table retries: a network that fails says nothing about the data. Left to
//!   itself tonic calls some of these UNKNOWN or INTERNAL, which would lose the request. And
//!   `grpc-status-details-bin` that is not base64 is left out, because tonic panics on it.
//! - **Not here:** connecting. tonic connects on the first request, and anew on the first request
//!   after a failure.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use tonic::{Status, body::Body, metadata::MetadataMap, transport::Channel};
use tower::Service;

/// A channel whose answers are safe to hand to tonic's client.
#[derive(Clone, Debug)]
pub(super) struct Guarded(pub(super) Channel);

// === impl Guarded ===

impl Service<Request<Body>> for Guarded {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, ctx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(ctx).map_err(|error| lost(&error))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move {
            let mut answer = answer.await.map_err(|error| lost(&error))?;
            leave_out_bad_details(answer.headers_mut());
            Ok(answer.map(|body| {
                Body::new(body.map_err(|error| lost(&error)).map_frame(|mut frame| {
                    if let Some(trailers) = frame.trailers_mut() {
                        leave_out_bad_details(trailers);
                    }
                    frame
                }))
            }))
        })
    }
}

fn leave_out_bad_details(headers: &mut HeaderMap) {
    if headers.contains_key(DETAILS) {
        let metadata = MetadataMap::from_headers(headers.clone());
        if metadata.get_bin(DETAILS).is_none_or(|details| details.to_bytes().is_err()) {
            headers.remove(DETAILS);
        }
    }
}

/// A failure of the way, not an answer.
fn lost(error: &(dyn Error + 'static)) -> Status {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        // Some errors repeat their cause in their own text.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    Status::unavailable(text)
}

const DETAILS: &str = "grpc-status-details-bin";
