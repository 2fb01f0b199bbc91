//! The stub's two addresses, and a third one for its counters.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Stub;
use super::counts::Counts;

/// Where the stub answers.
pub(super) struct Listening {
    pub(super) plain: String,
    pub(super) tls: String,
    pub(super) counts: String,
    /// The root that certifies the TLS address, as PEM.
    pub(super) root: String,
}

pub(super) async fn listen(stub: Arc<Stub>) -> Result<Listening, Box<dyn Error>> {
    let (acceptor, root) = certified()?;
    let [plain, tls, counts] = [listener().await?, listener().await?, listener().await?];
    let listening = Listening {
        plain: format!("http://localhost:{}", plain.local_addr()?.port()),
        tls: format!("https://localhost:{}", tls.local_addr()?.port()),
        counts: format!("http://{}", counts.local_addr()?),
        root,
    };
    tokio::spawn(accept(Arc::clone(&stub), plain, None, listening.plain.clone()));
    tokio::spawn(accept(Arc::clone(&stub), tls, Some(acceptor), listening.tls.clone()));
    tokio::spawn(tell(stub, counts));
    Ok(listening)
}

async fn listener() -> std::io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await
}

/// A certificate of `localhost` as public ones are today: ECDSA on P-256, certified by a root of the same kind.
fn certified() -> Result<(TlsAcceptor, String), Box<dyn Error>> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // OpenSSL takes a certificate for self-signed that has its issuer's name.
    authority.distinguished_name.push(DnType::CommonName, "The scoreboard's root");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &authority)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), authority.pem()))
}

async fn accept(stub: Arc<Stub>, listener: TcpListener, acceptor: Option<TlsAcceptor>, origin: String) {
    let origin: Arc<str> = origin.into();
    while let Ok((stream, _)) = listener.accept().await {
        stub.counts.connections.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
        let (stub, acceptor, origin) = (Arc::clone(&stub), acceptor.clone(), Arc::clone(&origin));
        tokio::spawn(async move {
            match acceptor {
                None => serve(stub, stream, origin).await,
                Some(acceptor) => {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    stub.counts.handshakes.fetch_add(1, Ordering::Relaxed);
                    serve(stub, stream, origin).await;
                }
            }
        });
    }
}

async fn serve(
    stub: Arc<Stub>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    origin: Arc<str>,
) {
    let counted = Counted { stream, stub: Arc::clone(&stub) };
    let service = service_fn(move |request: Request<Incoming>| {
        let (stub, origin) = (Arc::clone(&stub), Arc::clone(&origin));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let reply = stub.answer(&Request::from_parts(parts, ()), &body, &origin).await;
            let answer = Response::builder()
                .status(reply.status)
                .header("content-type", "application/json")
                .body(Full::<Bytes>::from(reply.body));
            Ok::<_, Infallible>(answer.unwrap_or_default())
        }
    });
    // A client that hangs up has nothing more to ask.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(counted), service)
        .await;
}

/// Answers every request with the counters.
async fn tell(stub: Arc<Stub>, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let stub = Arc::clone(&stub);
        tokio::spawn(async move {
            let service = service_fn(move |_| {
                let counts = stub.counts.to_json().to_string();
                async move { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(counts))) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// A stream whose bytes are counted.
struct Counted<S> {
    stream: S,
    stub: Arc<Stub>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        Counts::add(&self.stub.counts.bytes_in, buffer.filled().len() - before);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(number)) = &written {
            Counts::add(&self.stub.counts.bytes_out, *number);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
