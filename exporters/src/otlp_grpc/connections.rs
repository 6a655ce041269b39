//! The connections of one exporter: where they go, how many there are, and which one is next.
//!
//! ```text
//!  name --resolver--> hosts (one per address), in turn --> lanes (connections) of a host --> channel
//! ```
//!
//! - **Guaranteed:** requests are spread over all addresses of the name in turn, or stay with the first one that can be
//!   reached ([`Balancer`]); an address that fails is passed over for a growing time while there is another; addresses
//!   are looked up again while requests flow, every [`LOOK_UP_EVERY`] and soon after a failure; an address that is gone
//!   gets no further request, and what is in flight there ends as it ends. A host gets a further connection only when
//!   each open one carries [`REQUESTS_PER_CONNECTION`] requests, up to the configured number.
//! - **Not here:** the request itself, and what follows a failure. A request that was sent is never sent again from here.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::Uri;
use tokio::{
    net::TcpStream,
    sync::OnceCell,
    time::{Instant, timeout},
};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tower::service_fn;

use super::{config::Balancer, resolver::Resolver};
use crate::{
    causes::causes,
    tls::{TlsClient, stream::Stream},
};

/// Where to connect, and how.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Everything but the address.
    pub(super) endpoint: Endpoint,
    /// What requests are addressed to.
    pub(super) origin: Uri,
    /// How TLS is spoken, if it is.
    pub(super) tls: Option<Arc<TlsClient>>,
    /// A name or an address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) balancer: Balancer,
    /// Connections to one address at most.
    pub(super) connections_max: usize,
    /// The time of one attempt to connect, TLS included.
    pub(super) connect_timeout: Duration,
    /// How often addresses are looked up again.
    pub(super) look_up_every: Duration,
}

/// All connections to one target.
pub(super) struct Connections {
    target: Target,
    resolver: Box<dyn Resolver>,
    state: Mutex<State>,
    /// Held by whoever looks up addresses.
    looking_up: tokio::sync::Mutex<()>,
}

/// A connection, lent for one request.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) channel: Channel,
    pub(super) address: SocketAddr,
    busy: Busy,
}

#[derive(Debug, Default)]
struct State {
    /// In the order of the resolver.
    hosts: Vec<Host>,
    /// Whose turn it is.
    turn: usize,
    looked_up: Option<Instant>,
    /// Something has failed since.
    doubtful: bool,
}

#[derive(Debug)]
struct Host {
    address: SocketAddr,
    lanes: Vec<Arc<Lane>>,
    /// Failures in a row.
    failures: u32,
    /// Passed over until then, if there is another.
    shunned_until: Option<Instant>,
}

/// One connection, open or being opened.
#[derive(Debug, Default)]
struct Lane {
    channel: OnceCell<Channel>,
    /// Why it could not be opened: those who wait for it need not try again.
    failed: OnceLock<String>,
    in_flight: AtomicUsize,
    /// Requests in a row that were not answered in time.
    silent: AtomicUsize,
}

/// Counts a request as in flight.
#[derive(Debug)]
struct Busy(Arc<Lane>);

// === impl Connections ===

impl Connections {
    pub(super) fn new(target: Target, resolver: Box<dyn Resolver>) -> Self {
        let state = match literal(&target.host) {
            Some(address) => {
                State { hosts: vec![Host::new((address, target.port).into())], ..State::default() }
            }
            None => State::default(),
        };
        Self { target, resolver, state: Mutex::new(state), looking_up: tokio::sync::Mutex::default() }
    }

    /// An open connection to the next address, `but_not` to those that have failed this request already.
    ///
    /// # Errors
    /// UNAVAILABLE, with the reason of each address.
    pub(super) async fn take(self: &Arc<Self>, but_not: &mut Vec<SocketAddr>) -> Result<Lease, Status> {
        self.know_addresses().await?;
        let mut failures = Vec::new();
        while let Some((address, busy)) = self.next(but_not) {
            match self.open(&busy.0, address).await {
                Ok(channel) => return Ok(Lease { channel, address, busy }),
                Err(failure) => {
                    self.fail(address, &busy.0);
                    but_not.push(address);
                    failures.push(failure);
                }
            }
        }
        failures.truncate(FAILURES_TOLD_MAX);
        Err(Status::unavailable(failures.join("; ")))
    }

    /// Whether there is an address that is none of these.
    pub(super) fn has_other(&self, but_not: &[SocketAddr]) -> bool {
        self.lock().hosts.iter().any(|host| !but_not.contains(&host.address))
    }

