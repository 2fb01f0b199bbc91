//! The environment: every variable a function reads, in one file.
//!
//! Each function asks for what it uses and nothing else. A missing or malformed variable stops the
//! boot with a message that names it and never shows its value.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use tracing_subscriber::filter::LevelFilter;
use url::{Host, Url};

use crate::domain::SessionLimits;
use crate::http::{ClientError, HttpClient, Limits};

/// The variables, from the process or from a test.
pub struct Env(Box<dyn Fn(&str) -> Option<String> + Send + Sync>);

/// What stops the boot.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not set, or empty.
    #[error("environment variable {0} is not set")]
    Missing(&'static str),
    /// It is set to something else than it must be.
    #[error("environment variable {name} must be {expected}")]
    Malformed {
        /// The variable.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// Nothing is wrong with the variables, but the system's roots of trust cannot be read.
    #[error("TLS is not to be had here: are the system's root certificates installed?")]
    Tls,
}

impl Env {
    /// The process's own variables.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn of_process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    /// Variables of one's own, for tests and the local stack.
    pub fn of_map(variables: HashMap<String, String>) -> Self {
        Self::of(move |name| variables.get(name).cloned())
    }

    /// Variables looked up by a function.
    pub fn of(look_up: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Box::new(look_up))
    }

    /// `BASE_URL`.
    pub fn base_url(&self) -> Result<BaseUrl, ConfigError> {
        self.parsed(
            "BASE_URL",
            None,
            "an https origin such as https://shop.example, or http on loopback",
            BaseUrl::parse,
        )
    }

    /// `CONNECTIONS_TABLE`.
    pub fn connections_table(&self) -> Result<String, ConfigError> {
        self.required("CONNECTIONS_TABLE")
    }

    /// `SESSIONS_TABLE`.
    pub fn sessions_table(&self) -> Result<String, ConfigError> {
        self.required("SESSIONS_TABLE")
    }

    /// `TOKEN_KEYS_SECRET_ID`.
    pub fn token_keys_secret(&self) -> Result<String, ConfigError> {
        self.required("TOKEN_KEYS_SECRET_ID")
    }

    /// `DISPLAY_TIMEZONE`, an IANA name; Moscow's unless set.
    pub fn display_timezone(&self) -> Result<TimeZone, ConfigError> {
        self.parsed(
            "DISPLAY_TIMEZONE",
            Some("Europe/Moscow"),
            "an IANA time zone such as Europe/Moscow",
            |name| TimeZone::get(name).ok(),
        )
    }

    /// `SESSION_IDLE_MINUTES` and `SESSION_ABSOLUTE_MINUTES`.
    pub fn session_limits(&self) -> Result<SessionLimits, ConfigError> {
        let default = SessionLimits::default();
        Ok(SessionLimits {
            idle: self.minutes("SESSION_IDLE_MINUTES", default.idle)?,
            absolute: self.minutes("SESSION_ABSOLUTE_MINUTES", default.absolute)?,
        })
    }

    /// What starting a connection to VK needs.
    pub fn vk_authorization(&self) -> Result<VkAuthorization, ConfigError> {
        Ok(VkAuthorization {
            client_id: self.required("VK_CLIENT_ID")?,
            authorize_url: self.url("VK_AUTHORIZE_URL", Some("https://oauth.vk.com/authorize"))?,
            scopes: self.vk_scopes()?,
            api_version: self.vk_api_version()?,
        })
    }

    /// What exchanging VK's code needs.
    pub fn vk_exchange(&self) -> Result<VkExchange, ConfigError> {
        Ok(VkExchange {
            client_id: self.required("VK_CLIENT_ID")?,
            client_secret_id: self.required("VK_CLIENT_SECRET_ID")?,
            token_url: self.url("VK_TOKEN_URL", Some("https://oauth.vk.com/access_token"))?,
            method: self.parsed("VK_TOKEN_METHOD", Some("post"), "post or get", TokenMethod::parse)?,
        })
    }

    /// What calling VK's API needs.
    pub fn vk_api(&self) -> Result<VkApi, ConfigError> {
        Ok(VkApi {
            api_url: self.url("VK_API_URL", Some("https://api.vk.com/method"))?,
            api_version: self.vk_api_version()?,
        })
    }

    /// `VK_SCOPES`.
    pub fn vk_scopes(&self) -> Result<String, ConfigError> {
        self.parsed("VK_SCOPES", Some("market groups offline"), "scope names or a bit mask", |scopes| {
            let ok = scopes.bytes().all(|b| b.is_ascii_alphanumeric() || b" ,_".contains(&b));
            ok.then(|| scopes.to_owned())
        })
    }

    /// A client for VK's hosts, trusting `VK_EXTRA_CA` beside the system's roots.
    pub fn vk_http(&self, limits: Limits) -> Result<HttpClient, ConfigError> {
        HttpClient::new(limits, self.vk_extra_ca()?.as_deref()).map_err(|error| match error {
            ClientError::Certificate => ConfigError::Malformed { name: "VK_EXTRA_CA", expected: EXTRA_CA },
            ClientError::Tls => ConfigError::Tls,
        })
    }

    /// `VK_EXTRA_CA`: a PEM text, or the path of a file that holds one.
    fn vk_extra_ca(&self) -> Result<Option<String>, ConfigError> {
        let Some(value) = self.optional("VK_EXTRA_CA") else {
            return Ok(None);
        };
        if value.contains("-----BEGIN") {
            return Ok(Some(value));
        }
        std::fs::read_to_string(&value)
            .map(Some)
            .map_err(|_| ConfigError::Malformed { name: "VK_EXTRA_CA", expected: EXTRA_CA })
    }

    /// What signing in needs.
    pub fn oidc(&self) -> Result<Oidc, ConfigError> {
        Ok(Oidc {
            issuer: self.parsed("OIDC_ISSUER", None, ISSUER, |value| {
                // Kept as written: the issuer in discovery and tokens must equal it to the letter.
                parse_url(value).map(|_| value.to_owned())
            })?,
            client_id: self.required("OIDC_CLIENT_ID")?,
            client_secret_id: self.optional("OIDC_CLIENT_SECRET_ID"),
            user_claim: self.optional("OIDC_USER_CLAIM").unwrap_or_else(|| "sub".to_owned()),
        })
    }

    /// How hard the sweep may work.
    pub fn sweep(&self) -> Result<Sweep, ConfigError> {
        Ok(Sweep {
            concurrency: self.positive("SWEEP_CONCURRENCY", "16")?,
            max_rps: self.positive("SWEEP_MAX_RPS", "20")?,
        })
    }

    /// The function's name as Lambda gives it (`AWS_LAMBDA_FUNCTION_NAME`), empty outside Lambda.
    pub fn function_name(&self) -> String {
        self.optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default()
    }

    /// `AWS_LAMBDA_LOG_LEVEL`, or else `RUST_LOG` where it is a bare level.
    pub fn log_level(&self) -> Option<LevelFilter> {
        let level = self.optional("AWS_LAMBDA_LOG_LEVEL").or_else(|| self.optional("RUST_LOG"))?;
        level.parse().ok()
    }

    fn vk_api_version(&self) -> Result<String, ConfigError> {
        self.parsed("VK_API_VERSION", Some("5.131"), "a version such as 5.131", |version| {
            let ok = version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            ok.then(|| version.to_owned())
        })
    }

    fn url(&self, name: &'static str, default: Option<&str>) -> Result<Url, ConfigError> {
        self.parsed(name, default, "an https URL without query, or http on loopback", parse_url)
    }

    fn positive(&self, name: &'static str, default: &str) -> Result<NonZeroU32, ConfigError> {
        self.parsed(name, Some(default), "a whole number of 1 or more", |value| value.parse().ok())
    }

    fn minutes(&self, name: &'static str, default: SignedDuration) -> Result<SignedDuration, ConfigError> {
        let default = default.as_mins().to_string();
        self.parsed(name, Some(&default), "a whole number of minutes, from 1 to 43200", |value| {
            value.parse().ok().filter(|minutes| LONGEST.contains(minutes)).map(SignedDuration::from_mins)
        })
    }

    fn parsed<T>(
        &self,
        name: &'static str,
        default: Option<&str>,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let value = self.optional(name);
        let value = value.as_deref().or(default).ok_or(ConfigError::Missing(name))?;
        parse(value).ok_or(ConfigError::Malformed { name, expected })
    }

    fn required(&self, name: &'static str) -> Result<String, ConfigError> {
        self.optional(name).ok_or(ConfigError::Missing(name))
    }

    /// A variable set to nothing counts as not set: templates cannot leave one out conditionally
    /// without repeating themselves.
    fn optional(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }
}

