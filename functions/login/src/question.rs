//! The nonce and PKCE verifier of one sign-in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evosync_connections::domain::secret::CodeVerifier;
use evosync_connections::platform::Entropy;
use zeroize::Zeroizing;

/// The nonce that the ID token must repeat (OpenID Connect Core 1.0, section 3.1.2.1), and the PKCE
/// verifier, which proves that we requested the code that we redeem (RFC 7636).
pub(crate) struct Question {
    nonce: Zeroizing<String>,
    verifier: CodeVerifier,
}

impl Question {
    pub(crate) fn new(entropy: &Entropy) -> Self {
        let nonce = Zeroizing::new(URL_SAFE_NO_PAD.encode(entropy.bytes::<32>()));
        Self { nonce, verifier: CodeVerifier::of_bytes(&entropy.bytes()) }
    }

    pub(crate) fn from_stored(nonce: String, pkce_verifier: String) -> Self {
        Self { nonce: Zeroizing::new(nonce), verifier: CodeVerifier::new(pkce_verifier) }
    }

    pub(crate) fn nonce(&self) -> &str {
        &self.nonce
    }

    pub(crate) fn verifier(&self) -> &CodeVerifier {
        &self.verifier
    }
}
