//! Whose certificate is taken, where that is not only a matter of chains.
//!
//! - [`Trusted`] takes what a chain leads to from a certificate that is trusted, and what is itself, byte for byte, one
//!   of those: a certificate that somebody has signed with its own key, as `openssl req -x509` makes it, says that it is
//!   an authority's, and webpki takes no such one from a peer. Go's crypto/x509 does, if it is trusted.
//!   *Guaranteed:* its time of validity is checked, and its name if it is a server's; the peer has to hold its key.
//!   *Not here:* the uses for which an authority's certificate is (`extendedKeyUsage`). Whoever holds its key could sign
//!   a certificate for any of them.
//! - [`Anybody`] is `insecure_skip_verify`. The connection is encrypted, and the other side holds the key of the
//!   certificate it shows. Whose certificate that is nobody asks, so whoever stands in between can read and change
//!   everything.

use std::{fmt, sync::Arc};

use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

/// Takes whom the verifier within takes, and who shows one of these certificates itself.
#[derive(Debug)]
pub struct Trusted<V: ?Sized> {
    certificates: Vec<CertificateDer<'static>>,
    chains: Arc<V>,
}

/// Takes any certificate.
#[derive(Debug)]
pub(super) struct Anybody(pub(super) Arc<CryptoProvider>);

/// A certificate that says that it signs others was shown by a peer.
struct Authority;

// === impl Trusted ===

impl<V: ?Sized> Trusted<V> {
    /// `chains` trusts these certificates as authorities.
    pub fn new(certificates: Vec<CertificateDer<'static>>, chains: Arc<V>) -> Self {
        Self { certificates, chains }
    }

    /// Whether a certificate is taken that `chains` has refused: it is one of those that are trusted, and nothing is
    /// wrong with it but the place where it stands. Its time was looked at before that.
    ///
    /// # Errors
    /// It is not; in plain words, if it says that it is an authority's.
    fn or_itself(&self, shown: &CertificateDer<'_>, refused: Error) -> Result<(), Error> {
        let Error::InvalidCertificate(reason) = &refused else { return Err(refused) };
        let is_authority = is_authority(reason);
        let is_misplaced = is_authority || *reason == CertificateError::UnknownIssuer;
        if is_misplaced && self.certificates.iter().any(|own| own == shown) {
            return Ok(());
        }
        if is_authority {
            return Err(CertificateError::Other(OtherError(Arc::new(Authority))).into());
        }
        Err(refused)
    }
}

fn is_authority(reason: &CertificateError) -> bool {
    let CertificateError::Other(OtherError(cause)) = reason else { return false };
    cause.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}

impl ServerCertVerifier for Trusted<WebPkiServerVerifier> {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.chains.verify_server_cert(shown, intermediates, name, ocsp_response, now);
        verified.or_else(|refused| {
            self.or_itself(shown, refused)?;
            verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
            Ok(ServerCertVerified::assertion())
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

impl ClientCertVerifier for Trusted<dyn ClientCertVerifier> {
    fn offer_client_auth(&self) -> bool {
        self.chains.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chains.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chains.verify_client_cert(shown, intermediates, now);
        verified.or_else(|refused| {
            self.or_itself(shown, refused)?;
            Ok(ClientCertVerified::assertion())
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

// === impl Anybody ===

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

// === impl Authority ===

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "it says that it is an authority's (CA:TRUE), and is not one of those that are trusted; trust this very \
             certificate, or make another with basicConstraints = CA:FALSE",
        )
    }
}

/// rustls shows a cause in this form.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Authority {}