/// Thirty days, the longest that NIST SP 800-63B-4 lets a session go without signing in again.
const LONGEST: RangeInclusive<i64> = 1..=30 * 24 * 60;

const EXTRA_CA: &str = "certificates as PEM text, or the path of a readable PEM file";
const ISSUER: &str = "the issuer's https URL to the letter, or http on loopback";

/// The product's public address. Never taken from a request.
#[derive(Clone, Debug)]
pub struct BaseUrl(Url);

impl BaseUrl {
    fn parse(value: &str) -> Option<Self> {
        let url = parse_url(value)?;
        (url.path() == "/").then_some(Self(url))
    }

    /// Scheme, host and port, as browsers send it in `Origin`.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The absolute address of a path that begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// Whether cookies can be `Secure` and `__Host-`: everywhere but on plain-http loopback.
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }
}

/// VK's authorize page.
#[derive(Clone, Debug)]
pub struct VkAuthorization {
    /// The application's id.
    pub client_id: String,
    /// The authorize endpoint.
    pub authorize_url: Url,
    /// As configured: names or a bit mask.
    pub scopes: String,
    /// The API version asked for.
    pub api_version: String,
}

/// VK's token endpoint.
#[derive(Clone, Debug)]
pub struct VkExchange {
    /// The application's id.
    pub client_id: String,
    /// The secret that holds the client secret.
    pub client_secret_id: String,
    /// The token endpoint.
    pub token_url: Url,
    /// How to ask it.
    pub method: TokenMethod,
}

