use std::{net::SocketAddr, path::Path, time::Duration};

use pipelines::config::Span;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, server::WebPkiClientVerifier, version::TLS12},
};

use super::*;
use crate::secret::Secret;

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A server's side of TLS.
pub(crate) struct Server {
    pub(crate) acceptor: TlsAcceptor,
}

// === impl Authority ===

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for `name`, and its key.
    pub(crate) fn sign(&self, name: &str) -> (String, String) {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

// === impl Server ===

impl Server {
    /// Shows a certificate for `localhost`; wants one by `clients`, if given.
    pub(crate) fn new(authority: &Authority, clients: Option<&Authority>, protocols: &[&str]) -> Self {
        Self::of(authority, clients, protocols, &[&TLS12, &tokio_rustls::rustls::version::TLS13])
    }

    fn of(
        authority: &Authority,
        clients: Option<&Authority>,
        protocols: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        Self::showing(&authority.sign("localhost"), clients, protocols, versions)
    }

    fn showing(
        (chain, key): &(String, String),
        clients: Option<&Authority>,
        protocols: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let builder =
            ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(certificates("", clients.pem.as_bytes()).unwrap().remove(0)).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = certificates("", chain.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

pub(crate) fn trusting(authority: &Authority) -> Tls {
    Tls { ca_pem: Some(authority.pem.clone()), ..Tls::default() }
}

/// One connection: the certificate the client showed, or why there is no connection.
async fn shown(client: &TlsClient, server: &Server) -> Result<Vec<u8>, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (there, here) = tokio::join!(
        async {
            let mut stream = server.acceptor.accept(listener.accept().await.unwrap().0).await?;
            stream.write_all(b"x").await?;
            let certificates = stream.get_ref().1.peer_certificates();
            io::Result::Ok(certificates.map_or(Vec::new(), |chain| chain[0].to_vec()))
        },
        async {
            let mut stream = client.connect("localhost", TcpStream::connect(address).await?).await?;
            // In TLS 1.3 a client hears only now that it was refused.
            stream.read_exact(&mut [0]).await
        }
    );
    here.map_err(|error| error.to_string())?;
    there.map_err(|error| error.to_string())
}

/// As `openssl req -x509` makes it: signed with its own key, and an authority. Valid until that year.
fn self_signed(name: &str, until: i32) -> (String, String) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn write(folder: &Path, (certificate, key): &(String, String)) {
    std::fs::write(folder.join("cert.pem"), certificate).unwrap();
    std::fs::write(folder.join("key.pem"), key).unwrap();
}

fn der((certificate, _): &(String, String)) -> Vec<u8> {
    certificates("", certificate.as_bytes()).unwrap()[0].to_vec()
}

#[tokio::test]
async fn files_are_read_again_and_bad_ones_leave_the_old_in_use() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = Server::new(&servers, Some(&clients), &[]);
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (clients.sign("first"), clients.sign("second"));
    write(folder.path(), &first);
    let files = Tls {
        cert_file: Some(folder.path().join("cert.pem")),
        key_file: Some(folder.path().join("key.pem")),
        ..trusting(&servers)
    };
    let reloading = Tls { reload_interval: Some(Span(Duration::from_nanos(1))), ..files.clone() };
    let (client, steady) = (TlsClient::open(&reloading, &[]).unwrap(), TlsClient::open(&files, &[]).unwrap());
    assert_eq!(shown(&client, &server).await, Ok(der(&first)));
    write(folder.path(), &second);
    assert_eq!(shown(&client, &server).await, Ok(der(&second)));
    assert_eq!(shown(&steady, &server).await, Ok(der(&first)), "nobody asked for new ones");
    assert_eq!((client.reloads().done.total(), client.reloads().failed.total()), (2, 0));
    // A certificate without its key, a file that is none, and no file at all.
    std::fs::write(folder.path().join("cert.pem"), &first.0).unwrap();
    assert_eq!(shown(&client, &server).await, Ok(der(&second)));
    std::fs::write(folder.path().join("cert.pem"), "half a fi").unwrap();
    assert_eq!(shown(&client, &server).await, Ok(der(&second)));
    std::fs::remove_file(folder.path().join("cert.pem")).unwrap();
    assert_eq!(shown(&client, &server).await, Ok(der(&second)));
    assert_eq!(client.reloads().failed.total(), 3);
    write(folder.path(), &first);
    assert_eq!(shown(&client, &server).await, Ok(der(&first)));
}

#[tokio::test]
async fn versions_and_trust_are_what_is_written() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = Server::new(&ours, None, &[]);
    let old = Server::of(&ours, None, &[], &[&TLS12]);
    let open = |tls: &Tls| TlsClient::open(tls, &[]).unwrap();
    assert_eq!(shown(&open(&trusting(&ours)), &old).await, Ok(Vec::new()));
    let new_only = Tls { min_version: Some("1.3".to_owned()), ..trusting(&ours) };
    assert!(shown(&open(&new_only), &old).await.is_err());
    assert_eq!(shown(&open(&new_only), &server).await, Ok(Vec::new()));
    let refused = shown(&open(&trusting(&theirs)), &server).await.unwrap_err();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    let anybody = Tls { insecure_skip_verify: true, ..trusting(&theirs) };
    assert_eq!(shown(&open(&anybody), &server).await, Ok(Vec::new()));
    assert_eq!(shown(&open(&anybody), &old).await, Ok(Vec::new()));
    assert_eq!(anybody.without_effect()[0].path, "insecure_skip_verify", "nobody does so unwarned");
}

#[test]
fn what_cannot_be_used_is_named_without_its_content() {
    let (certificate, key) = Authority::new("ours").sign("phasor");
    let (_, other) = Authority::new("ours").sign("phasor");
    let pair = |certificate: &str, key: &str| Tls {
        cert_pem: Some(certificate.to_owned()),
        key_pem: Some(Secret::from(key)),
        ..trusting(&Authority::new("ours"))
    };
    for (tls, expected) in [
        (
            Tls { ca_pem: Some("nothing".to_owned()), ..Tls::default() },
            "ca_file: holds no certificate in PEM",
        ),
        (pair("nothing", &key), "cert_file: holds no certificate in PEM"),
        (pair(&certificate, "hunter2"), "key_file: holds no private key in PEM"),
        (pair(&certificate, &other), "key_file: does not fit cert_file"),
    ] {
        let error = TlsClient::open(&tls, &[]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let shown = format!("{:?}", TlsClient::open(&pair(&certificate, &key), &[]).unwrap());
    assert!(!shown.contains("PRIVATE KEY"), "{shown}");
}

#[test]
fn versions_that_cannot_be_are_faults() {
    for (yaml, path) in [
        ("{min_version: '1.4'}", "min_version"),
        ("{max_version: '1.1'}", "max_version"),
        ("{min_version: '1.3', max_version: '1.2'}", "max_version"),
        ("{tpm: {enabled: true}}", "tpm"),
    ] {
        let tls: Tls = serde_saphyr::from_str(yaml).unwrap();
        let paths: Vec<_> = tls.check().into_iter().map(|error| error.path).collect();
        assert_eq!(paths, [path], "{yaml}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_trusted_itself_is_taken_while_it_is_valid_and_of_that_name() {
    let ours = Authority::new("ours");
    let trusting = |certificate: &str| {
        let tls = Tls { ca_pem: Some(certificate.to_owned()), ..Tls::default() };
        TlsClient::open(&tls, &[]).unwrap()
    };
    let (own, expired) = (self_signed("localhost", 4096), self_signed("localhost", 2001));
    let (other_name, issued) = (self_signed("example.com", 4096), ours.sign("localhost"));
    for versions in [&[&TLS12][..], &[&tokio_rustls::rustls::version::TLS13]] {
        let server = |shown: &(String, String)| Server::showing(shown, None, &[], versions);
        assert_eq!(shown(&trusting(&own.0), &server(&own)).await, Ok(Vec::new()));
        // A leaf alone, without its authority, as Go takes it too.
        assert_eq!(shown(&trusting(&issued.0), &server(&issued)).await, Ok(Vec::new()));
        for (trusted, showing, said) in [
            (&expired, &expired, "expired"),
            (&other_name, &other_name, "not valid for"),
            (&own, &self_signed("localhost", 4096), "says that it is an authority's (CA:TRUE)"),
            (&own, &issued, "UnknownIssuer"),
        ] {
            let refused = shown(&trusting(&trusted.0), &server(showing)).await.unwrap_err();
            assert!(refused.contains(said), "{said}: {refused}");
        }
    }
}
