//! What tests and the control page do to Evotor.

use super::state::{Account, EvotorState};
use super::switch::Switch;
use super::{Call, Events, Evotor, Fault, SweepNow};

/// What every simulated service can be asked and told.
impl Evotor {
    /// Evotor's address.
    pub fn url(&self) -> String {
        self.shared.url()
    }

    /// Puts a button on the control page that runs a sweep, the product's events, and a link back to it.
    pub fn connect_to(&self, product: String, sweep: SweepNow, events: Events) {
        self.shared.product.set(product, sweep, events);
    }

    /// What Evotor has been asked since the last time, oldest first.
    pub fn take_calls(&self) -> Vec<Call> {
        self.shared.calls.take()
    }

    /// Resolves once Evotor has been called at least `count` times since [`Evotor::take_calls`].
    pub async fn called(&self, count: usize) {
        self.shared.calls.reach(count).await;
    }

    /// Holds the answers of the API and the token endpoint back until [`Evotor::release_answers`].
    pub fn hold_answers(&self) {
        self.shared.answers.hold();
    }

    /// Lets held answers go.
    pub fn release_answers(&self) {
        self.shared.answers.release();
    }

    /// How Evotor answers from now on.
    pub fn set_fault(&self, fault: Fault) {
        self.shared.set_fault(fault);
    }

    /// Changes the application's secret, as its owner does in Evotor's settings.
    pub fn set_client_secret(&self, secret: &str) {
        self.shared.change_app(|app| secret.clone_into(&mut app.client_secret));
    }
}

/// What merchants do.
impl Evotor {
    /// Removes the application from an account: its tokens, codes and refresh tokens are dead.
    pub fn uninstall(&self, account: u64) {
        self.shared.change(|state| {
            state.grants.end_all(account);
            state.codes.retain(|_, code| code.account != account);
        });
    }

    /// Takes the right to see an account's stores, or gives it back.
    pub fn forbid(&self, account: u64, on: bool) {
        self.change_account(account, |account| account.forbidden = on);
    }

    /// Gives an account other stores.
    pub fn set_stores(&self, account: u64, names: &[&str]) {
        self.change_account(account, |account| {
            account.stores = names.iter().map(|name| (*name).to_owned()).collect();
        });
    }

    fn change_account(&self, id: u64, change: impl FnOnce(&mut Account)) {
        self.shared.change(|state: &mut EvotorState| {
            state.accounts.iter_mut().find(|account| account.id == id).map(change);
        });
    }
}

/// How Evotor goes about what its documentation leaves open.
impl Evotor {
    /// Whether `state` comes back with a code or a refusal. Off at the start: `?code=` is all that is
    /// documented.
    pub fn echo_state(&self, on: bool) {
        self.switch(Switch::EchoState, on);
    }

    /// Whether a refresh brings a new refresh token and spends the old one. On at the start; when off, the old
    /// one stays, and the answer has none.
    pub fn rotate(&self, on: bool) {
        self.switch(Switch::Rotate, on);
    }

    /// Whether stores come as a bare array. Off at the start.
    pub fn bare_stores(&self, on: bool) {
        self.switch(Switch::BareStores, on);
    }

    /// Whether refreshes are answered `invalid_grant`, and change nothing. Off at the start.
    pub fn refuse_refreshes(&self, on: bool) {
        self.switch(Switch::RefuseRefreshes, on);
    }

    /// How many stores a page has, one at least; 100 at the start.
    pub fn page_size(&self, size: usize) {
        self.shared.state().ways.page_size = size.max(1);
    }

    /// Loses the answers of the next calls to the token endpoint: what they ask for is done, and the
    /// connection closes without a word.
    pub fn lose_answers(&self, count: u32) {
        self.shared.state().ways.trouble.answers_to_lose = count;
    }

    pub(super) fn switch(&self, switch: Switch, on: bool) {
        self.shared.state().ways.trouble.set(switch, on);
    }
}

/// What has come of it.
impl Evotor {
    /// Every access token Evotor has issued.
    pub fn access_tokens(&self) -> Vec<String> {
        self.shared.state().grants.access_tokens()
    }

    /// Every refresh token Evotor has issued.
    pub fn refresh_tokens(&self) -> Vec<String> {
        self.shared.state().grants.refresh_tokens()
    }

    /// How often a spent refresh token was presented again.
    pub fn reuses(&self) -> u64 {
        self.shared.state().grants.reuses
    }

    /// How many access tokens of an account's the API lets in now.
    pub fn living_tokens(&self, account: u64) -> usize {
        self.shared.state().grants.living_tokens(account, self.shared.clock.now())
    }
}
