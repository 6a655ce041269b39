//! Accepting connections, serving HTTP on them, and letting them go.
//!
//! - **In:** a bound socket ([`socket`]), with TLS ([`tls`]) or without, and a [`Handler`] for requests.
//! - **Guaranteed:** a bound on connections, which silent ones cannot use up ([`exporters::seats`]); and on how long
//!   one may be silent, stay, or go on after it was asked to leave. When the drain begins nothing new is accepted,
//!   calls in flight are answered, and at the drain's deadline the rest is closed.
//! - **Not here:** what the requests mean.

mod socket;
mod tls;

use std::{
    future::{Future, pending},
    net::IpAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use exporters::seats::{Busy, Place, Seats};
use http::{
    HeaderValue, Request, Response, Version,
    header::{CONNECTION, HOST},
};
use http_body::Body;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use pipelines::engine::drain::Drain;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use tracing::debug;

use self::socket::{Raw, Stream};
pub(crate) use self::{socket::Entrance, tls::Tls};

/// Answers requests. Cloned for each connection.
pub(crate) trait Handler: Clone + Send + Sync + 'static {
    /// What an answer is made of.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    /// Answers one request from this address; cannot fail, because failures are answers.
    fn handle(
        &self,
        request: Request<Incoming>,
        from: Option<IpAddr>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// A request was answered before it came here, because its head is no HTTP/1.1 or too large.
    fn unreadable(&self) {}
}

/// How connections are served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Only HTTP/2 (gRPC), or also HTTP/1.1.
    pub(crate) http2_only: bool,
    /// Calls in flight on one HTTP/2 connection.
    pub(crate) calls_max: u32,
    /// Whether an HTTP/1.1 connection serves more than one request.
    pub(crate) keep_alive: bool,
    /// A connection that has sent no request for that long is closed (HTTP/1.1: also between requests).
    pub(crate) silence_max: Duration,
    /// A silent HTTP/2 connection is pinged after the first, and closed if the second passes unanswered.
    pub(crate) ping: (Duration, Duration),
    /// Age at which a connection is asked to leave, and how long its calls may then take.
    pub(crate) age: Option<(Duration, Duration)>,
    /// Without a call in flight for that long, a connection is asked to leave.
    pub(crate) idle_max: Option<Duration>,
}

/// The calls of one connection.
#[derive(Debug, Default)]
struct Calls {
    in_flight: AtomicU64,
    started: AtomicU64,
    /// The last call came by HTTP/1.
    http1: AtomicBool,
    /// The next answer by HTTP/1 says that it is the last.
    last: AtomicBool,
}

/// One call in flight.
struct Call {
    calls: Arc<Calls>,
    _busy: Busy,
}

/// Whether a request of HTTP/1.1 names its host, and once, as RFC 9112, *Request Target*, demands.
pub(crate) fn names_its_host<B>(request: &Request<B>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts == 1 || (request.version() != Version::HTTP_11 && hosts == 0)
}

