//! Verifies an ID token (OpenID Connect Core 1.0, section 3.1.3.7). `jsonwebtoken` verifies the signature,
//! `iss` and `aud`. This module verifies `exp`, against the product's own clock, and `azp` and `nonce`,
//! which are specific to OpenID Connect. Other claims are not validated.

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

/// A verified token's claims.
pub(crate) type Claims = Map<String, Value>;

/// The public keys an issuer signs with (RFC 7517, section 5). A key verifies only
/// algorithms of its own type (RFC 8725, section 3.1). Tokens that are unsigned or signed with a client
/// secret are rejected.
#[derive(Default)]
pub(crate) struct Keys(Vec<(Option<String>, DecodingKey)>);

/// The values that a token is verified against.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    /// Further audiences that a token without `azp` may have (`OIDC_TRUSTED_AUDIENCES`).
    pub(crate) trusted_audiences: &'a [String],
    pub(crate) nonce: &'a str,
    pub(crate) now: Timestamp,
}

/// Why a token is rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("the ID token is malformed")]
    Shape,
    #[error("the ID token's algorithm is unknown")]
    Algorithm,
    #[error("the ID token's signature fits no key")]
    Signature,
    #[error("the ID token comes from another issuer")]
    Issuer,
    #[error("the ID token is for another audience")]
    Audience,
    #[error("the ID token has expired")]
    Expired,
    #[error("the ID token answers another sign-in")]
    Nonce,
}

impl Keys {
    /// Reads a JWK Set. Skips keys that cannot be read, are for encryption, or have an unknown type.
    pub(crate) fn read(document: &Value) -> Self {
        let keys = document["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self(keys.iter().filter(|key| key["use"] != "enc").filter_map(read_key).collect())
    }

    /// The keys that may verify a token: if both have a key id (`kid`), the ids must be equal.
    fn candidates(&self, id: Option<&str>) -> impl Iterator<Item = &DecodingKey> {
        let fits = move |known: Option<&str>| known.zip(id).is_none_or(|(known, id)| known == id);
        self.0.iter().filter(move |(known, _)| fits(known.as_deref())).map(|(_, key)| key)
    }
}

fn read_key(key: &Value) -> Option<(Option<String>, DecodingKey)> {
    let text = |name: &str| key[name].as_str();
    let decoding = match text("kty")? {
        "RSA" => DecodingKey::from_rsa_components(text("n")?, text("e")?),
        "EC" => DecodingKey::from_ec_components(text("x")?, text("y")?),
        "OKP" => DecodingKey::from_ed_components(text("x")?),
        _ => return None,
    };
    Some((text("kid").map(str::to_owned), decoding.ok()?))
}

/// Verifies a token in compact form (JWS) and returns its claims.
pub(crate) fn verify(token: &str, keys: &Keys, expected: &Expected<'_>) -> Result<Claims, Invalid> {
    let claims = signed_claims(token, keys, expected)?;
    check_parties(&claims, expected)?;
    let expires_at = claims.get("exp").and_then(seconds).ok_or(Invalid::Shape)?;
    if expected.now.as_second() >= expires_at {
        return Err(Invalid::Expired);
    }
    match claims.get("nonce").and_then(Value::as_str) {
        Some(nonce) if nonce == expected.nonce => Ok(claims),
        _ => Err(Invalid::Nonce),
    }
}

fn signed_claims(token: &str, keys: &Keys, expected: &Expected<'_>) -> Result<Claims, Invalid> {
    let header = decode_header(token).map_err(|_| Invalid::Algorithm)?;
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["iss", "aud", "exp"]);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    let mut refused = Invalid::Signature;
    for key in keys.candidates(header.kid.as_deref()) {
        match decode::<Claims>(token, key, &validation) {
            Ok(token) => return Ok(token.claims),
            Err(error) => match error.kind() {
                ErrorKind::InvalidIssuer => return Err(Invalid::Issuer),
                ErrorKind::InvalidAudience => return Err(Invalid::Audience),
                ErrorKind::MissingRequiredClaim(_) | ErrorKind::Json(_) => refused = Invalid::Shape,
                // The wrong key: the next one may fit.
                _ => {}
            },
        }
    }
    Err(refused)
}

/// Another audience could replay a token that also names us. So such a token is accepted only if it was
/// issued to us (`azp`), or if the operator trusts the other audiences.
fn check_parties(claims: &Claims, expected: &Expected<'_>) -> Result<(), Invalid> {
    let is_trusted = |audience: &Value| {
        audience.as_str().is_some_and(|audience| {
            audience == expected.client_id || expected.trusted_audiences.iter().any(|known| known == audience)
        })
    };
    let audiences = claims.get("aud").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let sound = match claims.get("azp") {
        None | Some(Value::Null) => audiences.iter().all(is_trusted),
        Some(party) => party.as_str() == Some(expected.client_id),
    };
    if sound { Ok(()) } else { Err(Invalid::Audience) }
}

/// Seconds since 1970, as a number or a text.
#[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and no token lives that long")]
fn seconds(value: &Value) -> Option<i64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    number.is_finite().then_some(number as i64)
}
