//! Who signs merchants in.

use super::address::parse_url;
use super::{ConfigError, Env};

/// The OpenID Connect provider that signs merchants in.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// Its issuer identifier, exactly.
    pub issuer: String,
    /// Our id there.
    pub client_id: String,
    /// The secret that holds our client secret; `None` for a public client.
    pub client_secret_id: Option<String>,
    /// The claim that names the merchant.
    pub user_claim: String,
    /// The scopes to ask for, `openid` among them; `None`: `openid`, and of `profile` and `email` what
    /// the issuer offers.
    pub scopes: Option<String>,
    /// Audiences that an ID token may name beside us although it names no authorised party.
    pub trusted_audiences: Vec<String>,
}

impl Env {
    /// `OIDC_ISSUER`, `OIDC_CLIENT_ID`, `OIDC_CLIENT_SECRET_ID`, `OIDC_USER_CLAIM`, `OIDC_SCOPES`,
    /// `OIDC_TRUSTED_AUDIENCES`; the last two are lists separated by spaces.
    pub fn oidc(&self) -> Result<Oidc, ConfigError> {
        let expected = "the issuer's https URL to the letter, or http on loopback";
        Ok(Oidc {
            // Kept as written: the issuer in discovery and tokens must equal it exactly.
            issuer: self
                .parsed("OIDC_ISSUER", None, expected, |value| parse_url(value).map(|_| value.to_owned()))?,
            client_id: self.required("OIDC_CLIENT_ID")?,
            client_secret_id: self.optional("OIDC_CLIENT_SECRET_ID"),
            user_claim: self.optional("OIDC_USER_CLAIM").unwrap_or_else(|| "sub".to_owned()),
            scopes: self.optional("OIDC_SCOPES").map(|scopes| with_openid(&scopes)),
            trusted_audiences: words(&self.optional("OIDC_TRUSTED_AUDIENCES").unwrap_or_default()),
        })
    }
}

/// Without `openid` there is no ID token (OpenID Connect Core 1.0, section 3.1.2.1).
fn with_openid(scopes: &str) -> String {
    let mut scopes = words(scopes);
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".to_owned());
    }
    scopes.join(" ")
}

fn words(list: &str) -> Vec<String> {
    list.split_whitespace().map(str::to_owned).collect()
}
