//! What several functions are configured with: the public address, the tables, sessions, times, logs.

use std::ops::RangeInclusive;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use tracing_subscriber::filter::LevelFilter;

use super::{BaseUrl, ConfigError, Env, SupportUrl};
use crate::domain::{Provider, SessionLimits};

/// Thirty days, the longest that NIST SP 800-63B-4 lets a session go without signing in again.
const LONGEST_SESSION: RangeInclusive<i64> = 1..=30 * 24 * 60;

impl Env {
    /// `BASE_URL`.
    pub fn base_url(&self) -> Result<BaseUrl, ConfigError> {
        let expected = "an https origin such as https://shop.example, or http on loopback";
        self.parsed("BASE_URL", None, expected, BaseUrl::parse)
    }

    /// `SUPPORT_URL`: where pages send people with what they cannot mend themselves; nowhere unless set.
    pub fn support_url(&self) -> Result<Option<SupportUrl>, ConfigError> {
        if self.optional("SUPPORT_URL").is_none() {
            return Ok(None);
        }
        let expected = "an https page or a mailto: link, such as mailto:help@shop.example";
        self.parsed("SUPPORT_URL", None, expected, SupportUrl::parse).map(Some)
    }

    /// `HSTS_SUBDOMAINS`: whether browsers are told to use https with the subdomains of the product's host as well. Not
    /// unless set: the host may be one whose subdomains are others'.
    pub fn hsts_covers_subdomains(&self) -> Result<bool, ConfigError> {
        self.parsed("HSTS_SUBDOMAINS", Some("false"), "true or false", |text| text.parse().ok())
    }

    /// `PROVIDERS`: the providers that there are, by key, separated by commas; VK unless set. Of any other there is
    /// no page, and nobody asks it about the connections it has.
    pub fn providers(&self) -> Result<Vec<Provider>, ConfigError> {
        self.parsed("PROVIDERS", Some("vk"), "keys of providers, such as evotor,vk", |keys| {
            keys.split(',').map(|key| Provider::from_key(key.trim())).collect()
        })
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
        let expected = "an IANA time zone such as Europe/Moscow";
        self.parsed("DISPLAY_TIMEZONE", Some("Europe/Moscow"), expected, |name| TimeZone::get(name).ok())
    }

    /// `SESSION_IDLE_MINUTES` and `SESSION_ABSOLUTE_MINUTES`.
    pub fn session_limits(&self) -> Result<SessionLimits, ConfigError> {
        let default = SessionLimits::default();
        Ok(SessionLimits {
            idle: self.minutes("SESSION_IDLE_MINUTES", default.idle)?,
            absolute: self.minutes("SESSION_ABSOLUTE_MINUTES", default.absolute)?,
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

    fn minutes(&self, name: &'static str, default: SignedDuration) -> Result<SignedDuration, ConfigError> {
        let default = default.as_mins().to_string();
        let expected = "a whole number of minutes, from 1 to 43200";
        self.within(name, &default, expected, &LONGEST_SESSION).map(SignedDuration::from_mins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::env::tests::env;

    #[test]
    fn vk_is_the_only_provider_unless_others_are_named() {
        assert_eq!(env(&[]).providers().unwrap(), [Provider::Vk]);
        let both = env(&[("PROVIDERS", "evotor, vk")]).providers().unwrap();
        assert_eq!(both, [Provider::Evotor, Provider::Vk]);
        for bad in ["vk,", "vk,fair", "VK", "vk evotor"] {
            assert!(env(&[("PROVIDERS", bad)]).providers().is_err(), "{bad}");
        }
    }

    #[test]
    fn support_is_a_page_or_a_mail_address() {
        assert!(env(&[]).support_url().unwrap().is_none());
        for good in ["https://shop.example/help?from=evosync", "mailto:help@shop.example"] {
            assert_eq!(env(&[("SUPPORT_URL", good)]).support_url().unwrap().unwrap().as_str(), good);
        }
        for bad in
            ["help@shop.example", "mailto:", "http://shop.example", "javascript:alert(1)", "//shop.example"]
        {
            assert!(env(&[("SUPPORT_URL", bad)]).support_url().is_err(), "{bad}");
        }
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
}
