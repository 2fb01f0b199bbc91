//! The browser's own secret while a person is at the issuer. It binds the answer to the browser that
//! asked (OpenID Connect Core 1.0, section 3.1.2.1: `state` and the browser's cookie).

use aws_lc_rs::hmac;
use evosync_connections::domain::State;

/// 256 random bits in a cookie, in the format of a [`State`].
pub(crate) struct BrowserSecret(State);

impl BrowserSecret {
    pub(crate) fn new(random: [u8; 32]) -> Self {
        Self(State::new(random))
    }

    /// Parses the cookie's value; `None` if it is malformed.
    pub(crate) fn parse(cookie: &str) -> Option<Self> {
        State::parse(cookie).map(Self)
    }

    pub(crate) fn secret(&self) -> &str {
        self.0.secret()
    }

    /// The secret of the new session: an HMAC of this sign-in's state under the browser's secret. A replayed
    /// callback gets the same cookie instead of a second session.
    pub(crate) fn session_secret(&self, state: &State) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret().as_bytes());
        let mut context = hmac::Context::with_key(&key);
        context.update(b"evosync session");
        context.update(state.secret().as_bytes());
        let mut secret = [0; 32];
        secret.copy_from_slice(context.sign().as_ref());
        secret
    }

    /// The digest that is stored with the pending sign-in.
    pub(crate) fn digest(&self) -> String {
        self.0.attempt_id().as_str().to_owned()
    }
}
