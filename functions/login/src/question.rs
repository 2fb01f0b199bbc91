//! The nonce and PKCE verifier of one sign-in.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evosync_connections::platform::Entropy;
use zeroize::Zeroizing;

/// The nonce that the ID token must repeat (OpenID Connect Core 1.0, section 3.1.2.1), and the PKCE
/// verifier, which proves that we requested the code that we redeem (RFC 7636).
pub(crate) struct Question {
    nonce: Zeroizing<String>,
    pkce_verifier: Zeroizing<String>,
}

impl Question {
    pub(crate) fn new(entropy: &Entropy) -> Self {
        let random = || URL_SAFE_NO_PAD.encode(entropy.bytes::<32>());
        Self::from_stored(random(), random())
    }

    pub(crate) fn from_stored(nonce: String, pkce_verifier: String) -> Self {
        Self { nonce: Zeroizing::new(nonce), pkce_verifier: Zeroizing::new(pkce_verifier) }
    }

    pub(crate) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// 43 characters of base64url, within what RFC 7636, section 4.1, allows.
    pub(crate) fn pkce_verifier(&self) -> &str {
        &self.pkce_verifier
    }

    /// The challenge of method S256 (RFC 7636, section 4.2).
    pub(crate) fn pkce_challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.pkce_verifier.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_equals_the_example_of_rfc_7636() {
        let question =
            Question::from_stored(String::new(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert_eq!(question.pkce_challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
