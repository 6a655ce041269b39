//! The page `/metrics`: who may see it, in which format, and its body.
//!
//! - **In:** a request's method and headers. The body of the request is not read.
//! - **Out:** a response whose body is written while it is sent: one chunk at a time, the next only when
//!   the client has room for it.
//! - **Guaranteed:** 503 with `Retry-After` until [`Page::open`]; at most [`SCRAPES_MAX`] pages at a
//!   time; nothing of the request is repeated in the answer; the content cannot make a scrape fail.

use std::{
    convert::Infallible,
    fmt,
    io::Write,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::Frame;
use pipelines::{engine::edge::Count, time::UnixNanos, value_text::push_base64};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    config::{Auth, AuthKind, Config},
    negotiate,
    own::{Family, OwnFamilies},
    render::{CHUNK_BYTES, Scrape},
    series::{Dropped, Table, value::Show},
    text::{Kind, Style},
};

/// The page. Shared by whoever serves it.
pub struct Page {
    table: Arc<Table>,
    own: Vec<Arc<dyn OwnFamilies>>,
    show: Show,
    /// What the listener goes by.
    pub(super) connections: Connections,
    /// Whether names are kept as they are spelled. If not, each is the same in every escaping.
    utf8: bool,
    /// What `Authorization` must be, and what a client is told to use.
    wanted: Option<(String, &'static str)>,
    open: AtomicBool,
    scrapes: Arc<Semaphore>,
    served: Count,
}

/// How connections to the page are treated.
pub(super) struct Connections {
    /// How long one may be silent between two requests, or within a head.
    pub(super) silence_max: Duration,
    /// How long a page may be left unread.
    pub(super) write_patience: Duration,
    /// Whether one serves more than one request.
    pub(super) keep_alive: bool,
    /// Headers added to every answer.
    pub(super) headers: HeaderMap,
}

/// A body that is written while it is sent.
pub struct PageBody(Body);

enum Body {
    Plain(Option<Bytes>),
    Page(Box<Streaming>),
}

struct Streaming {
    scrape: Scrape,
    chunk: Vec<u8>,
    out: BytesMut,
    gzip: Option<GzEncoder<Vec<u8>>>,
    done: bool,
    _permit: OwnedSemaphorePermit,
}

// === impl Page ===

impl Page {
    /// A page of `table` and of what the process shows about itself. It is closed until
    /// [`open`](Self::open).
    pub fn new(config: &Config, table: Arc<Table>, own: Vec<Arc<dyn OwnFamilies>>) -> Arc<Self> {
        let page = Self {
            table,
            own,
            show: Show {
                now_ns: 0,
                exemplar_retention_ns: config.exemplar_retention_ns(),
                created: config.created_timestamps,
                timestamps: config.send_timestamps,
                zero_first_ns: config.zero_first_ns(),
            },
            connections: Connections {
                silence_max: config.silence_max(),
                write_patience: config.write_patience(),
                keep_alive: config.keep_alives_enabled,
                headers: config.response_headers(),
            },
            utf8: config.keeps_utf8(),
            wanted: wanted(&config.auth),
            open: AtomicBool::new(false),
            scrapes: Arc::new(Semaphore::new(SCRAPES_MAX)),
            served: Count::default(),
        };
        // Names are kept before the first point comes in, so that own metrics are the first writers.
        page.gather();
        Arc::new(page)
    }

    /// From now on the page is served: what was replayed at start is in the table.
    pub fn open(&self) {
        self.open.store(true, Relaxed);
    }

    /// Answers a request.
    pub fn respond(&self, method: &Method, headers: &HeaderMap) -> Response<PageBody> {
        if method == Method::OPTIONS {
            return with_allow(plain(StatusCode::NO_CONTENT, ""));
        }
        if method != Method::GET && method != Method::HEAD {
            return with_allow(plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD are answered here\n",
            ));
        }
        if let Some(refused) = self.refuse(headers) {
            return refused;
        }
        let Ok(permit) = Arc::clone(&self.scrapes).try_acquire_owned() else {
            return unavailable("too many scrapes at the same time\n");
        };
        self.served.add(1);
        let answer = negotiate::answer(&joined(headers, &header::ACCEPT));
        let gzip = negotiate::gzip(&joined(headers, &header::ACCEPT_ENCODING));
        let body =
            if method == Method::HEAD { Body::Plain(None) } else { self.body(answer.style, gzip, permit) };
        let mut response = Response::new(PageBody(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    fn body(&self, style: Style, gzip: bool, permit: OwnedSemaphorePermit) -> Body {
        let style = if self.utf8 { style } else { style.format.into() };
        let show = Show { now_ns: UnixNanos::now().0, ..self.show };
        Body::Page(Box::new(Streaming {
            scrape: Scrape::new(Arc::clone(&self.table), self.gather(), style, show),
            chunk: Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4),
            out: BytesMut::new(),
            gzip: gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast())),
            done: false,
            _permit: permit,
        }))
    }

