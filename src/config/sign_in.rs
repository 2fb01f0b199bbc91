//! Who signs merchants in.

use super::address::parse_url;
use super::{ConfigError, Env};

/// The OpenID Connect provider that signs merchants in.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// Its issuer identifier, to the letter.
    pub issuer: String,
    /// Our id there.
    pub client_id: String,
    /// The secret that holds our client secret; `None` for a public client.
    pub client_secret_id: Option<String>,
    /// The claim that names the merchant.
    pub user_claim: String,
}

impl Env {
    /// `OIDC_ISSUER`, `OIDC_CLIENT_ID`, `OIDC_CLIENT_SECRET_ID`, `OIDC_USER_CLAIM`.
    pub fn oidc(&self) -> Result<Oidc, ConfigError> {
        let expected = "the issuer's https URL to the letter, or http on loopback";
        Ok(Oidc {
            // Kept as written: the issuer in discovery and tokens must equal it to the letter.
            issuer: self
                .parsed("OIDC_ISSUER", None, expected, |value| parse_url(value).map(|_| value.to_owned()))?,
            client_id: self.required("OIDC_CLIENT_ID")?,
            client_secret_id: self.optional("OIDC_CLIENT_SECRET_ID"),
            user_claim: self.optional("OIDC_USER_CLAIM").unwrap_or_else(|| "sub".to_owned()),
        })
    }
}
