//! The one table of answers: what became of a request, as a gRPC code and as an HTTP status.
//!
//! | what | gRPC | HTTP | the sender should |
//! | --- | --- | --- | --- |
//! | taken, wholly or in part | OK | 200 | go on |
//! | too many bytes, before or after inflation, or more than all requests together may have | RESOURCE_EXHAUSTED, no RetryInfo | 413 | send less at once |
//! | a passing condition: memory, lag, disk, drain, a body that came too slowly | UNAVAILABLE with RetryInfo | 503 with Retry-After | come back |
//! | not OTLP, does not inflate, cut off, HTTP/1.1 without a host, two content types | INVALID_ARGUMENT | 400 | give up |
//! | refused for good | INVALID_ARGUMENT | 400 | give up |
//! | not delivered, in a pipeline that answers `delivered`: refused for good by the destination | its own code | see [`downstream`] | give up |
//! | the same, given up after passing failures | UNAVAILABLE with RetryInfo | 503 with Retry-After | come back |
//! | a signal no pipeline takes, an unknown method or path | UNIMPLEMENTED | 404 | look at its configuration |
//! | an encoding or a content type we do not know | UNIMPLEMENTED | 415 | look at its configuration |
//! | no credentials, or wrong ones | UNAUTHENTICATED | 401 with WWW-Authenticate | look at its configuration |
//! | another method than POST | UNIMPLEMENTED | 405 | look at its configuration |
//! | a compressed message without `grpc-encoding` | INTERNAL | – | give up (gRPC, *Compression*, demands this code) |
//!
//! OTLP, *Failures*: `RESOURCE_EXHAUSTED` without RetryInfo means "never again", so a passing condition is
//! always UNAVAILABLE.

use std::{io, time::Duration};

use http::StatusCode;
use pipelines::refusal::{Reason, Refusal};
use proto::{Malformed, SignalKind, json, response};
use thiserror::Error;

use crate::receivers::{admission::Full, auth::Denied, body::BodyError, otlp::inflate::InflateError};

