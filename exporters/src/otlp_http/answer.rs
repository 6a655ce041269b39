//! What an answer says: its body, bounded, and when to come back.
//!
//! **Guaranteed:** nothing a destination says makes it panic; a body takes at most [`ANSWER_BYTES_MAX`] as it comes and
//! again as it is inflated; what cannot be read is as if it were not there.

use std::{
    io::Read,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use flate2::read::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderName, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use proto::response::{PartialSuccess, Status};
use serde::Deserialize;

use super::ANSWER_BYTES_MAX;
use crate::delivery::Answer;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than it may be.
    TooLarge,
    /// It has an end too soon, or is compressed in a way that we did not ask for.
    Broken,
}

/// OTLP/JSON: the response of any of the three services. Unknown keys are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Response {
    partial_success: Option<Partial>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Partial {
    #[serde(alias = "rejectedDataPoints", alias = "rejectedLogRecords")]
    rejected_spans: Count,
    error_message: String,
}

/// A number of 64 bits, which JSON carries as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Count {
    Number(i64),
    Text(String),
}

/// `google.rpc.Status` as JSON, as far as we show it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fault {
    message: String,
}

/// The body of an answer, inflated if need be.
pub(super) async fn read(headers: &HeaderMap, body: Incoming) -> Result<Bytes, Unread> {
    let collected = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let bytes = collected.map_err(|error| match error.is::<LengthLimitError>() {
        true => Unread::TooLarge,
        false => Unread::Broken,
    })?;
    inflate(text(headers, header::CONTENT_ENCODING), bytes.to_bytes())
}

fn inflate(encoding: &str, bytes: Bytes) -> Result<Bytes, Unread> {
    let limited = |reader: &mut dyn Read| {
        let mut inflated = Vec::new();
        let read = reader.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut inflated);
        match read {
            Ok(length) if length > ANSWER_BYTES_MAX => Err(Unread::TooLarge),
            Ok(_) => Ok(inflated.into()),
            Err(_) => Err(Unread::Broken),
        }
    };
    match encoding {
        "" | "identity" => Ok(bytes),
        "gzip" | "x-gzip" => limited(&mut GzDecoder::new(&bytes[..])),
        "deflate" | "zlib" => limited(&mut ZlibDecoder::new(&bytes[..])),
        _ => Err(Unread::Broken),
    }
}

/// OTLP, *Full Success* and *Partial Success*. An answer that cannot be read is a success all the same: the status said
/// so.
pub(super) fn taken(headers: &HeaderMap, body: &[u8]) -> Answer {
    let partial = if is_json(headers) {
        let response: Response = serde_json::from_slice(body).unwrap_or_default();
        let partial = response.partial_success.unwrap_or_default();
        PartialSuccess { rejected: partial.rejected_spans.value(), message: partial.error_message }
    } else {
        PartialSuccess::decode(body).ok().flatten().unwrap_or_default()
    };
    let rejected = u64::try_from(partial.rejected).unwrap_or_default();
    Answer::Taken { rejected, message: partial.message }
}

/// The words of a refusal, in whatever form they come.
pub(super) fn words(headers: &HeaderMap, body: &[u8]) -> String {
    let media_type = text(headers, header::CONTENT_TYPE);
    if is_json(headers) {
        let fault: Fault = serde_json::from_slice(body).unwrap_or_default();
        fault.message
    } else if media_type.starts_with("application/x-protobuf") {
        Status::decode(body).map(|status| status.message).unwrap_or_default()
    } else if let Some(place) = headers.get(header::LOCATION) {
        format!("redirected to {}, which is not followed", String::from_utf8_lossy(place.as_bytes()))
    } else if media_type.starts_with("text/plain") {
        String::from_utf8_lossy(&body[..body.len().min(WORDS_BYTES_MAX)]).trim().to_owned()
    } else {
        String::new()
    }
}

/// RFC 9110, *Retry-After*: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = text(headers, header::RETRY_AFTER);
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        // A date that has passed is one that may be tried at once.
        Err(_) => Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    text(headers, header::CONTENT_TYPE).starts_with("application/json")
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

// === impl Count ===

impl Count {
    fn value(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            Self::Text(text) => text.parse().unwrap_or_default(),
        }
    }
}

impl Default for Count {
    fn default() -> Self {
        Self::Number(0)
    }
}

/// What is shown of a page that some proxy has written.
const WORDS_BYTES_MAX: usize = 4096;