/// How the token endpoint is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenMethod {
    /// A form: keeps the secret out of addresses and access logs.
    Post,
    /// The documented query string.
    Get,
}

impl TokenMethod {
    fn parse(value: &str) -> Option<Self> {
        match value {
            "post" => Some(Self::Post),
            "get" => Some(Self::Get),
            _ => None,
        }
    }
}

/// VK's API.
#[derive(Clone, Debug)]
pub struct VkApi {
    /// The address that method names are appended to.
    pub api_url: Url,
    /// The API version asked for.
    pub api_version: String,
}

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

impl Oidc {
    /// A client for the issuer.
    pub fn http(&self) -> Result<HttpClient, ConfigError> {
        HttpClient::new(Limits::default(), None).map_err(|_| ConfigError::Tls)
    }
}

/// The sweep's bounds.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Checks in flight at once.
    pub concurrency: NonZeroU32,
    /// Calls to the provider per second, retries included.
    pub max_rps: NonZeroU32,
}

/// Whether nobody can listen in on the way to an address: https, or plain http to this machine.
pub fn is_private(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| {
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        url.scheme() == "https" || (url.scheme() == "http" && loopback)
    })
}

/// An address that secrets travel to.
fn parse_url(value: &str) -> Option<Url> {
    let url = Url::parse(value).ok().filter(|_| is_private(value))?;
    let bare = url.username().is_empty() && url.password().is_none();
    let plain = url.query().is_none() && url.fragment().is_none();
    (bare && plain).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Env::of_map(owned.collect())
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = env(&[]).connections_table().unwrap_err();
        assert_eq!(error.to_string(), "environment variable CONNECTIONS_TABLE is not set");
    }

    #[test]
    fn a_variable_set_to_nothing_is_missing() {
        let error = env(&[("SESSIONS_TABLE", "")]).sessions_table().unwrap_err();
        assert_eq!(error, ConfigError::Missing("SESSIONS_TABLE"));
    }

    #[test]
    fn a_malformed_variable_is_named_and_not_shown() {
        let error = env(&[("DISPLAY_TIMEZONE", "canary")]).display_timezone().unwrap_err().to_string();
        assert!(error.contains("DISPLAY_TIMEZONE") && !error.contains("canary"), "{error}");
    }

    #[test]
    fn the_base_url_is_a_secure_origin_or_loopback() {
        for good in
            ["https://shop.example", "https://shop.example/", "http://localhost:3000", "http://127.0.0.1:1"]
        {
            assert!(env(&[("BASE_URL", good)]).base_url().is_ok(), "{good}");
        }
        for bad in [
            "http://shop.example",
            "https://shop.example/path",
            "https://shop.example/?q",
            "https://user@shop.example",
            "shop.example",
            "ftp://localhost",
            "http://localhost.evil.example",
        ] {
            assert!(env(&[("BASE_URL", bad)]).base_url().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_built_from_the_base_url() {
        let base = env(&[("BASE_URL", "https://shop.example/")]).base_url().unwrap();
        assert_eq!(base.join("/vk/callback"), "https://shop.example/vk/callback");
        assert_eq!(base.origin(), "https://shop.example");
        assert!(base.is_secure());
    }

    #[test]
    fn vk_is_where_its_documentation_says_unless_configured() {
        let env = env(&[("VK_CLIENT_ID", "7"), ("VK_CLIENT_SECRET_ID", "vk")]);
        let authorization = env.vk_authorization().unwrap();
        assert_eq!(authorization.authorize_url.as_str(), "https://oauth.vk.com/authorize");
        assert_eq!(authorization.scopes, "market groups offline");
        assert_eq!(authorization.api_version, "5.131");
        let exchange = env.vk_exchange().unwrap();
        assert_eq!(exchange.token_url.as_str(), "https://oauth.vk.com/access_token");
        assert_eq!(exchange.method, TokenMethod::Post);
        assert_eq!(env.vk_api().unwrap().api_url.as_str(), "https://api.vk.com/method");
    }

    #[test]
    fn vk_is_never_called_in_the_clear() {
        let env = env(&[("VK_API_URL", "http://api.vk.com/method")]);
        assert!(env.vk_api().unwrap_err().to_string().contains("VK_API_URL"));
    }

    #[test]
    fn session_limits_are_minutes() {
        let limits = env(&[("SESSION_IDLE_MINUTES", "15")]).session_limits().unwrap();
        assert_eq!(limits.idle, SignedDuration::from_mins(15));
        assert_eq!(limits.absolute, SignedDuration::from_hours(24));
        for bad in ["0", "-1", "43201", "99999999999", "an hour"] {
            assert!(env(&[("SESSION_ABSOLUTE_MINUTES", bad)]).session_limits().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_extra_certificate_is_a_text_or_a_readable_file() {
        let text = "-----BEGIN CERTIFICATE-----";
        assert_eq!(env(&[("VK_EXTRA_CA", text)]).vk_extra_ca().unwrap().as_deref(), Some(text));
        assert!(env(&[("VK_EXTRA_CA", "/no/such/file")]).vk_extra_ca().is_err());
        assert_eq!(env(&[]).vk_extra_ca().unwrap(), None);
    }

    #[test]
    fn the_sweep_has_bounds_unless_configured() {
        let sweep = env(&[("SWEEP_MAX_RPS", "3")]).sweep().unwrap();
        assert_eq!((sweep.concurrency.get(), sweep.max_rps.get()), (16, 3));
        assert!(env(&[("SWEEP_CONCURRENCY", "0")]).sweep().is_err());
    }
}
