//! Cross-origin requests of web pages (Fetch, *CORS protocol*), answered as the Collector's `cors` block has it.
//!
//! - **In:** the headers of a request.
//! - **Out:** the answer to a browser's question before the request (a preflight), or headers on the answer to the
//!   request itself.
//! - **Not here:** refusing. Whether a page may read an answer is the browser's to enforce; a request of a foreign
//!   origin is served like any other, only without the headers that would let the page read the answer.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};
use http_body_util::Full;

use crate::receivers::otlp::config;

/// Who may ask from where.
#[derive(Debug)]
pub(super) struct Cors {
    origins: Vec<Origin>,
    /// `None`: any header.
    headers: Option<Vec<HeaderName>>,
    exposed: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

#[derive(Debug)]
enum Origin {
    Any,
    /// In lower case.
    One(String),
    /// What stands before and after the `*`, in lower case.
    Like(String, String),
}

// === impl Cors ===

impl Cors {
    /// `None` if no origin is allowed.
    pub(super) fn new(config: &config::Cors) -> Option<Self> {
        let names = |list: &[String]| list.iter().filter_map(|name| name.try_into().ok()).collect();
        let headers = match &config.allowed_headers[..] {
            [] => Some(HEADERS_USUAL.map(HeaderName::from_static).into()),
            list if list.iter().any(|name| name == "*") => None,
            list => Some(names(list)),
        };
        let exposed = (!config.exposed_headers.is_empty()).then(|| config.exposed_headers.join(", "));
        (!config.allowed_origins.is_empty()).then(|| Self {
            origins: config.allowed_origins.iter().map(|origin| Origin::new(origin)).collect(),
            headers,
            exposed: exposed.and_then(|list| list.try_into().ok()),
            max_age: (config.max_age > 0).then(|| config.max_age.into()),
        })
    }

    /// The answer, if a browser asks whether it may send.
    pub(super) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<Full<Bytes>>> {
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| method == Method::OPTIONS)?;
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        answer.insert(VARY, HeaderValue::from_static(VARY_PREFLIGHT));
        let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let (Some(allowed), true) = (self.allowed_origin(headers), self.allows_headers(asked)) else {
            return Some(response);
        };
        if !METHODS.contains(&wanted.as_bytes()) {
            return Some(response);
        }
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, wanted.clone());
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if let Some(asked) = asked {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        if let Some(max_age) = &self.max_age {
            answer.insert(ACCESS_CONTROL_MAX_AGE, max_age.clone());
        }
        Some(response)
    }

    /// Lets the page of an allowed origin read the answer to its request.
    pub(super) fn annotate(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        answer.append(VARY, HeaderValue::from_static("origin"));
        let Some(allowed) = self.allowed_origin(request) else { return };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if let Some(exposed) = &self.exposed {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }

    /// What to answer as the allowed origin: any, or the one that asks.
    fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        if self.origins.iter().any(|allowed| matches!(allowed, Origin::Any)) {
            return Some(HeaderValue::from_static("*"));
        }
        self.origins.iter().any(|allowed| allowed.matches(&text)).then(|| origin.clone())
    }

    fn allows_headers(&self, asked: Option<&HeaderValue>) -> bool {
        let (Some(allowed), Some(asked)) = (&self.headers, asked) else { return true };
        let names = asked.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let mut names = names.filter(|name| !name.is_empty());
        names.all(|name| HeaderName::from_bytes(name).is_ok_and(|name| allowed.contains(&name)))
    }
}

// === impl Origin ===

impl Origin {
    fn new(origin: &str) -> Self {
        let origin = origin.to_ascii_lowercase();
        match origin.split_once('*') {
            Some(("", "")) => Self::Any,
            Some((before, after)) => Self::Like(before.to_owned(), after.to_owned()),
            None => Self::One(origin),
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => one == origin,
            Self::Like(before, after) => {
                origin.len() >= before.len() + after.len()
                    && origin.starts_with(before)
                    && origin.ends_with(after)
            }
        }
    }
}

/// What the Collector allows when nothing is listed.
const HEADERS_USUAL: [&str; 3] = ["accept", "content-type", "x-requested-with"];
const METHODS: [&[u8]; 3] = [b"GET", b"POST", b"HEAD"];
const VARY_PREFLIGHT: &str = "origin, access-control-request-method, access-control-request-headers";
