//! What Evotor's variables say.

use std::num::NonZeroU32;

use url::Url;

use crate::config::{ConfigError, Env, below};

/// Evotor's token endpoint.
#[derive(Clone, Debug)]
pub(super) struct TokenConfig {
    /// The application's id.
    pub(super) client_id: String,
    /// The secret that holds the client secret.
    pub(super) client_secret_id: String,
    /// The token endpoint.
    pub(super) token_url: Url,
}

/// Evotor's API.
#[derive(Clone, Debug)]
pub(super) struct ApiConfig {
    /// The shops (`/stores` beneath `EVOTOR_API_URL`).
    pub(super) stores_url: Url,
    /// Where tokens are put.
    pub(super) token_header: TokenHeader,
}

/// The header that proves to the API who allowed us in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub(super) enum TokenHeader {
    /// `Authorization: Bearer` (RFC 6750), which Evotor documents.
    Authorization,
    /// `X-Authorization`, which older clients use.
    XAuthorization,
}

/// Where the state of an answer comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
enum StateRule {
    /// From the browser's cookie, where the answer brings none back.
    Cookie,
    /// From the answer alone.
    Required,
}

/// `EVOTOR_CLIENT_ID`.
pub(super) fn client_id(env: &Env) -> Result<String, ConfigError> {
    env.required("EVOTOR_CLIENT_ID")
}

/// `EVOTOR_AUTHORIZE_URL`.
pub(super) fn authorize_url(env: &Env) -> Result<Url, ConfigError> {
    env.url("EVOTOR_AUTHORIZE_URL", "https://oauth.evotor.ru/oauth/authorize")
}

/// `EVOTOR_STATE`: whether an answer without a state is read at all.
pub(super) fn may_lose_state(env: &Env) -> Result<bool, ConfigError> {
    let rule: StateRule =
        env.parsed("EVOTOR_STATE", Some("cookie"), "cookie or required", |rule| rule.parse().ok())?;
    Ok(rule == StateRule::Cookie)
}

/// `EVOTOR_MAX_RPS`: calls a second. Evotor names its limits in answers, and nowhere else.
pub(super) fn max_rps(env: &Env) -> Result<NonZeroU32, ConfigError> {
    env.positive("EVOTOR_MAX_RPS", "5")
}

impl TokenConfig {
    pub(super) fn read(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            client_id: client_id(env)?,
            client_secret_id: env.required("EVOTOR_CLIENT_SECRET_ID")?,
            token_url: env.url("EVOTOR_TOKEN_URL", "https://oauth.evotor.ru/oauth/token")?,
        })
    }

    /// The name that Evotor's answers would have to give as their sender's (RFC 9207). It gives none today.
    pub(super) fn issuer(&self) -> String {
        self.token_url.origin().ascii_serialization()
    }
}

impl ApiConfig {
    pub(super) fn read(env: &Env) -> Result<Self, ConfigError> {
        let expected = "authorization or x_authorization";
        Ok(Self {
            stores_url: below(&env.url("EVOTOR_API_URL", "https://api.evotor.ru")?, "stores"),
            token_header: env.parsed("EVOTOR_TOKEN_HEADER", Some("authorization"), expected, |header| {
                header.parse().ok()
            })?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Env::of_map(owned.collect())
    }

    #[test]
    fn evotor_is_where_its_documentation_says_unless_configured() {
        let env = env(&[("EVOTOR_CLIENT_ID", "app"), ("EVOTOR_CLIENT_SECRET_ID", "evotor")]);
        assert_eq!(authorize_url(&env).unwrap().as_str(), "https://oauth.evotor.ru/oauth/authorize");
        let token = TokenConfig::read(&env).unwrap();
        assert_eq!(token.token_url.as_str(), "https://oauth.evotor.ru/oauth/token");
        assert_eq!(token.issuer(), "https://oauth.evotor.ru");
        let api = ApiConfig::read(&env).unwrap();
        assert_eq!(api.stores_url.as_str(), "https://api.evotor.ru/stores");
        assert_eq!(api.token_header, TokenHeader::Authorization);
        assert!(may_lose_state(&env).unwrap());
        assert_eq!(max_rps(&env).unwrap().get(), 5);
    }

    #[test]
    fn what_evotor_lacks_or_cannot_read_is_named() {
        assert_eq!(client_id(&env(&[])).unwrap_err(), ConfigError::Missing("EVOTOR_CLIENT_ID"));
        let without_secret = TokenConfig::read(&env(&[("EVOTOR_CLIENT_ID", "app")])).unwrap_err();
        assert_eq!(without_secret, ConfigError::Missing("EVOTOR_CLIENT_SECRET_ID"));
        let named = |error: ConfigError, name| assert!(error.to_string().contains(name), "{error}");
        named(may_lose_state(&env(&[("EVOTOR_STATE", "maybe")])).unwrap_err(), "EVOTOR_STATE");
        named(max_rps(&env(&[("EVOTOR_MAX_RPS", "0")])).unwrap_err(), "EVOTOR_MAX_RPS");
        named(
            ApiConfig::read(&env(&[("EVOTOR_TOKEN_HEADER", "Cookie")])).unwrap_err(),
            "EVOTOR_TOKEN_HEADER",
        );
    }
}