    /// The request of this lease was answered, by whatever status.
    pub(super) fn answered(&self, lease: &Lease) {
        lease.busy.0.silent.store(0, Relaxed);
        let mut state = self.lock();
        if let Some(host) = state.host(lease.address) {
            (host.failures, host.shunned_until) = (0, None);
        }
    }

    /// The connection of this lease has failed: it is not used again.
    pub(super) fn lost(&self, lease: &Lease) {
        self.fail(lease.address, &lease.busy.0);
    }

    /// The request of this lease was not answered in time. Twice in a row, and the connection is taken for dead.
    pub(super) fn silent(&self, lease: &Lease) {
        if lease.busy.0.silent.fetch_add(1, Relaxed) + 1 >= SILENT_MAX {
            self.fail(lease.address, &lease.busy.0);
        }
    }

    /// Sees to it that there are addresses, and that they are not too old. Waits only where there is none to go to.
    async fn know_addresses(self: &Arc<Self>) -> Result<(), Status> {
        let (due, usable) = {
            let state = self.lock();
            (self.is_due(&state), state.hosts.iter().any(|host| !host.is_shunned(now())))
        };
        match (due, usable) {
            (false, _) => Ok(()),
            (true, true) => {
                let this = Arc::clone(self);
                tokio::spawn(async move { this.look_up().await });
                Ok(())
            }
            (true, false) => {
                let failure = self.look_up().await.err();
                // Old addresses are better than none.
                failure.filter(|_| self.lock().hosts.is_empty()).map_or(Ok(()), Err)
            }
        }
    }

    fn is_due(&self, state: &State) -> bool {
        let every = if state.doubtful { LOOK_UP_LEAST } else { self.target.look_up_every };
        literal(&self.target.host).is_none()
            && state.looked_up.is_none_or(|at| at.elapsed() >= every.min(self.target.look_up_every))
    }

    async fn look_up(&self) -> Result<(), Status> {
        let Target { host, port, connect_timeout, .. } = &self.target;
        let _turn = self.looking_up.lock().await;
        // Somebody else may have done it while we waited for our turn.
        if !self.is_due(&self.lock()) {
            return Ok(());
        }
        let found = timeout(*connect_timeout, self.resolver.look_up(host, *port)).await;
        let mut state = self.lock();
        state.looked_up = Some(now());
        match found {
            Ok(Ok(addresses)) if !addresses.is_empty() => {
                state.adopt(addresses);
                Ok(())
            }
            Ok(Ok(_)) => Err(Status::unavailable(format!("`{host}` has no address"))),
            Ok(Err(error)) => Err(Status::unavailable(format!("`{host}` cannot be looked up: {error}"))),
            Err(_) => {
                let message = format!("`{host}` cannot be looked up within {connect_timeout:?}");
                Err(Status::unavailable(message))
            }
        }
    }

    /// The next address and the connection to it that has the least to do.
    fn next(&self, but_not: &[SocketAddr]) -> Option<(SocketAddr, Busy)> {
        let mut state = self.lock();
        let index = state.next_host(self.target.balancer, but_not)?;
        let host = state.hosts.get_mut(index)?;
        Some((host.address, host.lane(self.target.connections_max)))
    }

    async fn open(&self, lane: &Arc<Lane>, address: SocketAddr) -> Result<Channel, String> {
        let within = self.target.connect_timeout;
        let connect = || async {
            if let Some(failure) = lane.failed.get() {
                return Err(failure.clone());
            }
            let connector = connector(address, &self.target);
            match timeout(within, self.target.endpoint.connect_with_connector(connector)).await {
                Ok(Ok(channel)) => Ok(channel),
                Ok(Err(error)) => Err(format!("cannot connect to {address}: {}", causes(&error))),
                Err(_) => Err(format!("cannot connect to {address} within {within:?}")),
            }
            .inspect_err(|failure| drop(lane.failed.set(failure.clone())))
        };
        lane.channel.get_or_try_init(connect).await.cloned()
    }

    /// Uses this connection no more, and its host only when there is no other, for a while.
    fn fail(&self, address: SocketAddr, lane: &Arc<Lane>) {
        let mut state = self.lock();
        state.doubtful = true;
        let Some(host) = state.host(address) else { return };
        let before = host.lanes.len();
        host.lanes.retain(|other| !Arc::ptr_eq(other, lane));
        // Many requests on one connection fail as one.
        if host.lanes.len() < before {
            let pause = SHUNNED_MIN.saturating_mul(1 << host.failures.min(10)).min(SHUNNED_MAX);
            host.failures += 1;
            host.shunned_until = Some(now() + pause);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connections({}:{})", self.target.host, self.target.port)
    }
}

// === impl State ===

impl State {
    fn host(&mut self, address: SocketAddr) -> Option<&mut Host> {
        self.hosts.iter_mut().find(|host| host.address == address)
    }

