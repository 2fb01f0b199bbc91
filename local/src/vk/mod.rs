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
use std::sync::{Arc, MutexGuard};

use axum::Router;
use axum::routing::{get, post};
use evosync_connections::platform::{Clock, Entropy};
use tokio::net::TcpListener;

use crate::simulator::{self, Simulator};
pub use crate::simulator::{Call, Events, Fault, SweepNow};
use state::{Account, VkState};
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
    shared: Arc<Simulator<App, VkState>>,
}

impl Vk {
    /// Starts VK on a listener, with the people and tokens its file remembers, if it has one.
    pub fn start(
        listener: TcpListener,
        app: App,
        file: Option<PathBuf>,
        clock: Clock,
        entropy: Entropy,
    ) -> io::Result<Self> {
        let shared = Arc::new(Simulator::open(app, file, clock, entropy)?);
        let vk = Self { shared };
        let router = Router::new()
            .route("/", get(simulator::control::home))
            .route("/authorize", get(authorize::show).post(authorize::decide))
            .route("/access_token", get(token::from_query).post(token::from_form))
            .route("/method/{method}", get(api::call).post(api::call))
            .nest("/id", vk_id::router())
            .route("/control", get(control::show))
            .route("/control/{action}", post(control::act))
            .with_state(vk.clone());
        vk.shared.serve(listener, router)?;
        Ok(vk)
    }

    /// VK's address.
    pub fn url(&self) -> String {
        self.shared.url()
    }

    /// Puts a button on the control page that runs a sweep, the product's events, and a link back to it.
    pub fn connect_to(&self, product: String, sweep: SweepNow, events: Events) {
        self.shared.product.set(product, sweep, events);
    }

    /// What VK has been asked since the last time, oldest first.
    pub fn take_calls(&self) -> Vec<Call> {
        self.shared.calls.take()
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
        self.shared.set_fault(fault);
    }

    /// Changes the application's secret, as its owner does in VK's settings.
    pub fn set_client_secret(&self, secret: &str) {
        self.shared.change_app(|app| secret.clone_into(&mut app.client_secret));
    }

    /// Holds the answers of the API, and of VK ID's token endpoint, back until [`Vk::release_answers`].
    pub fn hold_answers(&self) {
        self.shared.answers.hold();
    }

    /// Lets held answers go.
    pub fn release_answers(&self) {
        self.shared.answers.release();
    }

    /// Resolves once VK has been called at least `count` times since [`Vk::take_calls`].
    pub async fn called(&self, count: usize) {
        self.shared.calls.reach(count).await;
    }

    fn state(&self) -> MutexGuard<'_, VkState> {
        self.shared.state()
    }

    fn app(&self) -> App {
        self.shared.app()
    }

    fn change<R>(&self, change: impl FnOnce(&mut VkState) -> R) -> R {
        self.shared.change(change)
    }

    fn change_account(&self, id: u64, change: impl FnOnce(&mut Account)) {
        self.change(|state| {
            if let Some(account) = state.accounts.iter_mut().find(|account| account.id == id) {
                change(account);
            }
        });
    }
}
