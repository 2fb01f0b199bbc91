//! Listening on loopback, and keeping files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server that ends when this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Serves a router on a listener.
    pub(crate) fn start(listener: TcpListener, router: Router) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { address, tasks: vec![tokio::spawn(serve(listener, router))] })
    }

    /// Serves the router on a further listener.
    pub(crate) fn also_on(&mut self, listener: TcpListener, router: Router) {
        self.tasks.push(tokio::spawn(serve(listener, router)));
    }

    /// The address by number: another site than `localhost`, as VK and an issuer are.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn serve(listener: TcpListener, router: Router) {
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "server ended");
    }
}

/// Listens on a port of 127.0.0.1; 0 lets the system choose.
pub(crate) async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// Listens on a port of 127.0.0.1, or on any where it is taken.
pub(crate) async fn listen_near(port: u16) -> io::Result<TcpListener> {
    match listen(port).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => listen(0).await,
        outcome => outcome,
    }
}

/// Listens on the same port of `::1`, which browsers may try first for `localhost`; `None` on a
/// machine without IPv6.
pub(crate) async fn listen_v6(port: u16) -> io::Result<Option<TcpListener>> {
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(_) => Ok(None),
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&draft)?.write_all(text.as_bytes())?;
    fs::rename(draft, path)
}
