//! What VK's variables say.

use url::Url;

use crate::config::{ConfigError, Env, below};

/// VK's two ways of giving access.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Flow {
    /// For applications registered before 2024.
    Classic,
    /// VK ID: OAuth 2.1, for all others.
    VkId,
}

/// VK ID, where the application proves itself.
#[derive(Clone, Debug)]
pub(super) struct VkIdConfig {
    /// What is asked, and for whom.
    pub(super) app: VkIdApp,
    /// The secret that holds the service token.
    pub(super) service_token_id: String,
}

/// VK ID, as far as no secret is needed.
#[derive(Clone, Debug)]
pub(super) struct VkIdApp {
    /// The application's id.
    pub(super) client_id: String,
    /// The address that the endpoints' paths are appended to.
    id_url: Url,
}

/// How much of VK ID's a disconnection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Extent {
    /// The session of the connection's tokens.
    Logout,
    /// Everything the account has granted to the application, other merchants' connections of it included.
    Grant,
}

/// VK ID's endpoints are said to allow an address 15,000 requests a day.
pub(super) const REQUESTS_PER_DAY: u32 = 15_000;

/// `VK_RENEWALS_PER_DAY`: the sweep's part of them.
pub(super) fn renewals_per_day(env: &Env) -> Result<u32, ConfigError> {
    let expected = "a whole number from 1 to 15000";
    env.within("VK_RENEWALS_PER_DAY", "10000", expected, &(1..=REQUESTS_PER_DAY))
}

/// VK's authorize page, of the classic flow.
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
    /// Whether VK is to show its consent each time, so that a person who connects again can choose another account
    /// (`revoke=1`).
    pub(super) always_asks: bool,
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

/// VK's API (`VK_API_URL`, and beneath it the methods' names).
#[derive(Clone, Debug)]
pub(super) struct ApiConfig {
    /// Whose a token is.
    pub(super) users_get: Url,
    /// What was granted.
    pub(super) app_permissions: Url,
    /// The API version asked for.
    pub(super) api_version: String,
}

/// `VK_FLOW`: the flow that new connections are made under.
pub(super) fn flow(env: &Env) -> Result<Flow, ConfigError> {
    env.parsed("VK_FLOW", Some("classic"), "classic or vk_id", |flow| flow.parse().ok())
}

/// `VK_REVOKE`: what a disconnection ends.
pub(super) fn revoked(env: &Env) -> Result<Extent, ConfigError> {
    env.parsed("VK_REVOKE", Some("logout"), "logout or grant", |extent| extent.parse().ok())
}

/// VK ID's authorize page (`VK_ID_URL`).
pub(super) fn vk_id_authorize_url(env: &Env) -> Result<Url, ConfigError> {
    Ok(below(&id_url(env)?, "authorize"))
}

fn id_url(env: &Env) -> Result<Url, ConfigError> {
    env.url("VK_ID_URL", "https://id.vk.ru")
}

impl VkIdConfig {
    pub(super) fn read(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self { app: VkIdApp::read(env)?, service_token_id: env.required("VK_SERVICE_TOKEN_ID")? })
    }

    /// Without the service token, VK ID is not set up: nothing of it can be renewed.
    pub(super) fn read_if_set_up(env: &Env) -> Result<Option<Self>, ConfigError> {
        env.optional("VK_SERVICE_TOKEN_ID").map(|_| Self::read(env)).transpose()
    }
}

impl VkIdApp {
    pub(super) fn read(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self { client_id: env.required("VK_CLIENT_ID")?, id_url: id_url(env)? })
    }

    /// The name that VK ID's answers would have to give as their sender's (RFC 9207).
    pub(super) fn issuer(&self) -> String {
        self.id_url.origin().ascii_serialization()
    }

    /// The address of an endpoint.
    pub(super) fn endpoint(&self, path: &str) -> Url {
        below(&self.id_url, path)
    }
}

