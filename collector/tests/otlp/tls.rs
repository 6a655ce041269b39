//! TLS and mTLS on both protocols: who is served, who is not, and certificates that change.

use std::{fs, path::Path, sync::Arc};

use http::Request;
use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use proto::SignalKind;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider, pki_types::PrivateKeyDer},
};

use crate::fixture::*;

/// Signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key for `name`, as PEM in `folder`.
    fn issue(&self, folder: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    }

    fn connector(&self, shown: Option<(&Authority, &str)>, alpn: &str) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some((authority, name)) => {
                let key = KeyPair::generate().unwrap();
                let params = CertificateParams::new([name.to_owned()]).unwrap();
                let certificate = params.signed_by(&key, &authority.0).unwrap();
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
            }
        };
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        TlsConnector::from(Arc::new(config))
    }
}

/// A receiver whose two protocols have the certificate in `folder`.
async fn receiver(folder: &Path, more: &str) -> Receiver {
    let tls = format!(
        "tls: {{cert_file: {0}/cert.pem, key_file: {0}/key.pem {1}}}",
        folder.display(),
        more.replace("FOLDER", &folder.display().to_string())
    );
    let tls: &'static str = tls.leak();
    Receiver::start(Setup { grpc: tls, http: tls, ..Setup::default() }).await
}

async fn secured(
    addr: std::net::SocketAddr,
    connector: &TlsConnector,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    connector.connect(name.try_into().unwrap(), TcpStream::connect(addr).await?).await
}

/// The status of a request over HTTP/1.1; nothing if there is no answer.
async fn http_status(receiver: &Receiver, connector: &TlsConnector, name: &'static str) -> Option<u16> {
    bounded(async {
        let stream = secured(receiver.http(), connector, name).await.ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        let request = Request::post("/v1/traces").header("host", name).header(PROTOBUF.0, PROTOBUF.1);
        let request = request.body(full(spans(1).encode_to_vec())).unwrap();
        Some(sender.send_request(request).await.ok()?.status().as_u16())
    })
    .await
}

/// The code of a call; nothing if there is no answer.
async fn grpc_code(receiver: &Receiver, connector: &TlsConnector, name: &'static str) -> Option<String> {
    bounded(async {
        let stream = secured(receiver.grpc(), connector, name).await.ok()?;
        let io = TokioIo::new(stream);
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.ok()?;
        tokio::spawn(connection);
        let request = Request::post(format!("https://{name}{TRACES}"))
            .header("content-type", "application/grpc")
            .body(full(framed(0, &spans(1).encode_to_vec())))
            .unwrap();
        let body = sender.send_request(request).await.ok()?.into_body().collect().await.ok()?;
        Some(body.trailers()?.get("grpc-status")?.to_str().unwrap().to_owned())
    })
    .await
}

#[tokio::test]
async fn both_protocols_are_served_over_tls_and_not_without() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.issue(folder.path(), "localhost");
    let receiver = receiver(folder.path(), "").await;
    assert_eq!(http_status(&receiver, &authority.connector(None, "http/1.1"), "localhost").await, Some(200));
    assert_eq!(
        grpc_code(&receiver, &authority.connector(None, "h2"), "localhost").await.as_deref(),
        Some("0")
    );
    assert_eq!(receiver.arrived(SignalKind::Traces).await.len(), 2);

    // Somebody else's authority, another name, and no TLS at all.
    let stranger = Authority::new();
    assert_eq!(http_status(&receiver, &stranger.connector(None, "http/1.1"), "localhost").await, None);
    assert_eq!(http_status(&receiver, &authority.connector(None, "http/1.1"), "example.com").await, None);
    let mut sender = connect_http1(receiver.http()).await;
    let request = Request::post("/v1/traces").header("host", "localhost").body(full("")).unwrap();
    assert!(bounded(sender.send_request(request)).await.is_err());
    assert_eq!(http_status(&receiver, &authority.connector(None, "http/1.1"), "localhost").await, Some(200));
}

