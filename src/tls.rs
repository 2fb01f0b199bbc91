//! Whom the product trusts: the system's roots, and beside them what an operator adds. All clients share what is made
//! here, since most of a function's start would be reading roots otherwise.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::http_client::ClientError;

/// What begins a certificate.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// What most certificates fit into, in Base64.
const USUAL_TEXT: usize = 2 * 1024;

/// The configuration of clients that trust the system's roots and, where given, the certificates of a PEM text.
///
/// # Errors
/// When the PEM text holds no certificate, or one that is malformed; when the system has no roots.
pub(crate) fn client_config(extra_ca: Option<&str>) -> Result<ClientConfig, ClientError> {
    static USUAL: LazyLock<Result<ClientConfig, ClientError>> =
        LazyLock::new(|| trusting(Arc::clone(&ROOTS)));
    let Some(pem) = extra_ca else { return USUAL.clone() };
    let mut roots = RootCertStore::clone(&ROOTS);
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| ClientError::Certificate)?;
        roots.add(certificate).map_err(|_| ClientError::Certificate)?;
        added += 1;
    }
    if added == 0 { Err(ClientError::Certificate) } else { trusting(Arc::new(roots)) }
}

/// TLS 1.2 and 1.3, HTTP/1.1.
fn trusting(roots: Arc<RootCertStore>) -> Result<ClientConfig, ClientError> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(default_provider()));
    if roots.is_empty() {
        return Err(ClientError::Tls);
    }
    let config = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_safe_default_protocol_versions()
        .map_err(|_| ClientError::Tls)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The system's roots. Those that are malformed are left out, as everywhere.
static ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    let bundled = bundle().and_then(|file| std::fs::read_to_string(file).ok());
    let (added, _) =
        roots.add_parsable_certificates(bundled.as_deref().map(certificates).unwrap_or_default());
    if added == 0 {
        // A folder with a file for each root.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    Arc::new(roots)
});

/// The file that holds all of the system's roots: that of `SSL_CERT_FILE`, or where distributions keep it. `None`
/// where `SSL_CERT_DIR` names a folder instead, or beside it.
#[expect(
    clippy::disallowed_methods,
    reason = "these are OpenSSL's variables, for any program on the machine"
)]
fn bundle() -> Option<PathBuf> {
    match (std::env::var("SSL_CERT_FILE"), std::env::var("SSL_CERT_DIR")) {
        (_, Ok(_)) => None,
        (Ok(file), Err(_)) => Some(file.into()),
        (Err(_), Err(_)) => openssl_probe::probe().cert_file,
    }
}

/// The certificates of a PEM text (RFC 7468), in a third of the time that decoders for keys need, which take as long
/// for every text.
fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    let (mut found, mut text) = (Vec::new(), None::<Vec<u8>>);
    for line in pem.lines().map(|line| line.as_bytes().trim_ascii_end()) {
        if line == BEGIN {
            text = Some(Vec::with_capacity(USUAL_TEXT));
        } else if line.first() != Some(&b'-') {
            if let Some(text) = &mut text {
                text.extend_from_slice(line);
            }
        } else if let Some(decoded) = text.take().and_then(|text| STANDARD.decode(text).ok()) {
            found.push(CertificateDer::from(decoded));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_found_among_other_text() {
        let certificate =
            |text| format!("-----BEGIN CERTIFICATE-----\r\n{text}\r\n-----END CERTIFICATE-----\n");
        let others = "# A root\n-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        let pem = [others, &certificate("AAEC\nAwQF"), &certificate("!"), "\nMore.\n", &certificate("BgcI")]
            .concat();
        let expected = [vec![0, 1, 2, 3, 4, 5], vec![6, 7, 8]].map(CertificateDer::from);
        assert_eq!(certificates(&pem), expected);
    }

    #[test]
    fn the_systems_roots_are_those_that_a_library_finds() {
        let mut expected = RootCertStore::empty();
        expected.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let subjects = |store: &RootCertStore| {
            store
                .subjects()
                .into_iter()
                .map(|name| name.as_ref().to_vec())
                .collect::<std::collections::BTreeSet<_>>()
        };
        assert!(!expected.is_empty());
        assert_eq!(subjects(&ROOTS), subjects(&expected));
    }
}
