//! What is answered: the export response or a `google.rpc.Status`, in the request's encoding.
//!
//! - **In:** a message, or why there is none.
//! - **Out:** the response; a long one compressed, if the client asked for that.
//! - **Not here:** which status fits which refusal; that is the table in [`super::super::status`].

use std::{io::Write, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderValue, Response,
    header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE},
};
use http_body::Body;
use http_body_util::Full;

use proto::{json, response::TEXT_BYTES_MAX};

use super::MediaType;
use crate::receivers::otlp::status::Decline;

/// 200 with the export response.
pub(super) fn answer(message: Bytes, media_type: MediaType) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(message));
    let content_type = if media_type == MediaType::Json { JSON } else { PROTOBUF };
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The status of `decline`. `encodings` are those that are taken.
pub(super) fn refuse(decline: &Decline, media_type: MediaType, encodings: &[&str]) -> Response<Full<Bytes>> {
    let status = decline.status(TEXT_BYTES_MAX);
    let body = match media_type {
        MediaType::Json => json::encode_status(&status),
        MediaType::Protobuf | MediaType::Other | MediaType::Several => status.encode(),
    };
    let mut response = answer(body.into(), media_type);
    (_, *response.status_mut()) = decline.codes();
    let headers = response.headers_mut();
    if let Some(after) = decline.retry_after() {
        headers.insert(RETRY_AFTER, whole_seconds(after).into());
    }
    match decline {
        Decline::NotPost => {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        Decline::Unauthenticated(denied) => {
            headers.insert(WWW_AUTHENTICATE, denied.challenge());
        }
        // RFC 9110, section 15.5.16.
        Decline::UnknownEncoding(..) => {
            let known = encodings.iter().map(|name| if name.is_empty() { "identity" } else { name });
            let known = known.collect::<Vec<_>>().join(", ");
            headers.insert(ACCEPT_ENCODING, known.try_into().expect("the names are of letters"));
        }
        _ => {}
    }
    response
}

/// The encodings that are taken, for a person.
pub(super) fn list(encodings: &[&str]) -> String {
    let names = encodings.iter().map(|name| if name.is_empty() { "none at all" } else { name });
    names.collect::<Vec<_>>().join(" or ")
}

/// Compresses a long answer for a client that takes gzip.
pub(super) fn compress(request: &HeaderMap, response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let length = response.body().size_hint().exact().unwrap_or(0);
    if length < LONG_BYTES || !takes_gzip(request) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let plain = body.into_inner().unwrap_or_default();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(&plain).and_then(|()| encoder.finish());
    let Ok(compressed) = written else { return Response::from_parts(parts, Full::new(plain)) };
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    Response::from_parts(parts, Full::new(compressed.into()))
}

/// Whether `accept-encoding` names gzip without `q=0` (RFC 9110, section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
        let refused = parts.any(|part| {
            part.split_once('=').is_some_and(|(key, q)| {
                key.trim().eq_ignore_ascii_case("q") && q.trim().parse::<f32>().is_ok_and(|q| q == 0.0)
            })
        });
        named && !refused
    })
}

/// Retry-After counts whole seconds; a sender should not come back too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Below that, compressing costs more than it saves.
const LONG_BYTES: u64 = 1024;
