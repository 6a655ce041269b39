//! OTLP/HTTP with protobuf bodies: one path for each signal.
//!
//! - **In:** `POST` with `application/x-protobuf`, plain or compressed with gzip, by HTTP/1.1 or HTTP/2.
//! - **Out:** 200 with the export response; or a status by the table in [`super::status`] with a
//!   `google.rpc.Status` as its body, in the request's encoding.
//! - **Guaranteed:** a body is read only as far as it is admitted. What is left of a refused one is thrown
//!   away for a moment, so that a client that writes before it reads still sees the answer.
//! - **Not here:** JSON bodies; CORS.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response,
    header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::Full;
use hyper::body::Incoming;
use proto::SignalKind;
use tokio::time::timeout;

use super::{
    config,
    inflate::{Encoding, Inflater},
    intake::Intake,
    status::Decline,
};
use crate::{
    listener::{Handler, names_its_host},
    receivers::{
        admission::Permit,
        body::{self, Unwanted},
    },
};

/// Serves the requests of all connections.
#[derive(Clone)]
pub(super) struct Service {
    intake: Intake,
    settings: Arc<Settings>,
}

/// What the configuration says about requests.
struct Settings {
    /// In the order of [`SignalKind::ALL`].
    paths: [String; 3],
    body_bytes_max: usize,
    body_timeout: Duration,
    accepts_plain: bool,
    accepts_gzip: bool,
    response_headers: HeaderMap,
}

/// What a body is written in, and so is its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MediaType {
    Protobuf,
    Json,
    Other,
}

// === impl Service ===

impl Service {
    pub(super) fn new(intake: Intake, config: &config::Http) -> Self {
        let settings = Settings {
            paths: SignalKind::ALL.map(|signal| config.url_path(signal).to_owned()),
            body_bytes_max: config.body_bytes_max(),
            body_timeout: config.body_timeout(),
            accepts_plain: config.accepts_plain(),
            accepts_gzip: config.accepts_gzip(),
            response_headers: config.response_headers(),
        };
        Self { intake, settings: Arc::new(settings) }
    }

    async fn export(
        &self,
        request: &Request<()>,
        media_type: MediaType,
        body: &mut Unwanted<Incoming>,
    ) -> Result<Bytes, Decline> {
        if !names_its_host(request) {
            return Err(Decline::NoHost);
        }
        let path = request.uri().path();
        let signal = self.settings.signal(path).ok_or_else(|| Decline::unknown_path(path))?;
        if request.method() != Method::POST {
            return Err(Decline::NotPost);
        }
        self.intake.check(signal)?;
        media_type.check()?;
        let read = self.settings.read(request.headers(), body, self.intake.inflater()).await;
        self.intake.take(signal, read).await
    }
}

impl Handler for Service {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, mut body) = Unwanted::wrap(request).into_parts();
        let request = Request::from_parts(parts, ());
        let media_type = MediaType::of(request.headers());
        let mut response = match self.export(&request, media_type, &mut body).await {
            Ok(message) => answer(message, PROTOBUF),
            Err(decline) => refuse(&decline, media_type),
        };
        for (name, value) in &self.settings.response_headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }
}

fn answer(message: Bytes, content_type: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(message));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn refuse(decline: &Decline, media_type: MediaType) -> Response<Full<Bytes>> {
    let mut response = match media_type {
        MediaType::Json => answer(decline.to_json(), JSON),
        MediaType::Protobuf | MediaType::Other => answer(decline.details(), PROTOBUF),
    };
    (_, *response.status_mut()) = decline.codes();
    if let Some(after) = decline.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, whole_seconds(after).into());
    }
    if matches!(decline, Decline::NotPost) {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// Retry-After counts whole seconds; a sender should not come back too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

// === impl Settings ===

impl Settings {
    fn signal(&self, path: &str) -> Option<SignalKind> {
        SignalKind::ALL.into_iter().zip(&self.paths).find(|(_, own)| *own == path).map(|(signal, _)| signal)
    }

    async fn read(
        &self,
        headers: &HeaderMap,
        body: &mut Unwanted<Incoming>,
        inflater: &Inflater,
    ) -> Result<(Bytes, Permit), Decline> {
        let encoding = self.encoding(headers)?;
        let bytes_max = self.body_bytes_max;
        let reading = async {
            let body = body::read(body, inflater.admission(), bytes_max).await;
            let body = body.map_err(|error| Decline::body(error, bytes_max))?.freeze();
            let Some(encoding) = encoding else { return Ok(body) };
            let (compressed, _permit) = body;
            let inflated = inflater.inflate(encoding, &compressed, bytes_max).await;
            Ok(inflated.map_err(|error| Decline::inflate(error, bytes_max))?.freeze())
        };
        timeout(self.body_timeout, reading).await.unwrap_or(Err(Decline::TooSlow(self.body_timeout)))
    }

    fn encoding(&self, headers: &HeaderMap) -> Result<Option<Encoding>, Decline> {
        let value = headers.get(CONTENT_ENCODING).map_or(&b""[..], HeaderValue::as_bytes).trim_ascii();
        let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
        if self.accepts_plain && (is("") || is("identity")) {
            Ok(None)
        } else if self.accepts_gzip && (is("gzip") || is("x-gzip")) {
            Ok(Some(Encoding::Gzip))
        } else {
            let accepted = match (self.accepts_gzip, self.accepts_plain) {
                (true, true) => "gzip or none",
                (true, false) => "gzip",
                (false, _) => "none",
            };
            Err(Decline::unknown_encoding(value, accepted))
        }
    }
}

// === impl MediaType ===

impl MediaType {
    /// Parameters such as a charset do not matter, nor does the letter case.
    fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if essence.eq_ignore_ascii_case(b"application/x-protobuf") {
            Self::Protobuf
        } else if essence.eq_ignore_ascii_case(b"application/json") {
            Self::Json
        } else {
            Self::Other
        }
    }

    fn check(self) -> Result<(), Decline> {
        match self {
            Self::Protobuf => Ok(()),
            Self::Json => Err(Decline::UnsupportedMedia(
                "JSON is not supported in this version; send application/x-protobuf".to_owned(),
            )),
            Self::Other => {
                Err(Decline::UnsupportedMedia("the content type must be application/x-protobuf".to_owned()))
            }
        }
    }
}

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
