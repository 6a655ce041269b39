//! TLS with certificates made for the occasion: who is trusted, under which name, and who we say we are.

use std::{convert::Infallible, task};

use http_body_util::BodyExt;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    body::Body,
    server::NamedService,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};

use super::*;
use crate::tls::{
    Tls,
    tests::{Authority, trusting},
};

/// A server that takes everything over TLS, until dropped.
struct Secure {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// What it answers.
#[derive(Clone)]
struct Yes;

// === impl Secure ===

impl Secure {
    /// Shows a certificate for `name` by `authority`; wants one by `clients` from whoever comes, if given.
    async fn start(authority: &Authority, name: &str, clients: Option<&Authority>) -> Self {
        let (certificate, key) = authority.sign(name);
        let mut tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        if let Some(clients) = clients {
            tls = tls.client_ca_root(Certificate::from_pem(&clients.pem));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = Server::builder().tls_config(tls).unwrap();
        let task = tokio::spawn(async move {
            let served = server.add_service(Yes).serve_with_incoming(TcpListenerStream::new(listener));
            served.await.unwrap();
        });
        Self { address, task }
    }

    /// What comes of a request with this configuration, by the name `localhost`.
    async fn ask(&self, tls: Tls) -> Answer {
        self.ask_with(Config { tls, ..config(self.address) }).await
    }

    /// The same with more than `tls`.
    async fn ask_with(&self, config: Config) -> Answer {
        let endpoint = format!("https://localhost:{}", self.address.port());
        let client = client(&Config { endpoint, ..config });
        client.send(SignalKind::Traces, Bytes::from_static(b"request").into()).await
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Yes ===

impl NamedService for Yes {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl tower::Service<http::Request<Body>> for Yes {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), Infallible>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            request.into_body().collect().await.unwrap();
            Ok(Status::ok("").into_http())
        })
    }
}

/// The words of a refusal that is worth another attempt: somebody may mend it.
fn passing(answer: Answer) -> String {
    match answer {
        Answer::Refused(Refused { action: Action::Retry { .. }, code: "UNAVAILABLE", message }) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_accepted() {
    let authority = Authority::new("ours");
    let server = Secure::start(&authority, "localhost", None).await;
    assert_eq!(server.ask(trusting(&authority)).await, plain(0, ""));
    // The same with the authority in a file.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &authority.pem).unwrap();
    let tls = Tls { ca_file: Some(file.path().to_owned()), ..Tls::default() };
    assert_eq!(server.ask(tls).await, plain(0, ""));
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_and_said_to_be() {
    let server = Secure::start(&Authority::new("ours"), "localhost", None).await;
    let message = passing(server.ask(trusting(&Authority::new("theirs"))).await);
    assert!(message.contains("invalid peer certificate"), "{message}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_unless_that_name_is_asked_for() {
    let authority = Authority::new("ours");
    let server = Secure::start(&authority, "backend.test", None).await;
    let message = passing(server.ask(trusting(&authority)).await);
    assert!(message.contains("not valid for name"), "{message}");
    let tls = Tls { server_name_override: Some("backend.test".to_owned()), ..trusting(&authority) };
    assert_eq!(server.ask(tls.clone()).await, plain(0, ""));
    // As in gRPC's Go client, `authority` names the server too, where nothing else does.
    let asked = |name: &str, tls| {
        server.ask_with(Config { authority: Some(name.to_owned()), tls, ..config(server.address) })
    };
    assert_eq!(asked("backend.test:4317", trusting(&authority)).await, plain(0, ""));
    assert_eq!(asked("other.test", tls).await, plain(0, ""));
}

#[tokio::test]
async fn a_server_that_asks_who_we_are_gets_our_certificate() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = Secure::start(&servers, "localhost", Some(&clients)).await;
    let shown = |(certificate, key): (String, String)| Tls {
        cert_pem: Some(certificate),
        key_pem: Some(Secret::from(key.as_str())),
        ..trusting(&servers)
    };
    assert_eq!(server.ask(shown(clients.sign("phasor"))).await, plain(0, ""));
    passing(server.ask(trusting(&servers)).await);
    passing(server.ask(shown(servers.sign("phasor"))).await);
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_in_the_clear() {
    let peer = Peer::start(None, |_, _| Reply::ok(b"")).await;
    let endpoint = format!("https://localhost:{}", peer.address.port());
    let tls = trusting(&Authority::new("ours"));
    let client = client(&Config { endpoint, tls, ..config(peer.address) });
    passing(client.send(SignalKind::Traces, Bytes::new().into()).await);
    assert!(peer.received().is_empty());
}
