//! Sending a person to sign in, and remembering where they were headed.
//!
//! The address is always `/login` and nothing else. What else must be remembered travels in cookies
//! whose values are checked against closed sets, so there is no address to tamper with.

use super::Answer;
use super::cookies::{CookieJar, CookieName};
use crate::domain::Place;

/// Long enough for a person to find the password.
const REMEMBER_FOR: i64 = 15 * 60;

/// What the login page says before it sends the person to the issuer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// They signed out.
    SignedOut,
    /// Their session had ended when they posted a form.
    SessionEnded,
}

impl Notice {
    /// The cookie's value.
    pub fn key(self) -> &'static str {
        match self {
            Self::SignedOut => "signed-out",
            Self::SessionEnded => "session-ended",
        }
    }

    /// The notice of a cookie's value.
    pub fn from_key(key: &str) -> Option<Self> {
        [Self::SignedOut, Self::SessionEnded].into_iter().find(|notice| notice.key() == key)
    }
}

/// Sends a person who followed a link to sign in first.
pub fn sign_in_first(jar: &CookieJar, place: Place) -> Answer {
    to_login(*jar, place).with_cookie(jar.clear(CookieName::Notice))
}

/// Sends a person who posted a form to the login page, which stops to say why. It must stop:
/// browsers hold redirects after a form to the policy's `form-action`, and the issuer is not in it.
pub fn sign_in_again(jar: &CookieJar, notice: Notice, place: Place) -> Answer {
    to_login(*jar, place).with_cookie(jar.set(CookieName::Notice, notice.key(), Some(REMEMBER_FOR)))
}

fn to_login(jar: CookieJar, place: Place) -> Answer {
    Answer::see_other("/login").with_cookie(jar.set(CookieName::Place, place.key(), Some(REMEMBER_FOR)))
}
