//! What simulated services have in common: an application registered, a state kept in a file, the calls they
//! were given, the faults they can be in, and a control page.

mod calls;
mod consent;
pub(crate) mod control;
mod fault;
mod held;
mod product;
mod trouble;

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use axum::response::Response;
use evosync_connections::platform::{Clock, Entropy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;

use crate::net::{Server, write_private};
pub use calls::Call;
pub(crate) use calls::Calls;
pub(crate) use consent::{Consent, Decision};
pub use fault::Fault;
pub(crate) use fault::{OwnWords, broken_off};
pub(crate) use held::Held;
pub(crate) use product::Product;
pub use product::{Events, SweepNow};
pub(crate) use trouble::Trouble;

/// The inside of a service where applications are registered as an `A`, and which knows an `S`.
pub(crate) struct Simulator<A, S> {
    server: OnceLock<Server>,
    state: Mutex<S>,
    app: Mutex<A>,
    file: Option<PathBuf>,
    fault: Mutex<Fault>,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) calls: Calls,
    pub(crate) answers: Held,
    pub(crate) product: Product,
}

impl<A: Clone, S: Default + Serialize + DeserializeOwned> Simulator<A, S> {
    /// A service that serves nothing yet, with the state its file remembers, if it has one.
    pub(crate) fn open(app: A, file: Option<PathBuf>, clock: Clock, entropy: Entropy) -> io::Result<Self> {
        let state = match &file {
            Some(file) if file.exists() => serde_json::from_slice(&std::fs::read(file)?)?,
            _ => S::default(),
        };
        Ok(Self {
            server: OnceLock::new(),
            state: Mutex::new(state),
            app: Mutex::new(app),
            file,
            fault: Mutex::default(),
            clock,
            entropy,
            calls: Calls::default(),
            answers: Held::default(),
            product: Product::default(),
        })
    }

    /// Serves its routes on a listener.
    pub(crate) fn serve(&self, listener: TcpListener, router: Router) -> io::Result<()> {
        let _ = self.server.set(Server::start(listener, router)?);
        Ok(())
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        self.server.get().map(Server::url).unwrap_or_default()
    }

    /// What it knows, to look at, or to change what no file keeps.
    pub(crate) fn state(&self) -> MutexGuard<'_, S> {
        lock(&self.state)
    }

    /// Changes what it knows, and keeps that.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut S) -> R) -> R {
        let mut state = self.state();
        let outcome = change(&mut state);
        if let Some(file) = &self.file
            && let Err(error) = serde_json::to_string_pretty(&*state)
                .map_err(io::Error::from)
                .and_then(|text| write_private(file, &text))
        {
            tracing::error!(%error, file = %file.display(), "a simulated service's state not kept");
        }
        outcome
    }

    /// The application.
    pub(crate) fn app(&self) -> A {
        lock(&self.app).clone()
    }

    /// Changes what is registered of the application.
    pub(crate) fn change_app(&self, change: impl FnOnce(&mut A)) {
        change(&mut lock(&self.app));
    }

    /// The fault it is in.
    pub(crate) fn fault(&self) -> Fault {
        *lock(&self.fault)
    }

    /// Puts it into a fault.
    pub(crate) fn set_fault(&self, fault: Fault) {
        *lock(&self.fault) = fault;
    }

    /// What it answers before it looks at a request; `None` where it answers as it should.
    pub(crate) async fn fault_answer(&self, words: &OwnWords) -> Option<Response> {
        self.fault().answer(&self.clock, &self.url(), words).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
