//! The browser's own secret while a person is at the issuer. It binds the answer to the browser that
//! asked (OpenID Connect Core 1.0, section 3.1.2.1: `state` and the browser's cookie).

use aws_lc_rs::hmac;
use evosync_connections::domain::State;

/// 256 random bits in a cookie, shaped as a state is.
pub(crate) struct BrowserSecret(State);

impl BrowserSecret {
    pub(crate) fn new(random: [u8; 32]) -> Self {
        Self(State::new(random))
    }

    /// Reads the cookie, `None` for anything this product did not write.
    pub(crate) fn parse(cookie: &str) -> Option<Self> {
        State::parse(cookie).map(Self)
    }

    pub(crate) fn secret(&self) -> &str {
        self.0.secret()
    }

    /// The secret of the session that a sign-in comes to. Derived from what only this browser holds and
    /// what only this sign-in had, so that a repeated callback gets the same cookie, not another session.
    pub(crate) fn session_secret(&self, state: &State) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret().as_bytes());
        let mut context = hmac::Context::with_key(&key);
        context.update(b"evosync session");
        context.update(state.secret().as_bytes());
        let mut secret = [0; 32];
        secret.copy_from_slice(context.sign().as_ref());
        secret
    }

    /// What the pending sign-in's row holds.
    pub(crate) fn digest(&self) -> String {
        self.0.attempt_id().as_str().to_owned()
    }
}