    fn refuse(&self, headers: &HeaderMap) -> Option<Response<PageBody>> {
        if let Some((wanted, scheme)) = &self.wanted {
            let given = headers.get(header::AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
            if !bool::from(given.ct_eq(wanted.as_bytes())) {
                let mut response = plain(StatusCode::UNAUTHORIZED, "the Authorization header is not right\n");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
                return Some(response);
            }
        }
        if !self.open.load(Relaxed) {
            return Some(unavailable("metrics are being restored, come back in a moment\n"));
        }
        None
    }

    /// Everything beside the table, each name once.
    fn gather(&self) -> Vec<Family> {
        let mut families = self.about_the_table();
        families.extend(self.own.iter().flat_map(|own| own.gather()));
        let mut seen = std::collections::HashSet::new();
        families.retain(|family| {
            let name = family.base_name().map(str::to_owned);
            name.is_some_and(|name| self.table.reserve(&name, family.kind) && seen.insert(name))
        });
        families
    }

    fn about_the_table(&self) -> Vec<Family> {
        let (usage, counts) = (&self.table.usage, &self.table.counts);
        let name = |rest: &str| format!("phasor_prometheus_exporter_{rest}");
        let mut dropped =
            Family::new(name("dropped_points"), Kind::Counter, "Data points not shown, by reason");
        for why in Dropped::ALL {
            dropped.push(&[("reason", why.as_label())], counts.dropped(why));
        }
        let counter = |rest: &str, help: &'static str, value: u64| {
            Family::new(name(rest), Kind::Counter, help).with(&[], value)
        };
        let gauge = |rest: &str, help: &'static str, value: usize| {
            Family::new(name(rest), Kind::Gauge, help).with(&[], value)
        };
        vec![
            dropped,
            gauge("series", "Series in the table", usage.series.get()),
            gauge("memory_bytes", "Memory of the series in the table, estimated", usage.bytes.get())
                .unit("bytes"),
            gauge(
                "hidden_series",
                "Series behind otel_metric_overflow, and streams behind one series, that are remembered",
                usage.hidden.get(),
            ),
            counter("overflowed_points", "Points added to otel_metric_overflow", usage.overflowed.total()),
            counter(
                "stream_conflicts",
                "Streams added up with others of the same labels",
                usage.conflicts.total(),
            ),
            counter("expired_series", "Series removed for lack of points", usage.expired.total()),
            counter(
                "metadata_conflicts",
                "Metrics seen with another unit or description than the first",
                counts.metadata_conflicts.total(),
            ),
            counter(
                "renamed_labels",
                "Points whose le or quantile was renamed",
                counts.renamed_labels.total(),
            ),
            counter(
                "points_without_native_form",
                "Points of exponential histograms that the protobuf format leaves out: no sum, or a scale below -4",
                counts.not_native.total(),
            ),
            counter("dropped_exemplars", "Exemplars not shown", counts.dropped_exemplars.total()),
            counter("scrapes", "Pages served", self.served.total()),
        ]
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("open", &self.open).finish_non_exhaustive()
    }
}

// === impl PageBody ===

impl http_body::Body for PageBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut self.0 {
            Body::Plain(text) => text.take(),
            Body::Page(page) => page.next(),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match &self.0 {
            Body::Plain(text) => http_body::SizeHint::with_exact(text.as_ref().map_or(0, |t| t.len() as u64)),
            Body::Page(_) => http_body::SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Body::Plain(None))
    }
}

impl fmt::Debug for PageBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageBody").finish_non_exhaustive()
    }
}

// === impl Streaming ===

impl Streaming {
    /// The next frame. Compression may hold back several chunks before it gives one.
    fn next(&mut self) -> Option<Bytes> {
        while !self.done {
            self.chunk.clear();
            self.done = !self.scrape.next_chunk(&mut self.chunk);
            let frame = match &mut self.gzip {
                None => &self.chunk,
                Some(gzip) => compressed(gzip, &self.chunk, self.done),
            };
            if !frame.is_empty() {
                // The buffer is used again as soon as the client has the frame before.
                self.out.extend_from_slice(frame);
                if let Some(gzip) = &mut self.gzip {
                    gzip.get_mut().clear();
                }
                return Some(self.out.split().freeze());
            }
        }
        None
    }
}

/// Compresses a chunk; gives what there is so far. Writing to a vector cannot fail.
fn compressed<'a>(gzip: &'a mut GzEncoder<Vec<u8>>, chunk: &[u8], last: bool) -> &'a [u8] {
    let written = gzip.write_all(chunk).and_then(|()| if last { gzip.try_finish() } else { Ok(()) });
    debug_assert!(written.is_ok(), "a vector takes everything");
    gzip.get_ref()
}

fn wanted(auth: &Auth) -> Option<(String, &'static str)> {
    match auth.kind {
        AuthKind::None => None,
        AuthKind::Bearer => Some((format!("Bearer {}", auth.token), "Bearer")),
        AuthKind::Basic => {
            let mut wanted = "Basic ".to_owned();
            push_base64(&mut wanted, format!("{}:{}", auth.user, auth.password).as_bytes());
            Some((wanted, "Basic realm=\"metrics\""))
        }
    }
}

/// Several headers of one name are one list.
fn joined(headers: &HeaderMap, name: &header::HeaderName) -> String {
    let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}

/// An answer without a page.
pub(super) fn plain(status: StatusCode, text: &'static str) -> Response<PageBody> {
    let mut response = Response::new(PageBody(Body::Plain(Some(Bytes::from_static(text.as_bytes())))));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

fn with_allow(mut response: Response<PageBody>) -> Response<PageBody> {
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    response
}

fn unavailable(text: &'static str) -> Response<PageBody> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Pages written at the same time. Each has two buffers of a chunk, and compression's 300 KiB.
const SCRAPES_MAX: usize = 64;
