//! What the login page says when it does not send the person straight to the issuer.

use serde::Serialize;
use strum::VariantArray;

use super::Page;

/// Why the login page stops before it sends the person to the issuer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::EnumString, strum::IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Notice {
    /// They signed out.
    SignedOut,
    /// Their session had ended when they posted a form.
    SessionEnded,
}

impl Notice {
    /// The value of the cookie that remembers it.
    pub fn key(self) -> &'static str {
        self.into()
    }

    /// The notice of a cookie's value.
    pub fn from_key(key: &str) -> Option<Self> {
        key.parse().ok()
    }
}

/// The login page, where it does not redirect.
#[derive(Serialize)]
pub struct SignedOut {
    /// The key of its text.
    notice: &'static str,
    issuer_url: Option<String>,
}

impl Page for SignedOut {
    const TEMPLATE: &'static str = "signed_out.html";
}

impl SignedOut {
    /// The page of a notice.
    pub fn new(notice: Notice) -> Self {
        let notice = match notice {
            Notice::SignedOut => "signed-out",
            Notice::SessionEnded => "session-ended",
        };
        Self { notice, issuer_url: None }
    }

    /// Offers to end the session at the issuer, too. A link, since browsers hold the redirects of a form
    /// to the policy's `form-action`.
    #[must_use]
    pub fn with_issuer_url(self, url: Option<String>) -> Self {
        Self { issuer_url: url, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::render;
    use crate::texts::Language;

    #[test]
    fn each_notice_offers_to_sign_in() {
        for notice in Notice::VARIANTS {
            assert_eq!(Notice::from_key(notice.key()), Some(*notice));
            let html = render(&SignedOut::new(*notice), Language::Russian).unwrap();
            assert!(html.contains("href=\"/login?continue\""), "{html}");
        }
    }
}
