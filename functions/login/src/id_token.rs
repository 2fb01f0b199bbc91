//! Verifying an ID token (OpenID Connect Core 1.0, section 3.1.3.7). The signature, `iss` and `aud`
//! are `jsonwebtoken`'s to judge; `exp` is ours, since it is judged by the product's own clock, and so
//! are `azp` and `nonce`, which are OpenID Connect's. All other claims may be anything.

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

/// A verified token's claims.
pub(crate) type Claims = Map<String, Value>;

/// The public keys an issuer signs with (RFC 7517, section 5). A key fits the algorithms of its own kind
/// only (RFC 8725, section 3.1), so no token signed with a client secret, or with nothing, is believed.
#[derive(Default)]
pub(crate) struct Keys(Vec<(Option<String>, DecodingKey)>);

/// What a token must say.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    /// Audiences that may stand beside us without an authorised party.
    pub(crate) trusted_audiences: &'a [String],
    pub(crate) nonce: &'a str,
    pub(crate) now: Timestamp,
}

/// Why a token proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("the ID token has another shape")]
    Shape,
    #[error("the ID token's algorithm is unknown")]
    Algorithm,
    #[error("the ID token's signature fits no key")]
    Signature,
    #[error("the ID token is another issuer's")]
    Issuer,
    #[error("the ID token is for another audience")]
    Audience,
    #[error("the ID token has expired")]
    Expired,
    #[error("the ID token answers another sign-in")]
    Nonce,
}

impl Keys {
    /// The keys of a JWK Set. Those that are of another kind or use, or that cannot be read, are left
    /// out.
    pub(crate) fn read(document: &Value) -> Self {
        let keys = document["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self(keys.iter().filter(|key| key["use"] != "enc").filter_map(read_key).collect())
    }

    /// The keys a token may be signed with: where both it and a key have an id, the same one.
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

/// The claims of a token in compact form, if it proves what is expected.
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
                // A key of another kind, or another key: the next one may fit.
                _ => {}
            },
        }
    }
    Err(refused)
}

/// Other audiences could use a token that names them too, so it counts only where we are the one it
/// was issued to (`azp`), or where the operator trusts them.
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
#[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and so far no token lives")]
fn seconds(value: &Value) -> Option<i64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    number.is_finite().then_some(number as i64)
}
