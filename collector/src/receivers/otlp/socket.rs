//! Where the receiver listens, and how its configuration says that connections are served.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use pipelines::config::Span;
use tokio::net::{TcpListener, lookup_host};

use super::config;
use crate::listener::{Entrance, Settings};

/// Binds `host:port`, where no host stands for all interfaces; or the path of a Unix socket. Gives the real address.
///
/// # Errors
/// The last error of all addresses the host has.
pub(super) async fn bind(endpoint: &str, transport: &str) -> io::Result<(Entrance, Option<SocketAddr>)> {
    if transport == "unix" {
        return Ok((Entrance::unix(Path::new(endpoint))?, None));
    }
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, format!("no address for {transport}"));
    for address in addresses(endpoint).await? {
        if (transport == "tcp4" && !address.is_ipv4()) || (transport == "tcp6" && !address.is_ipv6()) {
            continue;
        }
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let address = listener.local_addr()?;
                return Ok((listener.into(), Some(address)));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn addresses(endpoint: &str) -> io::Result<Vec<SocketAddr>> {
    match endpoint.strip_prefix(':').map(str::parse::<u16>) {
        Some(Ok(port)) => {
            Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()])
        }
        _ => Ok(lookup_host(endpoint).await?.collect()),
    }
}

/// Connections to the gRPC port.
pub(super) fn for_grpc(config: &config::Grpc) -> Settings {
    let parameters = config.keepalive.server_parameters;
    Settings {
        http2_only: true,
        calls_max: config.calls_max(),
        keep_alive: true,
        silence_max: SILENCE_MAX,
        ping: parameters.ping(),
        age: some(parameters.max_connection_age).map(|age| (age, parameters.grace())),
        idle_max: some(parameters.max_connection_idle),
    }
}

/// Connections to the HTTP port.
pub(super) fn for_http(config: &config::Http) -> Settings {
    let parameters = config::ServerParameters::default();
    Settings {
        http2_only: false,
        calls_max: CALLS_MAX,
        keep_alive: config.keep_alives_enabled,
        silence_max: config.silence_max(),
        ping: parameters.ping(),
        age: some(config.max_connection_age).map(|age| (age, parameters.grace())),
        idle_max: Some(config.idle_max()),
    }
}

/// Zero is for ever.
fn some(Span(duration): Span) -> Option<Duration> {
    (!duration.is_zero()).then_some(duration)
}

/// Connections of one listener. With the windows of an HTTP/2 connection it bounds what may be buffered unread.
pub const CONNECTIONS_MAX: usize = 1024;
/// Requests in flight on one HTTP/2 connection to the HTTP port.
const CALLS_MAX: u32 = 1024;
/// A connection to the gRPC port that has not made a single call for that long is closed.
const SILENCE_MAX: Duration = Duration::from_secs(60);
