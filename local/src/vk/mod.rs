//! A simulated VK that behaves as the real one does: consent page, one-time codes, errors with
//! status 401 at the token endpoint and status 200 at the API, tokens that expire as their rights
//! say. VK ID, the flow that real VK has for new applications, is served under `/id`.
//!
//! [`Vk`] is the handle that tests, and the control page at `/control`, make trouble with.

mod api;
mod authorize;
mod control;
mod state;
mod token;
mod vk_id;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use axum::routing::{get, post};
use evosync_connections::platform::{Clock, Entropy};
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::net::Server;
use state::{Account, VkState};
pub use state::{Call, Fault};
pub use vk_id::Switch;

/// The application registered at VK.
#[derive(Clone)]
pub struct App {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: String,
    /// `service_token`, which VK ID wants instead.
    pub service_token: String,
    /// The one redirect URI VK accepts.
    pub redirect_uri: String,
}

/// A running VK.
#[derive(Clone)]
pub struct Vk {
    shared: Arc<Shared>,
}

struct Shared {
    server: OnceLock<Server>,
    state: Mutex<VkState>,
    app: Mutex<App>,
    file: Option<PathBuf>,
    clock: Clock,
    entropy: Entropy,
    held: watch::Sender<bool>,
    sweep: OnceLock<SweepNow>,
    events: OnceLock<Events>,
    product: OnceLock<String>,
}

/// Runs a sweep and says what it found.
pub type SweepNow = Box<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>;

/// The product's events, oldest first, a line each.
pub type Events = Box<dyn Fn() -> Vec<String> + Send + Sync>;

impl Vk {
    /// Starts VK on a listener, with the people and tokens its file remembers, if it has one.
    pub fn start(
        listener: TcpListener,
        app: App,
        file: Option<PathBuf>,
        clock: Clock,
        entropy: Entropy,
    ) -> io::Result<Self> {
        let state = VkState::open(file.as_deref())?;
        let shared = Arc::new(Shared {
            server: OnceLock::new(),
            state: Mutex::new(state),
            app: Mutex::new(app),
            file,
            clock,
            entropy,
            held: watch::Sender::new(false),
            sweep: OnceLock::new(),
            events: OnceLock::new(),
            product: OnceLock::new(),
        });
        let vk = Self { shared };
        let router = Router::new()
            .route("/", get(control::home))
            .route("/authorize", get(authorize::show).post(authorize::decide))
            .route("/access_token", get(token::from_query).post(token::from_form))
            .route("/method/{method}", get(api::call).post(api::call))
            .nest("/id", vk_id::router())
            .route("/control", get(control::show))
            .route("/control/{action}", post(control::act))
            .with_state(vk.clone());
        let _ = vk.shared.server.set(Server::start(listener, router)?);
        Ok(vk)
    }

    /// VK's address.
    pub fn url(&self) -> String {
        self.shared.server.get().map(Server::url).unwrap_or_default()
    }

    /// Puts a button on the control page that runs a sweep, the product's events, and a link back to it.
    pub fn connect_to(&self, product: String, sweep: SweepNow, events: Events) {
        let _ = self.shared.events.set(events);
        let _ = self.shared.product.set(product);
        let _ = self.shared.sweep.set(sweep);
    }

    /// What VK has been asked since the last time, oldest first.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state().calls)
    }

    /// Every access token VK has issued.
    pub fn tokens(&self) -> Vec<String> {
        let state = self.state();
        state.tokens.keys().chain(state.vk_id.access_tokens()).cloned().collect()
    }

    /// Makes every token of an account invalid, as a person does in VK's settings.
    pub fn revoke_tokens(&self, account: u64) {
        self.change(|state| {
            state.vk_id.end_sessions(account);
            state.tokens.values_mut().filter(|token| token.account == account).for_each(|token| {
                token.revoked = true;
            });
        });
    }

    /// Takes rights, as bits, from every token that the classic flow gave for an account.
    pub fn withdraw_right(&self, account: u64, bits: u32) {
        self.change(|state| {
            state.tokens.values_mut().filter(|token| token.account == account).for_each(|token| {
                token.permissions &= !bits;
            });
        });
    }

    /// Calls an account `banned` or `deleted`, or restores it.
    pub fn deactivate(&self, account: u64, reason: Option<&str>) {
        self.change_account(account, |account| account.deactivated = reason.map(str::to_owned));
    }

    /// Makes the API answer an account's tokens with an error from now on; `None` for none.
    pub fn answer_with_error(&self, account: u64, code: Option<i64>) {
        self.change_account(account, |account| account.error = code);
    }

    /// Renames an account.
    pub fn rename(&self, account: u64, first_name: &str, last_name: &str) {
        self.change_account(account, |account| {
            first_name.clone_into(&mut account.first_name);
            last_name.clone_into(&mut account.last_name);
        });
    }

    /// How VK answers from now on.
    pub fn set_fault(&self, fault: Fault) {
        self.change(|state| state.fault = fault);
    }

    /// Changes the application's secret, as its owner does in VK's settings.
    pub fn set_client_secret(&self, secret: &str) {
        self.change_app(|app| secret.clone_into(&mut app.client_secret));
    }

    /// Holds the answers of the API, and of VK ID's token endpoint, back until [`Vk::release_answers`].
    pub fn hold_answers(&self) {
        self.shared.held.send_replace(true);
    }

    /// Lets held answers go.
    pub fn release_answers(&self) {
        self.shared.held.send_replace(false);
    }

    /// Resolves once VK has been called at least `count` times since [`Vk::take_calls`].
    pub async fn called(&self, count: usize) {
        let mut calls = self.state().called.subscribe();
        loop {
            if self.state().calls.len() >= count || calls.changed().await.is_err() {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, VkState> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn app(&self) -> App {
        self.shared.app.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change_app(&self, change: impl FnOnce(&mut App)) {
        change(&mut self.shared.app.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn change<R>(&self, change: impl FnOnce(&mut VkState) -> R) -> R {
        let mut state = self.state();
        let outcome = change(&mut state);
        if let Some(file) = &self.shared.file
            && let Err(error) = state.keep(file)
        {
            tracing::error!(%error, "VK's accounts and tokens not kept");
        }
        outcome
    }

    fn change_account(&self, id: u64, change: impl FnOnce(&mut Account)) {
        self.change(|state| {
            if let Some(account) = state.accounts.iter_mut().find(|account| account.id == id) {
                change(account);
            }
        });
    }

    async fn released(&self) {
        let mut held = self.shared.held.subscribe();
        let _ = held.wait_for(|held| !held).await;
    }
}
