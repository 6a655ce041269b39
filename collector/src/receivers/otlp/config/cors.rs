//! `cors:` of `protocols.http:`

use http::{HeaderName, HeaderValue};
use pipelines::config::ConfigError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which web pages may send, with the keys of the Collector's `confighttp.CORSConfig`. Without an allowed origin it is
/// off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// Origins such as `https://shop.example.com`. `*` stands for any; within an origin, one `*` stands for any text.
    pub allowed_origins: Vec<String>,
    /// Request headers that a page may send beside `accept`, `content-type` and `x-requested-with`, which stand for an
    /// empty list; `*` for any.
    pub allowed_headers: Vec<String>,
    /// Response headers that a page may read.
    pub exposed_headers: Vec<String>,
    /// For how many seconds a browser may remember the answer to its question; 0 leaves that to the browser.
    pub max_age: u32,
}

// === impl Cors ===

impl Cors {
    pub(super) fn check(&self) -> Vec<ConfigError> {
        let origins = self.allowed_origins.iter().enumerate().filter_map(|(i, origin)| {
            let fault = origin_fault(origin)?;
            Some(ConfigError::new(format!("allowed_origins[{i}]"), format!("`{origin}` {fault}")))
        });
        let lists = [("allowed_headers", &self.allowed_headers), ("exposed_headers", &self.exposed_headers)];
        let headers = lists.into_iter().flat_map(|(key, list)| {
            list.iter().enumerate().filter_map(move |(i, name)| {
                let is_name = name == "*" || HeaderName::try_from(name).is_ok();
                (!is_name).then(|| {
                    ConfigError::new(format!("{key}[{i}]"), format!("`{name}` is not the name of a header"))
                })
            })
        });
        origins.chain(headers).collect()
    }

    pub(super) fn warnings(&self) -> Vec<ConfigError> {
        if !self.allowed_origins.is_empty() || *self == Self::default() {
            return Vec::new();
        }
        vec![ConfigError::new("allowed_origins", "is empty, so the other keys beside it have no effect")]
    }
}

fn origin_fault(origin: &str) -> Option<&'static str> {
    if origin.matches('*').count() > 1 {
        return Some("has more than one `*`");
    }
    if HeaderValue::try_from(origin).is_err() || origin.is_empty() {
        return Some("is not an origin; write for example https://shop.example.com");
    }
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    host.contains('/').then_some("has a path, which no origin has; write scheme://host:port")
}
