//! OTLP/HTTP: one path for each signal.
//!
//! - **In:** `POST` with `application/x-protobuf` or `application/json`, plain or compressed, by HTTP/1.1 or HTTP/2;
//!   preflights of browsers.
//! - **Out:** 200 with the export response; or a status by the table in [`super::status`] with a
//!   `google.rpc.Status` as its body, in the request's encoding.
//! - **Guaranteed:** a body is read only as far as it is admitted. What is left of a refused one is thrown
//!   away for a moment, so that a client that writes before it reads still sees the answer.

mod answer;
mod cors;

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::body::Incoming;
use proto::{SignalKind, response::PartialSuccess};
use tokio::time::timeout;

use self::{
    answer::{answer, refuse},
    cors::Cors,
};
use super::{
    config,
    inflate::{Encoding, Inflater},
    intake::Intake,
    json,
    status::Decline,
};
use crate::{
    listener::{Handler, names_its_host},
    receivers::{
        admission::Permit,
        body::{self, Unwanted},
    },
    telemetry::traces,
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
    /// The content encodings that are taken; the empty one is none at all.
    encodings: Vec<&'static str>,
    cors: Option<Cors>,
    response_headers: HeaderMap,
}

/// What a body is written in, and so is its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MediaType {
    Protobuf,
    Json,
    Other,
    /// Several, which are not the same.
    Several,
}

// === impl Service ===

impl Service {
    pub(super) fn new(intake: Intake, config: &config::Http) -> Self {
        let settings = Settings {
            paths: SignalKind::ALL.map(|signal| config.url_path(signal).to_owned()),
            body_bytes_max: config.body_bytes_max(),
            body_timeout: config.body_timeout(),
            encodings: config.encodings(),
            cors: config.cors.as_ref().and_then(Cors::new),
            response_headers: config.response_headers(),
        };
        Self { intake, settings: Arc::new(settings) }
    }

    async fn answer(
        &self,
        request: &Request<()>,
        from: Option<IpAddr>,
        body: &mut Unwanted<Incoming>,
    ) -> Response<Full<Bytes>> {
        let Settings { cors, encodings, .. } = &*self.settings;
        let asked = cors.as_ref().and_then(|cors| cors.preflight(request.method(), request.headers()));
        if let Some(preflight) = asked {
            return preflight;
        }
        let media_type = MediaType::of(request.headers());
        let mut response = match self.export(request, from, media_type, body).await {
            Ok(message) => answer(message, media_type),
            Err(decline) => {
                self.intake.refused(&decline);
                refuse(&decline, media_type, encodings)
            }
        };
        if let Some(cors) = cors {
            cors.annotate(request.headers(), response.headers_mut());
        }
        answer::compress(request.headers(), response)
    }

    async fn export(
        &self,
        request: &Request<()>,
        from: Option<IpAddr>,
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
        self.intake.check(signal, request.headers()).await?;
        media_type.check()?;
        let inflater = self.intake.inflater();
        let read = match (self.settings.read(request.headers(), body, inflater).await, media_type) {
            (Ok(text), MediaType::Json) => {
                json::decode(signal, text, inflater, self.settings.body_bytes_max).await
            }
            (read, _) => read,
        };
        let client = self.intake.client(request.headers(), from);
        let partial = self.intake.take(signal, read, client, traces::caller(request.headers())).await?;
        Ok(match media_type {
            MediaType::Json => proto::json::encode_response(signal, partial.as_ref()),
            MediaType::Protobuf | MediaType::Other | MediaType::Several => {
                PartialSuccess::encode(partial.as_ref())
            }
        }
        .into())
    }
}

impl Handler for Service {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, from: Option<IpAddr>) -> Response<Full<Bytes>> {
        let (parts, mut body) = Unwanted::wrap(request).into_parts();
        let request = Request::from_parts(parts, ());
        let mut response = self.answer(&request, from, &mut body).await;
        for (name, value) in &self.settings.response_headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }

    fn unreadable(&self) {
        self.intake.unreadable();
    }
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
        let name = match value {
            _ if value.eq_ignore_ascii_case(b"identity") => &b""[..],
            _ if value.eq_ignore_ascii_case(b"x-gzip") => &b"gzip"[..],
            value => value,
        };
        if self.encodings.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes())) {
            Ok(Encoding::named(name))
        } else {
            Err(Decline::unknown_encoding(value, &answer::list(&self.encodings)))
        }
    }
}

// === impl MediaType ===

impl MediaType {
    /// Parameters such as a charset do not matter, nor does the letter case.
    fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes);
        let value = values.next().unwrap_or_default();
        if values.any(|other| other != value) {
            return Self::Several;
        }
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
            Self::Protobuf | Self::Json => Ok(()),
            Self::Other => Err(Decline::UnsupportedMedia),
            Self::Several => Err(Decline::TwoMediaTypes),
        }
    }
}
