//! Problem documents (RFC 9457): the one table from what is wrong to status and body.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::phase_store::{json::Malformed, request::FieldError, store::StoreError};

/// An answer that is not a success.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    /// Last part of `type`; stable, for programs.
    slug: &'static str,
    detail: String,
    more: Vec<(&'static str, Value)>,
    header: Option<(header::HeaderName, &'static str)>,
}

// === impl Problem ===

impl Problem {
    fn new(status: StatusCode, slug: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { status, slug, detail, more: Vec::new(), header: None }
    }

    pub(crate) fn malformed(error: &Malformed) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "malformed-json", error.to_string());
        problem.more.push(("line", error.line.into()));
        problem.more.push(("column", error.column.into()));
        problem
    }

    pub(crate) fn no_host() -> Self {
        let detail = "an HTTP/1.1 request names its host exactly once (RFC 9112, section 3.2)";
        Self::new(StatusCode::BAD_REQUEST, "no-host", detail)
    }

    pub(crate) fn body_unreadable() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "incomplete-body", "the body ended before its announced length")
    }

    pub(crate) fn unauthenticated(detail: &str) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
        problem.header = Some((header::WWW_AUTHENTICATE, "Bearer realm=\"phasor\""));
        problem
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(crate) fn method_not_allowed(method: &http::Method) -> Self {
        let detail = format!("{method} is not one of the methods that the header Allow names");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
    }

    pub(crate) fn timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "body-too-slow",
            "the body did not arrive in time: send it within 30 seconds, without a pause of 10",
        )
    }

    pub(crate) fn key_reused() -> Self {
        let detail = "this idempotency key was used with another body in the last 24 hours";
        Self::new(StatusCode::CONFLICT, "idempotency-key-reused", detail)
    }

    pub(crate) fn too_large(bytes_max: u64) -> Self {
        let mut problem = Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            format!("the body has more than {bytes_max} bytes"),
        );
        problem.more.push(("body_bytes_max", bytes_max.into()));
        problem
    }

    pub(crate) fn media_type(detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail);
        problem.header = Some((header::ACCEPT, "application/json"));
        problem
    }

    pub(crate) fn content_coding(coding: &str) -> Self {
        let detail = format!("the content coding `{coding}` is not supported; send the body as it is");
        let mut problem = Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-content-coding", detail);
        problem.header = Some((header::ACCEPT_ENCODING, "identity"));
        problem
    }

    /// Every field that breaks its rule.
    pub(crate) fn fields(errors: &[FieldError]) -> Self {
        let detail = match errors.len() {
            1 => "1 field breaks its rule".to_owned(),
            count => format!("{count} fields break their rules"),
        };
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-fields", detail);
        let errors = errors.iter().map(|error| json!({"field": error.field, "detail": error.detail}));
        problem.more.push(("errors", errors.collect()));
        problem
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        problem.header = Some((header::RETRY_AFTER, RETRY_AFTER));
        problem
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // The cause belongs into our log, not into a stranger's terminal.
        match error {
            StoreError::Busy => Self::unavailable("too many requests are waiting for the store"),
            StoreError::Closed => Self::unavailable("the store is closed"),
            StoreError::Failed(cause) => {
                tracing::error!(%cause, "a request failed in the phase store");
                Self::unavailable("the store could not complete the transaction; nothing was stored")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut document = Map::new();
        document.insert("type".into(), format!("urn:phasor:problem:{}", self.slug).into());
        document.insert("title".into(), self.status.canonical_reason().unwrap_or_default().into());
        document.insert("status".into(), self.status.as_u16().into());
        document.insert("detail".into(), self.detail.into());
        document.extend(self.more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut response = Response::new(Body::from(Value::Object(document).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some((name, value)) = self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Seconds.
const RETRY_AFTER: &str = "1";