/// Why a request was not taken.
#[derive(Debug, Error)]
pub(super) enum Decline {
    #[error("the request has more than {bytes_max} bytes, which is the limit of this receiver")]
    TooLarge { bytes_max: usize },
    #[error("the request takes more memory than there is for all requests together; send less at once")]
    NeverFits,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the body did not arrive within {0:?}")]
    TooSlow(Duration),
    #[error("the body is not an OTLP export request: {0}")]
    Malformed(#[from] Malformed),
    #[error("the body is not an OTLP/JSON export request: {0}")]
    NotJson(json::Fault),
    #[error("the body does not inflate: {0}")]
    Corrupt(io::Error),
    #[error("the body ended early")]
    CutOff,
    #[error("{0}")]
    Framing(&'static str),
    #[error("an HTTP/1.1 request names its host exactly once (RFC 9112, section 3.2)")]
    NoHost,
    #[error("the message is compressed, but there is no grpc-encoding")]
    CompressedWithoutEncoding,
    #[error("no pipeline of this collector accepts {0}")]
    NoPipeline(SignalKind),
    #[error("there is nothing at {0}")]
    UnknownPath(String),
    #[error("the encoding `{0}` is not supported; send {1}")]
    UnknownEncoding(String, String),
    #[error("the content type must be application/x-protobuf or application/json")]
    UnsupportedMedia,
    #[error(transparent)]
    Unauthenticated(#[from] Denied),
    #[error("the content type is given several times, and not the same")]
    TwoMediaTypes,
    #[error("only POST is served here")]
    NotPost,
}

/// The gRPC codes we answer with; google.rpc.Code has the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Code {
    Unknown = 2,
    InvalidArgument = 3,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

// === impl Decline ===

impl Decline {
    /// The table.
    pub(super) fn codes(&self) -> (Code, StatusCode) {
        match self {
            Self::TooLarge { .. }
            | Self::NeverFits
            | Self::Refused(Refusal::Permanent { reason: Reason::TooLarge }) => {
                (Code::ResourceExhausted, StatusCode::PAYLOAD_TOO_LARGE)
            }
            Self::Refused(Refusal::Retry { .. }) | Self::TooSlow(_) => {
                (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Refused(Refusal::Downstream(told)) => match told.retry_after {
                Some(_) => (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
                None => downstream(told.code),
            },
            Self::Refused(Refusal::Permanent { .. })
            | Self::Malformed(_)
            | Self::NotJson(_)
            | Self::Corrupt(_)
            | Self::CutOff
            | Self::NoHost
            | Self::TwoMediaTypes
            | Self::Framing(_) => (Code::InvalidArgument, StatusCode::BAD_REQUEST),
            Self::CompressedWithoutEncoding => (Code::Internal, StatusCode::BAD_REQUEST),
            Self::NoPipeline(_) | Self::UnknownPath(_) => (Code::Unimplemented, StatusCode::NOT_FOUND),
            Self::UnknownEncoding(..) | Self::UnsupportedMedia => {
                (Code::Unimplemented, StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            Self::Unauthenticated(_) => (Code::Unauthenticated, StatusCode::UNAUTHORIZED),
            Self::NotPost => (Code::Unimplemented, StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    /// Why, in one word of [`REASONS`].
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::NeverFits => Reason::TooLarge.as_label(),
            Self::Refused(refusal) => refusal.reason().as_label(),
            Self::TooSlow(_) => "too_slow",
            Self::CutOff => "cut_off",
            Self::Malformed(_)
            | Self::NotJson(_)
            | Self::Corrupt(_)
            | Self::Framing(_)
            | Self::CompressedWithoutEncoding => "undecodable",
            Self::NoHost | Self::TwoMediaTypes => UNREADABLE,
            Self::NoPipeline(_) => Reason::NoPipeline.as_label(),
            Self::UnknownPath(_) => "unknown_path",
            Self::UnknownEncoding(..) => "unsupported_encoding",
            Self::UnsupportedMedia => "unsupported_media_type",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::NotPost => "unsupported_method",
        }
    }

    /// Whether the bytes are at fault, and not their number, their time or their place.
    pub(super) fn is_malformed(&self) -> bool {
        matches!(self.codes().0, Code::InvalidArgument | Code::Internal)
    }

    /// Nothing is served at `path`.
    pub(super) fn unknown_path(path: &str) -> Self {
        Self::UnknownPath(cut(path))
    }

    /// `encoding` is none of those in `known`.
    pub(super) fn unknown_encoding(encoding: &[u8], known: &str) -> Self {
        Self::UnknownEncoding(cut(&String::from_utf8_lossy(encoding)), known.to_owned())
    }

    /// When to come back, for a passing condition; always more than zero.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after().map(|after| after.max(RETRY_AFTER_MIN)),
            Self::TooSlow(_) => Some(RETRY_AFTER_MIN),
            _ => None,
        }
    }

    /// The answer as `google.rpc.Status`, its texts not longer than `text_bytes_max`.
    pub(super) fn status(&self, text_bytes_max: usize) -> response::Status {
        let short = |text: &str| text[..text.floor_char_boundary(text_bytes_max)].to_owned();
        response::Status {
            code: self.codes().0 as i32,
            message: short(&self.to_string()),
            retry_after: self.retry_after(),
            violations: self
                .violation()
                .into_iter()
                .map(|field| response::Violation {
                    field: short(&field),
                    description: short(&self.to_string()),
                })
                .collect(),
        }
    }

    /// Which part of the request is wrong.
    fn violation(&self) -> Option<String> {
        Some(match self {
            Self::Malformed(malformed) => malformed.field.to_string(),
            Self::NotJson(fault) if !fault.path.is_empty() => fault.path.clone(),
            Self::NotJson(_) => "body".to_owned(),
            Self::Corrupt(_) | Self::CutOff | Self::Framing(_) => "body".to_owned(),
            _ => return None,
        })
    }

    /// What a buffer of `bytes_max` bytes says when it cannot grow.
    pub(super) fn full(full: Full, bytes_max: usize) -> Self {
        match full {
            Full::Limit => Self::TooLarge { bytes_max },
            Full::Never => Self::NeverFits,
            Full::Budget => Self::Refused(Refusal::retry(Reason::MemoryLimit)),
        }
    }

    /// What a body of at most `bytes_max` bytes says that could not be read.
    pub(super) fn body(error: BodyError, bytes_max: usize) -> Self {
        match error {
            BodyError::Full(full) => Self::full(full, bytes_max),
            BodyError::CutOff => Self::CutOff,
            BodyError::Silent(patience) => Self::TooSlow(patience),
        }
    }

    /// What an inflation to at most `bytes_max` bytes says.
    pub(super) fn inflate(error: InflateError, bytes_max: usize) -> Self {
        match error {
            InflateError::Full(full) => Self::full(full, bytes_max),
            InflateError::Corrupt(error) => Self::Corrupt(error),
        }
    }
}

/// Every value of the label `reason` of refused requests.
pub(super) const REASONS: [&str; 16] = [
    "too_large",
    "memory_limit",
    "queue_full",
    "storage",
    "shutting_down",
    "downstream",
    "no_pipeline",
    "too_slow",
    "cut_off",
    "undecodable",
    UNREADABLE,
    "unauthenticated",
    "unknown_path",
    "unsupported_encoding",
    "unsupported_media_type",
    "unsupported_method",
];
/// The head of a request is no HTTP, too large, or contradicts itself.
pub(super) const UNREADABLE: &str = "bad_head";

/// What a destination refused for good, told to the sender: never a code that means "come back".
fn downstream(code: i32) -> (Code, StatusCode) {
    match code {
        3 => (Code::InvalidArgument, StatusCode::BAD_REQUEST),
        5 => (Code::NotFound, StatusCode::NOT_FOUND),
        6 => (Code::AlreadyExists, StatusCode::CONFLICT),
        7 => (Code::PermissionDenied, StatusCode::FORBIDDEN),
        8 => (Code::ResourceExhausted, StatusCode::PAYLOAD_TOO_LARGE),
        9 => (Code::FailedPrecondition, StatusCode::BAD_REQUEST),
        12 => (Code::Unimplemented, StatusCode::NOT_IMPLEMENTED),
        13 => (Code::Internal, StatusCode::INTERNAL_SERVER_ERROR),
        16 => (Code::Unauthenticated, StatusCode::UNAUTHORIZED),
        _ => (Code::Unknown, StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// What a sender wrote, short enough to be repeated in a header.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(QUOTE_BYTES_MAX)].to_owned()
}

const QUOTE_BYTES_MAX: usize = 200;
/// Retry-After counts whole seconds.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