/// Accepts and serves until the drain begins, then sees the connections out.
pub(crate) async fn serve<H: Handler>(
    entrance: impl Into<Entrance> + Send,
    handler: H,
    settings: Settings,
    seats: Seats,
    drain: Drain,
) {
    let entrance = entrance.into();
    let open = TaskTracker::new();
    let mut stop = drain.clone();
    loop {
        let accepted = tokio::select! {
            _ = stop.begun() => break,
            accepted = entrance.accept() => accepted,
        };
        match accepted {
            Ok(raw) => {
                let Some(place) = seats.take() else { continue };
                let (tls, handler, drain) = (entrance.tls.clone(), handler.clone(), drain.clone());
                open.spawn(async move {
                    if let Some(stream) = secure(raw, tls, &place, drain.clone()).await {
                        serve_connection(stream, place, handler, settings, drain).await;
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: the cause is elsewhere and passes.
                debug!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(entrance);
    open.close();
    open.wait().await;
}

/// The connection with TLS on it, if that is spoken here. `None`: the other side did not manage it, or has to go.
async fn secure(raw: Raw, tls: Option<Arc<Tls>>, place: &Place, mut drain: Drain) -> Option<Stream> {
    let Some(tls) = tls else { return Some(Stream::Plain(raw)) };
    tokio::select! {
        accepted = tls.accept(raw) => match accepted {
            Ok(stream) => Some(Stream::Tls(Box::new(stream))),
            Err(error) => {
                debug!(%error, "a TLS handshake failed");
                None
            }
        },
        () = place.lost() => None,
        _ = drain.begun() => None,
    }
}

/// Serves one connection to its end.
async fn serve_connection<H: Handler>(
    stream: Stream,
    place: Place,
    handler: H,
    settings: Settings,
    drain: Drain,
) {
    let calls = Arc::new(Calls::default());
    let from = stream.address();
    let service = service_fn(|request: Request<Incoming>| {
        let call = calls.start(request.version(), place.begin());
        let handler = handler.clone();
        async move {
            let response = handler.handle(request, from).await;
            Ok::<_, std::convert::Infallible>(call.finish(response))
        }
    });
    let builder = settings.builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return log_end(ended, &handler),
        () = place.lost() => return,
        () = time_to_leave(settings, &calls, drain.clone()) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection.as_mut() => log_end(ended, &handler),
        () = place.lost() => {}
        () = time_to_close(settings, &calls, drain) => {}
    }
}

/// Waits until a connection should finish what it does and go.
async fn time_to_leave(settings: Settings, calls: &Calls, mut drain: Drain) {
    let silence = async {
        sleep(settings.silence_max).await;
        if calls.started.load(Relaxed) > 0 {
            pending::<()>().await;
        }
    };
    let idle = async {
        let Some(idle_max) = settings.idle_max else { return pending().await };
        while !calls.idle_for(idle_max).await {}
    };
    let age = async {
        let Some((age, _)) = settings.age else { return pending().await };
        sleep(with_jitter(age)).await;
        // HTTP/1.1 cannot tell a client to leave but in an answer: closing between two requests could
        // hit the next one on its way.
        if calls.http1.load(Relaxed) {
            calls.last.store(true, Relaxed);
            pending::<()>().await;
        }
    };
    tokio::select! {
        _ = drain.begun() => {}
        () = silence => {}
        () = idle => {}
        () = age => {}
    }
}

/// Waits until a connection that was asked to leave may be closed: when it has no calls (a watcher of the
/// health service would stay for ever), when its grace is over, or the drain's deadline has come.
async fn time_to_close(settings: Settings, calls: &Calls, mut drain: Drain) {
    let grace = match settings.age {
        Some((_, grace)) if !drain.has_begun() => grace,
        _ => Duration::MAX,
    };
    let calls_done = async { while !calls.idle_for(LINGER).await {} };
    tokio::select! {
        () = drain.expired() => {}
        () = calls_done => {}
        () = sleep(grace) => {}
    }
}

fn log_end(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>, handler: &impl Handler) {
    if let Err(error) = ended {
        if error.downcast_ref().is_some_and(hyper::Error::is_parse) {
            handler.unreadable();
        }
        debug!(error, "a connection ended");
    }
}

/// A tenth more or less, so that the connections of a restart do not all move at once.
fn with_jitter(age: Duration) -> Duration {
    let mut random = [0; 1];
    // Without randomness all connections have the same age, which is harmless.
    let _ = getrandom::fill(&mut random);
    age.mul_f64(0.9 + 0.2 * f64::from(random[0]) / 255.0)
}

// === impl Settings ===

impl Settings {
    fn builder(self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.silence_max)
            .keep_alive(self.keep_alive)
            .half_close(true)
            .max_buf_size(HTTP1_BUFFER_BYTES_MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .max_concurrent_streams(self.calls_max)
            .max_header_list_size(HEADER_BYTES_MAX)
            .keep_alive_interval(self.ping.0)
            .keep_alive_timeout(self.ping.1);
        if self.http2_only { builder.http2_only() } else { builder }
    }
}

// === impl Calls ===

impl Calls {
    fn start(self: &Arc<Self>, version: Version, busy: Busy) -> Call {
        self.started.fetch_add(1, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        self.http1.store(version < Version::HTTP_2, Relaxed);
        Call { calls: Arc::clone(self), _busy: busy }
    }

    /// Looks at the beginning and the end of `period` whether anything went on.
    async fn idle_for(&self, period: Duration) -> bool {
        let started = self.started.load(Relaxed);
        sleep(period).await;
        self.in_flight.load(Relaxed) == 0 && self.started.load(Relaxed) == started
    }
}

// === impl Call ===

impl Call {
    fn finish<B>(self, mut response: Response<B>) -> Response<B> {
        if self.calls.last.load(Relaxed) && self.calls.http1.load(Relaxed) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.in_flight.fetch_sub(1, Relaxed);
    }
}

/// More brought nothing measurable; Go's clients send frames of 16 KiB whatever we allow.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
const FRAME_BYTES_MAX: u32 = 1 << 20;
const HEADER_BYTES_MAX: u32 = 16 << 10;
const HTTP1_BUFFER_BYTES_MAX: usize = 64 << 10;
/// What a failing `accept` waits before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection that was asked to leave must have been without calls to be closed.
const LINGER: Duration = Duration::from_millis(500);
