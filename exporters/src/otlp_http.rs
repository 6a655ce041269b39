//! `otlp_http`: sends export requests over HTTP, as protobuf or as JSON.
//!
//! Read in this order: [`config`], this file (one request), `body` (what it carries), `answer` (what comes back),
//! `connector` (a way to the destination).
//!
//! - **In:** the bytes of an export request.
//! - **Out:** one POST, and what came of it, by the table of [`crate::delivery::retry`].
//! - **Guaranteed:** protobuf is sent as it came; the start does not wait for the destination; an attempt ends within its
//!   time, connecting included; an answer takes at most [`ANSWER_BYTES_MAX`] of memory, also when it is compressed; a
//!   failure of the way says nothing about the data, so the request is sent again. Connections are kept and used again;
//!   over TLS HTTP/2 is spoken where the destination offers it.
//! - **Not here:** retry, joining, order ([`crate::delivery`]); redirects, which are refusals that say where to go.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header, uri::Scheme};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioTimer},
};
use pipelines::{
    config::ConfigError,
    consumer::{Exporter, Feed},
    spans,
};
use proto::SignalKind;
use tokio::time::timeout;

use crate::{
    Settings,
    auth::Credentials,
    causes::causes,
    delivery::{
        self, Answer, Delivery, Destination, Refused,
        payload::Payload,
        retry::{self, Action, DEADLINE_EXCEEDED, UNAVAILABLE},
    },
    tls::{Reloads, TlsClient},
};

mod answer;
mod body;
pub mod config;
mod connector;

pub use config::Config;

use body::Form;
use connector::Connector;

/// The exporter: a destination, and the delivery to it.
#[derive(Debug)]
pub struct OtlpHttp {
    client: Client,
    delivery: delivery::Settings,
}

/// A destination that speaks OTLP over HTTP.
#[derive(Clone, Debug)]
pub struct Client {
    http: legacy::Client<Connector, Full<Bytes>>,
    /// In the order of [`SignalKind::ALL`].
    urls: [Option<Uri>; 3],
    form: Form,
    /// What every request carries.
    headers: HeaderMap,
    credentials: Option<Arc<Credentials>>,
    timeout: Duration,
    reloads: Option<Arc<Reloads>>,
}

// === impl Config ===

impl Config {
    /// The exporter of one pipeline.
    ///
    /// # Errors
    /// There is no URL for the pipeline's signal, a certificate cannot be read, or [`Config::check`] would have
    /// complained.
    pub fn build(&self, settings: &Settings<'_>) -> Result<OtlpHttp, ConfigError> {
        let client = Client::new(self, Credentials::find(self.auth.as_ref(), settings.authenticators)?)?;
        if let Some(error) = self.check_signal(settings.signal) {
            return Err(error);
        }
        let delivery = self.sending_queue.settings(&self.retry_on_failure, settings.seed, settings.hints);
        Ok(OtlpHttp { client, delivery })
    }

    /// What is wrong with the files of `tls`, if TLS is spoken.
    pub fn file_fault(&self) -> Option<ConfigError> {
        let urls = self.urls().ok()?;
        let secure = urls.iter().flatten().any(|url| url.scheme() == Some(&Scheme::HTTPS));
        let fault = secure.then(|| TlsClient::file_fault(&self.tls)).flatten();
        fault.map(|error| error.under("tls"))
    }
}

// === impl OtlpHttp ===

impl OtlpHttp {
    /// How often it has read its certificates again, if it has any.
    pub fn reloads(&self) -> Option<Arc<Reloads>> {
        self.client.reloads.clone()
    }
}

impl Exporter for OtlpHttp {
    fn run(self: Box<Self>, feed: Feed) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::new(Delivery::new(self.client, self.delivery)).run(feed)
    }
}

// === impl Client ===

