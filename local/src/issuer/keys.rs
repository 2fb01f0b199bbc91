//! The issuer's signing key (RFC 7515 and RFC 7518: ES256).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub(super) struct SigningKey {
    pair: EcdsaKeyPair,
    id: String,
}

impl SigningKey {
    pub(super) fn new() -> Result<Self, &'static str> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| "no key")?;
        let id = digest::digest(&digest::SHA256, pair.public_key().as_ref());
        Ok(Self { id: URL_SAFE_NO_PAD.encode(&id.as_ref()[..8]), pair })
    }

    /// The public key (RFC 7517). The point is uncompressed: a tag byte, x and y.
    pub(super) fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
            "kid": self.id, "x": encode(x), "y": encode(y),
        })
    }

    /// The public key's point.
    pub(super) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// This key in another one's name.
    pub(super) fn under_id_of(self, other: &Self) -> Self {
        Self { id: other.id.clone(), ..self }
    }

    /// Claims as a signed token in compact form.
    pub(super) fn sign(&self, claims: &Value) -> Option<String> {
        let signed = body(&json!({ "alg": "ES256", "kid": self.id, "typ": "JWT" }), claims);
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// A forged token: signed with what is no secret of the issuer's.
    pub(super) fn hmac_signed(&self, claims: &Value, secret: &[u8]) -> String {
        let signed = body(&json!({ "alg": "HS256", "kid": self.id, "typ": "JWT" }), claims);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}

/// A forged token that nobody signed.
pub(super) fn unsigned(claims: &Value) -> String {
    format!("{}.", body(&json!({ "alg": "none", "typ": "JWT" }), claims))
}

/// What a signature is made of (RFC 7515, section 5.1).
fn body(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}
