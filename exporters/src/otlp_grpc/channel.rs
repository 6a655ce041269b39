//! One request's way over a connection, with guards around tonic's channel.
//!
//! - **Guaranteed:** whatever goes wrong on the way (refused, reset, closed without an answer) is
//!   UNAVAILABLE, which the table retries: a network that fails says nothing about the data. Left to
//!   itself tonic calls some of these UNKNOWN or INTERNAL, which would lose the request. And
//!   `grpc-status-details-bin` that is not base64 is left out, because tonic panics on it. A request that is not
//!   compressed goes out from where it is ([`super::frame`]).
//! - **Not here:** which connection ([`super::connections`]).

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use tonic::{ConnectError, Status, TimeoutExpired, body::Body, metadata::MetadataMap, transport::Channel};
use tower::Service;

use super::frame::Framed;
use crate::{causes::causes, delivery::payload::Payload};

/// A channel whose answers are safe to hand to tonic's client.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    pub(super) channel: Channel,
    /// Goes out in place of what tonic would frame.
    pub(super) plain: Option<Payload>,
    pub(super) way: Arc<Way>,
}

/// How one request fared on its way.
#[derive(Debug, Default)]
pub(super) struct Way(AtomicU8);

// === impl Way ===

impl Way {
    /// The connection has failed.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.0.load(Relaxed), LOST | UNSENT)
    }

    /// There was no answer in time. tonic measures it too, because the request carries it as `grpc-timeout`.
    pub(super) fn is_late(&self) -> bool {
        self.0.load(Relaxed) == LATE
    }

    /// It has failed before the request could be sent.
    pub(super) fn is_unsent(&self) -> bool {
        self.0.load(Relaxed) == UNSENT
    }

    /// A failure of the way, not an answer.
    fn lost(&self, error: &(dyn Error + 'static)) -> Status {
        let how = match error {
            _ if has::<TimeoutExpired>(error) => LATE,
            _ if has::<ConnectError>(error) => UNSENT,
            _ => LOST,
        };
        self.0.store(how, Relaxed);
        Status::unavailable(causes(error))
    }
}

// === impl Guarded ===

impl Service<Request<Body>> for Guarded {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, ctx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.channel.poll_ready(ctx).map_err(|error| self.way.lost(&error))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let request = match self.plain.take() {
            Some(payload) => request.map(|_| Body::new(Framed::new(payload))),
            None => request,
        };
        let (answer, way) = (self.channel.call(request), Arc::clone(&self.way));
        Box::pin(async move {
            let mut answer = answer.await.map_err(|error| way.lost(&error))?;
            leave_out_bad_details(answer.headers_mut());
            Ok(answer.map(|body| {
                Body::new(body.map_err(move |error| way.lost(&error)).map_frame(|mut frame| {
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

/// Whether an error, or one of its causes, is of this kind.
fn has<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    error.is::<E>() || error.source().is_some_and(has::<E>)
}

const LOST: u8 = 1;
const UNSENT: u8 = 2;
const LATE: u8 = 3;
const DETAILS: &str = "grpc-status-details-bin";