impl Client {
    /// A client that connects on its first request.
    ///
    /// # Errors
    /// An endpoint, a header or a certificate is wrong.
    pub fn new(config: &Config, credentials: Option<Credentials>) -> Result<Self, ConfigError> {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle_conn_timeout.0)
            .pool_max_idle_per_host(config.idle_connections_max())
            .http1_max_buf_size(HTTP1_BUFFER_BYTES_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX);
        if let Some(every) = config.http2_read_idle_timeout.filter(|every| !every.0.is_zero()) {
            builder.http2_keep_alive_interval(every.0).http2_keep_alive_timeout(config.http2_ping_timeout());
        }
        let connector = Connector::new(config)?;
        Ok(Self {
            reloads: connector.reloads(),
            http: builder.build(connector),
            urls: config.urls()?,
            form: config.form(),
            headers: config.headers()?,
            credentials: credentials.map(Arc::new),
            timeout: config.timeout.0,
        })
    }

    fn url(&self, signal: SignalKind) -> Option<&Uri> {
        let place = SignalKind::ALL.iter().position(|kind| *kind == signal)?;
        self.urls[place].as_ref()
    }

    fn request(&self, url: &Uri, signal: SignalKind, message: &Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.form.write(signal, message)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.form.media_type()));
        if let Some(encoding) = self.form.content_encoding() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        headers.extend(self.headers.clone());
        if let Some(credentials) = &self.credentials {
            credentials.apply(headers);
        }
        if let Some(Ok(traceparent)) = spans::traceparent().map(HeaderValue::try_from) {
            headers.insert("traceparent", traceparent);
        }
        request
    }

    /// What a response says, its body included.
    async fn read(&self, response: Response<Incoming>) -> Answer {
        let (parts, body) = response.into_parts();
        let status = parts.status;
        let after = answer::retry_after(&parts.headers, std::time::SystemTime::now());
        match answer::read(&parts.headers, body).await {
            Err(answer::Unread::TooLarge) => {
                let message = format!("{status}, with an answer of more than {ANSWER_BYTES_MAX} bytes");
                refused(Action::GiveUp, retry::ANSWER_TOO_LARGE, message)
            }
            // OTLP, *OTLP/HTTP Response*: the status alone says that the data was taken.
            body if status.is_success() => answer::taken(&parts.headers, &body.unwrap_or_default()),
            body => {
                let (action, code) = retry::http(status.as_u16(), after);
                let words = answer::words(&parts.headers, &body.unwrap_or_default());
                refused(action, code, if words.is_empty() { status.to_string() } else { words })
            }
        }
    }
}

impl Destination for Client {
    fn codes(&self) -> Vec<&'static str> {
        retry::http_names()
    }

    async fn send(&self, signal: SignalKind, request: Payload) -> Answer {
        let Some(url) = self.url(signal) else {
            // Nobody builds an exporter of a pipeline without its URL.
            return refused(Action::GiveUp, retry::http(404, None).1, format!("no URL for {signal}"));
        };
        let request = self.request(url, signal, &request.to_bytes());
        let attempt = async {
            match self.http.request(request).await {
                Ok(response) => self.read(response).await,
                Err(error) => refused(Action::Retry { after: None }, UNAVAILABLE, causes(&error)),
            }
        };
        timeout(self.timeout, attempt).await.unwrap_or_else(|_| {
            let message = format!("no answer from {url} within {:?}", self.timeout);
            refused(Action::Retry { after: None }, DEADLINE_EXCEEDED, message)
        })
    }
}

fn refused(action: Action, code: &'static str, message: String) -> Answer {
    Answer::Refused(Refused { action, code, message })
}

/// OTLP, *OTLP/HTTP Response*: the bound on an answer, before and after decompression.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;
const USER_AGENT: &str = concat!("phasor/", env!("CARGO_PKG_VERSION"));
/// What a connection buffers, which bounds the header of an answer.
const HTTP1_BUFFER_BYTES_MAX: usize = 64 << 10;
const HEADER_BYTES_MAX: u32 = 64 << 10;

#[cfg(test)]
mod tests;
