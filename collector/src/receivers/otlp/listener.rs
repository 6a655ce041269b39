//! Accepting connections, serving HTTP on them, and letting them go.
//!
//! - **In:** a bound socket and a [`Handler`] for requests.
//! - **Guaranteed:** a bound on connections, and on how long one may be silent, stay, or go on after it was
//!   asked to leave. When the drain begins nothing new is accepted, calls in flight are answered, and at the
//!   drain's deadline the rest is closed.
//! - **Not here:** what the requests mean.

use std::{
    future::{Future, pending},
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header::CONNECTION};
use http_body::Body;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use pipelines::{
    config::Span,
    engine::{drain::Drain, edge::Count},
};
use tokio::{
    net::{TcpListener, TcpStream, lookup_host},
    sync::Semaphore,
    time::sleep,
};
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::config;

/// Answers requests. Cloned for each connection.
pub(super) trait Handler: Clone + Send + Sync + 'static {
    /// What an answer is made of.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    /// Answers one request; cannot fail, because failures are answers.
    fn handle(&self, request: Request<Incoming>) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// How connections are served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Only HTTP/2 (gRPC), or also HTTP/1.1.
    pub(super) http2_only: bool,
    /// Calls in flight on one HTTP/2 connection.
    pub(super) calls_max: u32,
    /// Whether an HTTP/1.1 connection serves more than one request.
    pub(super) keep_alive: bool,
    /// A connection that has sent no request for that long is closed (HTTP/1.1: also between requests).
    pub(super) silence_max: Duration,
    /// A silent HTTP/2 connection is pinged after the first, and closed if the second passes unanswered.
    pub(super) ping: (Duration, Duration),
    /// Age at which a connection is asked to leave, and how long its calls may then take.
    pub(super) age: Option<(Duration, Duration)>,
    /// Without a call in flight for that long, a connection is asked to leave.
    pub(super) idle_max: Option<Duration>,
}

/// The connections of one listener.
#[derive(Debug)]
pub struct Connections {
    /// [`CONNECTIONS_MAX`], less those that are open.
    free: Arc<Semaphore>,
    /// Closed at once because there were too many.
    pub refused: Count,
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
struct Call(Arc<Calls>);

/// Binds `host:port`; no host stands for all interfaces.
///
/// # Errors
/// The last error of all addresses the host has.
pub(super) async fn bind(endpoint: &str, transport: &str) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, format!("no address for {transport}"));
    for address in addresses(endpoint).await? {
        if (transport == "tcp4" && !address.is_ipv4()) || (transport == "tcp6" && !address.is_ipv6()) {
            continue;
        }
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Accepts and serves until the drain begins, then sees the connections out.
pub(super) async fn serve<H: Handler>(
    listener: TcpListener,
    handler: H,
    settings: Settings,
    connections: Arc<Connections>,
    drain: Drain,
) {
    let open = TaskTracker::new();
    let mut stop = drain.clone();
    loop {
        let accepted = tokio::select! {
            _ = stop.begun() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let Ok(place) = Arc::clone(&connections.free).try_acquire_owned() else {
                    connections.refused.add(1);
                    continue;
                };
                let connection = serve_connection(stream, handler.clone(), settings, drain.clone());
                open.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: the cause is elsewhere and passes.
                debug!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// Serves one connection to its end.
async fn serve_connection<H: Handler>(stream: TcpStream, handler: H, settings: Settings, drain: Drain) {
    // An answer is one small segment that nothing follows: it must not wait for more.
    let _ = stream.set_nodelay(true);
    let calls = Arc::new(Calls::default());
    let service = service_fn(|request: Request<Incoming>| {
        let call = calls.start(request.version());
        let handler = handler.clone();
        async move {
            let response = handler.handle(request).await;
            Ok::<_, std::convert::Infallible>(call.finish(response))
        }
    });
    let builder = settings.builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return log_end(ended),
        () = time_to_leave(settings, &calls, drain.clone()) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection.as_mut() => log_end(ended),
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

fn log_end(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
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

async fn addresses(endpoint: &str) -> io::Result<Vec<SocketAddr>> {
    match endpoint.strip_prefix(':').map(str::parse::<u16>) {
        Some(Ok(port)) => {
            Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()])
        }
        _ => Ok(lookup_host(endpoint).await?.collect()),
    }
}

// === impl Connections ===

impl Connections {
    /// How many are open; at most [`CONNECTIONS_MAX`].
    pub fn open(&self) -> usize {
        CONNECTIONS_MAX.saturating_sub(self.free.available_permits())
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(CONNECTIONS_MAX)), refused: Count::default() }
    }
}

// === impl Settings ===

impl Settings {
    pub(super) fn for_grpc(config: &config::Grpc) -> Self {
        let parameters = config.keepalive.server_parameters;
        let some = |Span(duration): Span| (!duration.is_zero()).then_some(duration);
        Self {
            http2_only: true,
            calls_max: config.calls_max(),
            keep_alive: true,
            silence_max: SILENCE_MAX,
            ping: parameters.ping(),
            age: some(parameters.max_connection_age).map(|age| (age, parameters.grace())),
            idle_max: some(parameters.max_connection_idle),
        }
    }

    pub(super) fn for_http(config: &config::Http) -> Self {
        let parameters = config::ServerParameters::default();
        Self {
            http2_only: false,
            calls_max: CALLS_MAX,
            keep_alive: config.keep_alives_enabled,
            silence_max: config.silence_max(),
            ping: parameters.ping(),
            age: Some((parameters.max_connection_age.0, parameters.grace())),
            idle_max: None,
        }
    }

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
    fn start(self: &Arc<Self>, version: Version) -> Call {
        self.started.fetch_add(1, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        self.http1.store(version < Version::HTTP_2, Relaxed);
        Call(Arc::clone(self))
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
        if self.0.last.load(Relaxed) && self.0.http1.load(Relaxed) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// Connections of one listener. With the window below it bounds what HTTP/2 may buffer unread.
pub const CONNECTIONS_MAX: usize = 1024;
/// Requests in flight on one HTTP/2 connection to the HTTP port.
const CALLS_MAX: u32 = 1024;
/// A connection to the gRPC port that has not made a single call for that long is closed.
const SILENCE_MAX: Duration = Duration::from_secs(60);
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