impl AuthorizeConfig {
    pub(super) fn read(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            client_id: env.required("VK_CLIENT_ID")?,
            authorize_url: env.url("VK_AUTHORIZE_URL", "https://oauth.vk.com/authorize")?,
            scopes: scopes(env)?,
            api_version: api_version(env)?,
            always_asks: env.parsed(
                "VK_CONSENT",
                Some("always"),
                "always or once",
                |consent| match consent {
                    "always" => Some(true),
                    "once" => Some(false),
                    _ => None,
                },
            )?,
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
        let api = env.url("VK_API_URL", "https://api.vk.com/method")?;
        Ok(Self {
            users_get: below(&api, "users.get"),
            app_permissions: below(&api, "account.getAppPermissions"),
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
        assert_eq!(ApiConfig::read(&env).unwrap().users_get.as_str(), "https://api.vk.com/method/users.get");
        assert_eq!(flow(&env).unwrap(), Flow::Classic);
        assert_eq!(vk_id_authorize_url(&env).unwrap().as_str(), "https://id.vk.ru/authorize");
    }

    #[test]
    fn every_host_of_vk_is_a_setting() {
        let env = env(&[
            ("VK_CLIENT_ID", "7"),
            ("VK_CLIENT_SECRET_ID", "vk"),
            ("VK_SERVICE_TOKEN_ID", "vk"),
            ("VK_AUTHORIZE_URL", "https://oauth.vk.ru/authorize"),
            ("VK_TOKEN_URL", "https://oauth.vk.ru/access_token"),
            ("VK_ID_URL", "https://id.vk.com"),
            ("VK_API_URL", "https://partners.api.vk.ru/method"),
        ]);
        let authorize = AuthorizeConfig::read(&env).unwrap().authorize_url;
        assert_eq!(authorize.as_str(), "https://oauth.vk.ru/authorize");
        let token = TokenConfig::read(&env).unwrap().token_url;
        assert_eq!(token.as_str(), "https://oauth.vk.ru/access_token");
        assert_eq!(vk_id_authorize_url(&env).unwrap().as_str(), "https://id.vk.com/authorize");
        let vk_id = VkIdConfig::read(&env).unwrap();
        assert_eq!(vk_id.app.endpoint("oauth2/auth").as_str(), "https://id.vk.com/oauth2/auth");
        let api = ApiConfig::read(&env).unwrap().users_get;
        assert_eq!(api.as_str(), "https://partners.api.vk.ru/method/users.get");
    }

    #[test]
    fn vk_id_says_which_setting_it_lacks() {
        let set = |variables: &[(&str, &str)]| VkIdConfig::read(&env(variables)).unwrap_err().to_string();
        assert!(set(&[("VK_SERVICE_TOKEN_ID", "vk")]).contains("VK_CLIENT_ID"));
        assert!(set(&[("VK_CLIENT_ID", "7")]).contains("VK_SERVICE_TOKEN_ID"));
        assert!(flow(&env(&[("VK_FLOW", "oauth")])).unwrap_err().to_string().contains("VK_FLOW"));
    }

    #[test]
    fn vk_id_may_live_below_a_path() {
        let variables = [("VK_CLIENT_ID", "7"), ("VK_ID_URL", "http://localhost:3001/id/")];
        let app = VkIdApp::read(&env(&variables)).unwrap();
        assert_eq!(app.endpoint("oauth2/auth").as_str(), "http://localhost:3001/id/oauth2/auth");
    }

    #[test]
    fn a_disconnection_ends_a_session_unless_configured_to_withdraw_the_grant() {
        assert_eq!(revoked(&env(&[])).unwrap(), Extent::Logout);
        assert_eq!(revoked(&env(&[("VK_REVOKE", "grant")])).unwrap(), Extent::Grant);
        assert!(revoked(&env(&[("VK_REVOKE", "all")])).unwrap_err().to_string().contains("VK_REVOKE"));
    }

    #[test]
    fn vk_is_never_called_in_the_clear() {
        let env = env(&[("VK_API_URL", "http://api.vk.com/method")]);
        assert!(ApiConfig::read(&env).unwrap_err().to_string().contains("VK_API_URL"));
    }
}