    /// Takes over what the resolver has found: known hosts keep their connections, those not found are gone.
    fn adopt(&mut self, addresses: Vec<SocketAddr>) {
        self.doubtful = false;
        let mut known = std::mem::take(&mut self.hosts);
        for address in addresses {
            if self.hosts.len() < HOSTS_MAX && self.host(address).is_none() {
                let place = known.iter().position(|host| host.address == address);
                self.hosts.push(place.map_or_else(|| Host::new(address), |place| known.swap_remove(place)));
            }
        }
    }

    fn next_host(&mut self, balancer: Balancer, but_not: &[SocketAddr]) -> Option<usize> {
        let now = now();
        let count = self.hosts.len();
        let left = |index: &usize| !but_not.contains(&self.hosts[*index].address);
        let shunned_until = |index: &usize| self.hosts[*index].shunned_until.filter(|until| *until > now);
        let in_turn: Vec<_> = (0..count).map(|step| (self.turn + step) % count).filter(left).collect();
        // Those that are not shunned first, then the one that has been for the longest.
        let chosen = match balancer {
            Balancer::RoundRobin => in_turn.into_iter().min_by_key(shunned_until),
            Balancer::PickFirst => (0..count)
                .filter(left)
                .min_by_key(|index| (shunned_until(index), self.hosts[*index].lanes.is_empty())),
        }?;
        self.turn = (chosen + 1) % count;
        Some(chosen)
    }
}

// === impl Host ===

impl Host {
    fn new(address: SocketAddr) -> Self {
        Self { address, lanes: Vec::new(), failures: 0, shunned_until: None }
    }

    fn is_shunned(&self, now: Instant) -> bool {
        self.shunned_until.is_some_and(|until| until > now)
    }

    /// The connection with the least to do, or a further one.
    fn lane(&mut self, connections_max: usize) -> Busy {
        let load = |lane: &&Arc<Lane>| lane.in_flight.load(Relaxed);
        let least = self.lanes.iter().min_by_key(load);
        let lane = match least {
            Some(lane) if load(&lane) < REQUESTS_PER_CONNECTION || self.lanes.len() >= connections_max => {
                Arc::clone(lane)
            }
            _ => {
                let lane = Arc::new(Lane::default());
                self.lanes.push(Arc::clone(&lane));
                lane
            }
        };
        lane.in_flight.fetch_add(1, Relaxed);
        Busy(lane)
    }
}

// === impl Busy ===

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// A connector that goes to this address, whatever the URI says.
fn connector(
    address: SocketAddr,
    target: &Target,
) -> impl tower::Service<Uri, Response = Stream, Error = io::Error, Future: Send + 'static> + Send + use<> {
    let (tls, host) = (target.tls.clone(), target.host.clone());
    service_fn(move |_| {
        let (tls, host) = (tls.clone(), host.clone());
        async move {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            let stream = Stream::open(socket, tls.as_deref(), &host).await?;
            if tls.is_some() && !stream.is_h2() {
                return Err(io::Error::other("the destination does not speak HTTP/2 over TLS (ALPN)"));
            }
            Ok(stream)
        }
    })
}

/// An address written out, in brackets if it is of version 6.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "an exporter owns its clock")]
fn now() -> Instant {
    Instant::now()
}

/// What one HTTP/2 connection, which is one task, takes without being the bottleneck.
pub(super) const REQUESTS_PER_CONNECTION: usize = 4;
/// How often addresses are looked up while all is well. gRPC's own resolvers take the same.
pub(super) const LOOK_UP_EVERY: Duration = Duration::from_secs(30);
/// How soon they are looked up again when something has failed.
const LOOK_UP_LEAST: Duration = Duration::from_secs(1);
/// Addresses of a name that are used.
const HOSTS_MAX: usize = 256;
/// Addresses whose failure is told.
const FAILURES_TOLD_MAX: usize = 3;
/// Unanswered requests in a row after which a connection is taken for dead. One may be a slow destination.
const SILENT_MAX: usize = 2;
const SHUNNED_MIN: Duration = Duration::from_secs(1);
const SHUNNED_MAX: Duration = Duration::from_secs(30);
