//! Whom the VK client trusts: the system's roots, and those an operator adds for VK.

use std::sync::Arc;

use evosync_connections::config::Env;
use evosync_connections::domain::secret::AccessToken;
use evosync_connections::domain::{Liveness, TokenSet, Unknown};
use evosync_connections::http_client::Limits;
use evosync_connections::providers::{Subject, vk};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{\"response\":[{\"id\":42}]} ";

/// A root nobody knows, and a server for `localhost` certified by it.
struct PrivateTls {
    root_pem: String,
    port: u16,
}

impl PrivateTls {
    async fn start() -> Self {
        let mut root = CertificateParams::new([]).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &root).unwrap();

        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config =
            ServerConfig::builder_with_provider(Arc::new(provider())).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream.write_all(ANSWER).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { root_pem: root.pem(), port }
    }

    async fn verdict(&self, host: &str, extra_ca: &str) -> Liveness {
        let variables =
            [("VK_API_URL", format!("https://{host}:{}", self.port)), ("VK_EXTRA_CA", extra_ca.to_owned())];
        let env = Env::of_map(variables.map(|(name, value)| (name.to_owned(), value)).into());
        let tokens = TokenSet::of_access(AccessToken::new("token"));
        let check = vk::check_within(&env, Limits::default()).unwrap();
        check.check(Subject { tokens, account_id: "42".to_owned(), scopes: None }).await.liveness
    }
}

fn provider() -> tokio_rustls::rustls::crypto::CryptoProvider {
    tokio_rustls::rustls::crypto::aws_lc_rs::default_provider()
}

#[tokio::test]
async fn a_certificate_of_an_unknown_root_is_refused_and_is_ours_to_mend() {
    let tls = PrivateTls::start().await;
    assert_eq!(tls.verdict("localhost", "").await, Liveness::Unknown(Unknown::OurFault));
}

#[tokio::test]
async fn an_extra_root_is_trusted() {
    let tls = PrivateTls::start().await;
    assert_eq!(tls.verdict("localhost", &tls.root_pem).await, Liveness::Alive);
}

#[tokio::test]
async fn an_extra_root_may_stand_in_a_file() {
    let tls = PrivateTls::start().await;
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("root.pem");
    std::fs::write(&file, &tls.root_pem).unwrap();
    assert_eq!(tls.verdict("localhost", file.to_str().unwrap()).await, Liveness::Alive);
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused_whoever_signed_it() {
    let tls = PrivateTls::start().await;
    assert_eq!(tls.verdict("127.0.0.1", &tls.root_pem).await, Liveness::Unknown(Unknown::OurFault));
}

#[test]
fn a_text_without_certificates_stops_the_boot() {
    let text = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----";
    let env = Env::of_map([("VK_EXTRA_CA".to_owned(), text.to_owned())].into());
    let error = vk::check_within(&env, Limits::default()).err().unwrap().to_string();
    assert!(error.contains("VK_EXTRA_CA"), "{error}");
}
