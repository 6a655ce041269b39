//! The few HTTP requests of the smoke test. HTTP only; TLS comes with the port's.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

use super::{Settings, page::Page};
use crate::service::chain;

pub(super) struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    url: String,
    metrics_url: String,
    api_key: String,
}

/// An answer of the API.
pub(super) struct Reply {
    pub(super) status: u16,
    /// `null` if it is not JSON.
    pub(super) body: Value,
}

// === impl Client ===

impl Client {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            http: legacy::Client::builder(TokioExecutor::new()).build_http(),
            url: settings.url.trim_end_matches('/').to_owned(),
            metrics_url: settings.metrics_url.clone(),
            api_key: settings.api_key.clone(),
        }
    }

    /// A scrape as Prometheus does it, exemplars included.
    pub(super) async fn metrics(&self) -> Result<Page, String> {
        let accept = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let request = Request::get(&self.metrics_url).header(header::ACCEPT, accept);
        let (status, body) = self.send(request, Bytes::new()).await?;
        match status {
            200 => Ok(Page::read(&String::from_utf8_lossy(&body))),
            other => Err(format!("{} answers {other}", self.metrics_url)),
        }
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Reply, String> {
        let request =
            Request::post(format!("{}{path}", self.url)).header(header::CONTENT_TYPE, "application/json");
        self.call(request, body.to_string().into()).await
    }

    pub(super) async fn get(&self, path: &str) -> Result<Reply, String> {
        self.call(Request::get(format!("{}{path}", self.url)), Bytes::new()).await
    }

    async fn call(&self, request: http::request::Builder, body: Bytes) -> Result<Reply, String> {
        let request = request.header("x-api-key", &self.api_key).header(header::ACCEPT, "application/json");
        let (status, body) = self.send(request, body).await?;
        Ok(Reply { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }

    async fn send(&self, request: http::request::Builder, body: Bytes) -> Result<(u16, Bytes), String> {
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let url = request.uri().to_string();
        let exchange = async {
            let response =
                self.http.request(request).await.map_err(|error| format!("{url}: {}", chain(&error)))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
            Ok((status, body.map_err(|error| format!("{url}: {error}"))?.to_bytes()))
        };
        tokio::time::timeout(WITHIN, exchange).await.map_err(|_| format!("{url} did not answer in time"))?
    }
}

/// Room for the page of a busy server.
const BODY_BYTES_MAX: usize = 256 << 20;
const WITHIN: Duration = Duration::from_secs(10);
