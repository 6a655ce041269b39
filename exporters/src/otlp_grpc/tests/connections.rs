//! Names, addresses and connections, on real sockets with names of our own.

use std::{io, sync::Mutex};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;
use crate::otlp_grpc::{connections::REQUESTS_PER_CONNECTION, resolver::LookUp};

/// A name service that says what it is told to.
#[derive(Default)]
struct Names(Mutex<Vec<SocketAddr>>);

impl Names {
    fn of<'a>(peers: impl IntoIterator<Item = &'a Peer>) -> Arc<Self> {
        let names = Arc::new(Self::default());
        names.set(peers);
        names
    }

    fn set<'a>(&self, peers: impl IntoIterator<Item = &'a Peer>) {
        *self.0.lock().unwrap() = peers.into_iter().map(|peer| peer.address).collect();
    }
}

impl Resolver for Arc<Names> {
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> LookUp<'a> {
        assert_eq!((host, port), ("backend.test", 4317));
        let addresses = self.0.lock().unwrap().clone();
        let found = if addresses.is_empty() { Err(io::Error::other("no such name")) } else { Ok(addresses) };
        Box::pin(async { found })
    }
}

fn named(names: &Arc<Names>, config: Config) -> Client {
    let endpoint = "http://backend.test:4317".to_owned();
    let mut connection = Connection::new(&Config { endpoint, ..config }).unwrap();
    connection.target.look_up_every = Duration::ZERO;
    connection.open_with(Box::new(Arc::clone(names)))
}

fn patient() -> Config {
    config(([127, 0, 0, 1], 1).into())
}

async fn peers<const N: usize>() -> [Peer; N] {
    let mut peers = Vec::new();
    for _ in 0..N {
        peers.push(Peer::start(None, |_, _| Reply::ok(b"")).await);
    }
    peers.try_into().unwrap_or_else(|_| panic!("as many as were asked for"))
}

async fn send(client: &Client) -> Answer {
    client.send(SignalKind::Traces, Bytes::from_static(b"request").into()).await
}

/// Sends until the destination takes it: how many attempts failed before.
async fn send_until_taken(client: &Client) -> usize {
    for failures in 0..50 {
        match send(client).await {
            Answer::Taken { .. } => return failures,
            Answer::Refused(Refused { action: Action::Retry { .. }, .. }) => {}
            refused => panic!("{refused:?}"),
        }
    }
    panic!("nobody takes it")
}

fn counts(peers: &[Peer]) -> Vec<usize> {
    peers.iter().map(|peer| peer.received().len()).collect()
}

/// An address where connections are neither accepted nor refused: its queue is full.
async fn black_hole() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        waiting.push(stream.unwrap());
        assert!(waiting.len() < 100, "the queue of one connection is full at some time");
    }
    (address, listener, waiting)
}

#[tokio::test]
async fn requests_go_to_all_addresses_in_turn() {
    let peers = peers::<3>().await;
    let client = named(&Names::of(&peers), patient());
    for _ in 0..30 {
        assert_eq!(send(&client).await, plain(0, ""));
    }
    assert_eq!(counts(&peers), [10, 10, 10]);
    assert!(peers.iter().all(|peer| peer.connections() == 1));
}

#[tokio::test]
async fn an_address_that_refuses_costs_no_attempt() {
    let peers = peers::<3>().await;
    let names = Names::of(&peers);
    let [first, gone, last] = peers;
    drop(gone);
    let client = named(&names, patient());
    for _ in 0..30 {
        assert_eq!(send(&client).await, plain(0, ""));
    }
    assert_eq!(counts(&[first, last]).iter().sum::<usize>(), 30);
}

#[tokio::test]
async fn an_address_that_dies_costs_one_attempt_at_most() {
    let [first, dying, last] = peers::<3>().await;
    let client = named(&Names::of([&first, &dying, &last]), patient());
    for _ in 0..3 {
        assert_eq!(send(&client).await, plain(0, ""));
    }
    drop(dying);
    let mut failures = 0;
    for _ in 0..30 {
        failures += send_until_taken(&client).await;
    }
    assert!(failures <= 1, "{failures} attempts failed");
    assert_eq!(counts(&[first, last]).iter().sum::<usize>(), 32);
}

#[tokio::test]
async fn a_name_that_moves_is_followed_although_the_old_address_still_answers() {
    let [old, new] = peers::<2>().await;
    let names = Names::of([&old]);
    let client = named(&names, patient());
    assert_eq!(send(&client).await, plain(0, ""));
    names.set([&new]);
    let mut sent = 0;
    while new.received().is_empty() {
        assert!(sent < 1000, "the new address is never asked");
        assert_eq!(send(&client).await, plain(0, ""));
        sent += 1;
    }
    let before = old.received().len();
    for _ in 0..10 {
        assert_eq!(send(&client).await, plain(0, ""));
    }
    assert_eq!(old.received().len(), before);
}

