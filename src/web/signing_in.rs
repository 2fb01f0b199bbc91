//! Sending a person to sign in, and remembering where they were headed.
//!
//! The address is always `/login` and nothing else. What else must be remembered travels in cookies
//! whose values are checked against closed sets, so there is no address to tamper with.

use super::Answer;
use super::cookies::{CookieJar, CookieName};
use crate::domain::ReturnTo;
use crate::pages::Notice;

/// Long enough for a person to find the password.
const REMEMBER_FOR: i64 = 15 * 60;

/// Sends a person who followed a link to sign in first.
pub fn sign_in_first(jar: &CookieJar, return_to: ReturnTo) -> Answer {
    to_login(*jar, return_to).with_cookie(jar.clear(CookieName::Notice))
}

/// Sends a person who posted a form to the login page, which stops to say why. It must stop:
/// browsers hold redirects after a form to the policy's `form-action`, and the issuer is not in it.
pub fn sign_in_again(jar: &CookieJar, notice: Notice, return_to: ReturnTo) -> Answer {
    to_login(*jar, return_to).with_cookie(jar.set(CookieName::Notice, notice.key(), Some(REMEMBER_FOR)))
}

fn to_login(jar: CookieJar, return_to: ReturnTo) -> Answer {
    Answer::see_other("/login").with_cookie(jar.set(
        CookieName::ReturnTo,
        return_to.key(),
        Some(REMEMBER_FOR),
    ))
}
