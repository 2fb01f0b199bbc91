//! What VK's variables say.

use url::Url;

use crate::config::{ConfigError, Env};

/// VK's authorize page.
#[derive(Clone, Debug)]
pub(super) struct AuthorizeConfig {
    /// The application's id.
    pub(super) client_id: String,
    /// The authorize endpoint.
    pub(super) authorize_url: Url,
    /// As configured: names or a bit mask.
    pub(super) scopes: String,
    /// The API version asked for.
    pub(super) api_version: String,
}

/// VK's token endpoint.
#[derive(Clone, Debug)]
pub(super) struct TokenConfig {
    /// The application's id.
    pub(super) client_id: String,
    /// The secret that holds the client secret.
    pub(super) client_secret_id: String,
    /// The token endpoint.
    pub(super) token_url: Url,
    /// How to ask it.
    pub(super) method: TokenMethod,
}

/// How the token endpoint is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub(super) enum TokenMethod {
    /// A form: keeps the secret out of addresses and access logs.
    Post,
    /// The documented query string.
    Get,
}

/// VK's API.
#[derive(Clone, Debug)]
pub(super) struct ApiConfig {
    /// The address that method names are appended to.
    pub(super) api_url: Url,
    /// The API version asked for.
    pub(super) api_version: String,
}

impl AuthorizeConfig {
    pub(super) fn read(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            client_id: env.required("VK_CLIENT_ID")?,
            authorize_url: env.url("VK_AUTHORIZE_URL", "https://oauth.vk.com/authorize")?,
            scopes: scopes(env)?,
            api_version: api_version(env)?,
        })
    }
}

impl TokenConfig {
    pub(super) fn read(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            client_id: env.required("VK_CLIENT_ID")?,
            client_secret_id: env.required("VK_CLIENT_SECRET_ID")?,
            token_url: env.url("VK_TOKEN_URL", "https://oauth.vk.com/access_token")?,
            method: env
                .parsed("VK_TOKEN_METHOD", Some("post"), "post or get", |method| method.parse().ok())?,
        })
    }
}

impl ApiConfig {
    pub(super) fn read(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            api_url: env.url("VK_API_URL", "https://api.vk.com/method")?,
            api_version: api_version(env)?,
        })
    }
}

/// `VK_SCOPES`.
pub(super) fn scopes(env: &Env) -> Result<String, ConfigError> {
    env.parsed("VK_SCOPES", Some("market groups offline"), "scope names or a bit mask", |scopes| {
        let ok = scopes.bytes().all(|b| b.is_ascii_alphanumeric() || b" ,_".contains(&b));
        ok.then(|| scopes.to_owned())
    })
}

fn api_version(env: &Env) -> Result<String, ConfigError> {
    env.parsed("VK_API_VERSION", Some("5.131"), "a version such as 5.131", |version| {
        let ok = version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        ok.then(|| version.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Env::of_map(owned.collect())
    }

    #[test]
    fn vk_is_where_its_documentation_says_unless_configured() {
        let env = env(&[("VK_CLIENT_ID", "7"), ("VK_CLIENT_SECRET_ID", "vk")]);
        let authorize = AuthorizeConfig::read(&env).unwrap();
        assert_eq!(authorize.authorize_url.as_str(), "https://oauth.vk.com/authorize");
        assert_eq!(authorize.scopes, "market groups offline");
        assert_eq!(authorize.api_version, "5.131");
        let token = TokenConfig::read(&env).unwrap();
        assert_eq!(token.token_url.as_str(), "https://oauth.vk.com/access_token");
        assert_eq!(token.method, TokenMethod::Post);
        assert_eq!(ApiConfig::read(&env).unwrap().api_url.as_str(), "https://api.vk.com/method");
    }

    #[test]
    fn vk_is_never_called_in_the_clear() {
        let env = env(&[("VK_API_URL", "http://api.vk.com/method")]);
        assert!(ApiConfig::read(&env).unwrap_err().to_string().contains("VK_API_URL"));
    }
}