#[tokio::test]
async fn one_goes_away_and_another_comes() {
    let [old, new] = peers::<2>().await;
    let names = Names::of([&old]);
    let client = named(&names, patient());
    assert_eq!(send(&client).await, plain(0, ""));
    drop(old);
    names.set([&new]);
    send_until_taken(&client).await;
    assert_eq!(new.received().len(), 1);
}

#[tokio::test]
async fn a_name_without_an_address_is_told_and_found_when_it_is_there() {
    let names = Arc::new(Names::default());
    let client = named(&names, patient());
    let Answer::Refused(refused) = send(&client).await else { panic!("nobody is there") };
    assert_eq!((refused.action, refused.code), (Action::Retry { after: None }, "UNAVAILABLE"));
    assert_eq!(refused.message, "`backend.test` cannot be looked up: no such name");
    let [peer] = peers::<1>().await;
    names.set([&peer]);
    assert_eq!(send(&client).await, plain(0, ""));
    // Old addresses are better than none.
    names.set([]);
    for _ in 0..5 {
        assert_eq!(send(&client).await, plain(0, ""));
    }
}

#[tokio::test]
async fn pick_first_stays_with_one_address_as_long_as_it_is_there() {
    let [first, second] = peers::<2>().await;
    let config = Config { balancer_name: Balancer::PickFirst, ..patient() };
    let names = Names::of([&first, &second]);
    let client = named(&names, config);
    for _ in 0..10 {
        assert_eq!(send(&client).await, plain(0, ""));
        // Name services like to turn their answers round.
        names.0.lock().unwrap().reverse();
    }
    assert_eq!(counts(&[first, second]).iter().max(), Some(&10));
    let [first, second] = peers::<2>().await;
    names.set([&first, &second]);
    send_until_taken(&client).await;
    drop(first);
    send_until_taken(&client).await;
    assert!(!second.received().is_empty());
}

#[tokio::test]
async fn further_connections_are_opened_when_one_has_enough_to_do() {
    for (in_flight, connections) in
        [(1, 1), (REQUESTS_PER_CONNECTION, 1), (REQUESTS_PER_CONNECTION + 1, 2), (64, 4)]
    {
        let peer = Peer::start(None, |_, _| Reply { hang: true, ..Reply::default() }).await;
        let client = client(&config(peer.address));
        let mut sending = tokio::task::JoinSet::new();
        for _ in 0..in_flight {
            let client = client.clone();
            sending.spawn(async move { send(&client).await });
        }
        while peer.received().len() < in_flight {
            tokio::task::yield_now().await;
        }
        assert_eq!(peer.connections(), connections, "{in_flight} requests in flight");
    }
}

#[tokio::test]
async fn a_black_hole_ends_with_the_attempt_and_is_named() {
    let (address, _listener, _waiting) = black_hole().await;
    let config = Config { timeout: Span(Duration::from_millis(200)), ..config(address) };
    let Answer::Refused(refused) = send(&client(&config)).await else { panic!("nobody is there") };
    assert_eq!((refused.action, refused.code), (Action::Retry { after: None }, "UNAVAILABLE"));
    assert_eq!(refused.message, format!("cannot connect to {address} within 100ms"));
}

#[tokio::test]
async fn a_black_hole_among_the_addresses_is_passed_over() {
    let (address, _listener, _waiting) = black_hole().await;
    let [peer] = peers::<1>().await;
    let names = Names::of([&peer]);
    names.0.lock().unwrap().insert(0, address);
    let client = named(&names, Config { timeout: Span(Duration::from_secs(4)), ..patient() });
    for _ in 0..3 {
        assert_eq!(send(&client).await, plain(0, ""));
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Config { timeout: Span(Duration::from_millis(400)), ..config(address) };
    let client = client(&config);
    for _ in 0..3 {
        let Answer::Refused(refused) = send(&client).await else { panic!("nobody answers") };
        assert_eq!(
            (refused.action, refused.code),
            (Action::Retry { after: None }, "DEADLINE_EXCEEDED"),
            "{refused:?}"
        );
        assert_eq!(refused.message, format!("no answer from {address} within 400ms"));
    }
    // Twice without an answer, and a connection is taken for dead.
    let mut accepted = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await {
        accepted.push(stream.unwrap());
    }
    assert_eq!(accepted.len(), 2);
}