#[tokio::test]
async fn with_client_ca_file_only_who_shows_a_certificate_of_it_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, clients) = (Authority::new(), Authority::new());
    authority.issue(folder.path(), "localhost");
    fs::write(folder.path().join("clients.pem"), clients.0.pem()).unwrap();
    let receiver = receiver(folder.path(), ", client_ca_file: FOLDER/clients.pem").await;
    for (shown, served) in
        [(Some((&clients, "agent")), true), (Some((&authority, "agent")), false), (None, false)]
    {
        let status = http_status(&receiver, &authority.connector(shown, "http/1.1"), "localhost").await;
        assert_eq!(status, served.then_some(200));
        let code = grpc_code(&receiver, &authority.connector(shown, "h2"), "localhost").await;
        assert_eq!(code.as_deref(), served.then_some("0"));
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (Authority::new(), Authority::new());
    before.issue(folder.path(), "localhost");
    let receiver = receiver(folder.path(), ", reload_interval: 20ms").await;
    let (old, new) = (before.connector(None, "http/1.1"), after.connector(None, "http/1.1"));
    assert_eq!(http_status(&receiver, &old, "localhost").await, Some(200));
    fs::write(folder.path().join("cert.pem"), "no certificate").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(http_status(&receiver, &old, "localhost").await, Some(200), "the last good one stays");
    after.issue(folder.path(), "localhost");
    let renewed = async { while http_status(&receiver, &new, "localhost").await != Some(200) {} };
    bounded(renewed).await;
    assert_eq!(http_status(&receiver, &old, "localhost").await, None);
    let reloads = &receiver.running.reloads;
    assert!(reloads.done.total() > 0 && reloads.failed.total() > 0, "{reloads:?}");
}

/// Shows a certificate that is signed with its own key and says that it is an authority's; PEM of it.
fn showing_itself(authority: &Authority, until: i32) -> (TlsConnector, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["agent".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (TlsConnector::from(Arc::new(config)), certificate.pem())
}

#[tokio::test]
async fn a_client_whose_own_certificate_is_in_client_ca_file_is_served_while_it_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.issue(folder.path(), "localhost");
    let (client, own) = showing_itself(&authority, 4096);
    let (expired, of_expired) = showing_itself(&authority, 2001);
    let (stranger, _) = showing_itself(&authority, 4096);
    fs::write(folder.path().join("clients.pem"), own + &of_expired).unwrap();
    let receiver = receiver(folder.path(), ", client_ca_file: FOLDER/clients.pem").await;
    for (connector, served) in [(client, true), (expired, false), (stranger, false)] {
        let status = http_status(&receiver, &connector, "localhost").await;
        assert_eq!(status, served.then_some(200));
    }
}

#[tokio::test]
async fn silent_handshakes_keep_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.issue(folder.path(), "localhost");
    let receiver = receiver(folder.path(), "").await;
    let mut silent = Vec::new();
    for _ in 0..phasor_collector::receivers::otlp::CONNECTIONS_MAX + 20 {
        silent.push(TcpStream::connect(receiver.http()).await.unwrap());
    }
    assert_eq!(http_status(&receiver, &authority.connector(None, "http/1.1"), "localhost").await, Some(200));
    drop(silent);
}

#[tokio::test]
async fn files_that_do_not_fit_are_named_when_the_receiver_starts() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new().issue(folder.path(), "localhost");
    fs::write(folder.path().join("other.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    for (cert, key, said) in [
        ("cert.pem", "other.pem", "tls.key_file: "),
        ("key.pem", "key.pem", "tls.cert_file: holds no certificate in PEM"),
        ("cert.pem", "cert.pem", "tls.key_file: holds no private key in PEM that we can read"),
        ("none.pem", "key.pem", "tls.cert_file: "),
    ] {
        let yaml = format!(
            "protocols: {{http: {{endpoint: \"127.0.0.1:0\", tls: {{cert_file: {0}/{cert}, key_file: {0}/{key}}}}}}}",
            folder.path().display()
        );
        let error = start_error(&yaml).await;
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.starts_with(said), "{cause}");
    }
}
