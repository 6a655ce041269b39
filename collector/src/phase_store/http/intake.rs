//! `POST /api/v1/phases/store`.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State as Shared},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{State, json_answer, problem::Problem};
use crate::phase_store::{
    context::RemoteContext,
    json,
    keys::{Role, hex},
    phase::Phase,
    request::{self, EVENT_UUID_MAX, FieldError},
    store::{Idempotency, Receipt, StorePhase, Stored},
    task::Submission,
};
use crate::receivers::{
    admission::{Full, Permit},
    body::{self, BodyError},
};

/// Authenticates, checks, stores, and answers after the commit.
pub(super) async fn store(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    intake(&state, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn intake(state: &State, request: Request) -> Result<Response, Problem> {
    if state.drain.has_begun() {
        return Err(Problem::unavailable("the collector is shutting down"));
    }
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let access = state.access(&headers, &[Role::Ingest]).await?;
    check_media_type(&headers)?;
    let (bytes, _room) = read_body(state, body).await?;
    let arrival = (state.world.now)();
    let value = json::parse(&bytes).map_err(|error| Problem::malformed(&error))?;
    let checked = request::check(&value, arrival, &state.environment);
    let header_key = header_key(&headers);
    let (phase, header_key) = match (checked, header_key) {
        (Ok(phase), Ok(key)) => (phase, key),
        (phase, key) => {
            let mut errors = phase.err().unwrap_or_default();
            errors.extend(key.err());
            return Err(Problem::fields(&errors));
        }
    };
    if !access.covers(&phase.repo.owner) {
        return Err(Problem::forbidden(format!(
            "this key is not valid for the owner `{}`",
            phase.repo.owner
        )));
    }
    let idempotency = idempotency(header_key, &phase, value)?;
    let context = RemoteContext::read(values(&headers, "traceparent"), values(&headers, "tracestate"));
    let seed = (state.world.seed)().map_err(|_| Problem::unavailable("the system has no random bytes"))?;
    let submission = Submission { phase, context, arrival, seed };
    let request = StorePhase { customer: access.customer, idempotency, submission };
    match state.store.store_phase(request).await? {
        Stored::New(receipt) => Ok(json_answer(StatusCode::CREATED, &told(&receipt))),
        Stored::Before(receipt) => {
            let mut response = json_answer(StatusCode::OK, &told(&receipt));
            let replayed = http::HeaderValue::from_static("true");
            response.headers_mut().insert("idempotent-replayed", replayed);
            Ok(response)
        }
        Stored::KeyReused => Err(Problem::key_reused()),
        Stored::NoSuchTask => Err(Problem::fields(&[FieldError {
            field: "task_id".into(),
            detail: "names no task of this repository; leave it out to open one".into(),
        }])),
    }
}

fn told(receipt: &Receipt) -> Value {
    let Receipt { id, kind, task, trace, span } = receipt;
    json!({
        "success": true,
        "id": id,
        "phase": kind.as_str(),
        "task_id": task.to_string(),
        "trace_id": trace.to_string(),
        "span_id": span.to_string(),
        "links": {"task": format!("/api/v1/tasks/{task}"), "trace": format!("/tempo/api/traces/{trace}")},
    })
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(coding) = headers.get(header::CONTENT_ENCODING)
        && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Problem::content_coding(&String::from_utf8_lossy(coding.as_bytes())));
    }
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json =
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !is_json {
        let sent = if essence.is_empty() { "none was sent".to_owned() } else { format!("not `{essence}`") };
        return Err(Problem::media_type(format!("the content type must be application/json, {sent}")));
    }
    let charset = parts
        .find_map(|parameter| parameter.to_ascii_lowercase().strip_prefix("charset=").map(str::to_owned));
    match charset.as_deref().map(|charset| charset.trim_matches('"')) {
        None | Some("utf-8" | "utf8" | "us-ascii") => Ok(()),
        Some(other) => {
            Err(Problem::media_type(format!("JSON is UTF-8, not `{other}` (RFC 8259, section 8.1)")))
        }
    }
}

/// The body, and the room it takes until the answer. It is admitted as it arrives.
async fn read_body(state: &State, mut body: Body) -> Result<(Bytes, Permit), Problem> {
    let bytes_max = state.body_bytes_max;
    let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let reading = body::read(&mut body, &state.bodies, limit);
    match tokio::time::timeout(BODY_WITHIN, reading).await {
        Ok(Ok(buffer)) => Ok(buffer.freeze()),
        Ok(Err(BodyError::Full(Full::Limit | Full::Never))) => Err(Problem::too_large(bytes_max)),
        Ok(Err(BodyError::Full(Full::Budget))) => Err(Problem::unavailable("too many bytes are in flight")),
        Ok(Err(BodyError::CutOff)) => Err(Problem::body_unreadable()),
        Ok(Err(BodyError::Silent(_))) | Err(_) => Err(Problem::timeout()),
    }
}

/// `Idempotency-Key`, bare or in the quotes of a structured field.
fn header_key(headers: &HeaderMap) -> Result<Option<String>, FieldError> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(first) = keys.next() else { return Ok(None) };
    let fault = |detail: &str| FieldError { field: "Idempotency-Key".into(), detail: detail.into() };
    if keys.next().is_some() {
        return Err(fault("must be sent once"));
    }
    let text = first.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if (1..=EVENT_UUID_MAX).contains(&text.len()) {
        Ok(Some(text.to_owned()))
    } else {
        Err(fault("must have 1 to 128 printable ASCII characters"))
    }
}

/// The key of the header or of the body, and the digest of the body without it.
fn idempotency(
    header_key: Option<String>,
    phase: &Phase,
    mut body: Value,
) -> Result<Option<Idempotency>, Problem> {
    let key = match (header_key, phase.event_uuid.clone()) {
        (Some(header), Some(uuid)) if header != uuid => {
            let detail = "differs from the header Idempotency-Key; send one of them, or the same in both";
            return Err(Problem::fields(&[FieldError { field: "event_uuid".into(), detail: detail.into() }]));
        }
        (header, uuid) => header.or(uuid),
    };
    if let Some(members) = body.as_object_mut() {
        members.remove("event_uuid");
    }
    Ok(key.map(|key| Idempotency { key, digest: hex(&Sha256::digest(json::canonical(&body).as_bytes())) }))
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().map(http::HeaderValue::as_bytes)
}

/// A body that takes longer holds room that others need.
const BODY_WITHIN: Duration = Duration::from_secs(30);
