//! Reading variables, one at a time.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::str::FromStr;

use url::Url;

use super::address::parse_url;
use crate::http_client::ClientError;

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
    /// Nothing is wrong with the variables, but TLS cannot be initialised.
    #[error(transparent)]
    Tls(ClientError),
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

    /// A variable that must be set.
    pub fn required(&self, name: &'static str) -> Result<String, ConfigError> {
        self.optional(name).ok_or(ConfigError::Missing(name))
    }

    /// A variable that need not be set. One that is set to nothing counts as not set: templates
    /// cannot leave a variable out conditionally without repeating themselves.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// A variable that `parse` makes sense of, or else must be what `expected` says. Where it is not
    /// set and has no default, it is missing.
    pub fn parsed<T>(
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

    /// An address that secrets may travel to.
    pub fn url(&self, name: &'static str, default: &str) -> Result<Url, ConfigError> {
        self.parsed(name, Some(default), "an https URL without query, or http on loopback", parse_url)
    }

    /// A whole number within a range, which `expected` names.
    pub fn within<T: FromStr + PartialOrd>(
        &self,
        name: &'static str,
        default: &str,
        expected: &'static str,
        range: &RangeInclusive<T>,
    ) -> Result<T, ConfigError> {
        self.parsed(name, Some(default), expected, |value| {
            value.parse().ok().filter(|number| range.contains(number))
        })
    }

    /// A whole number of 1 or more.
    pub fn positive(&self, name: &'static str, default: &str) -> Result<NonZeroU32, ConfigError> {
        self.parsed(name, Some(default), "a whole number of 1 or more", |value| value.parse().ok())
    }

    /// PEM text, or the text of the file that the variable names.
    pub fn pem(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let Some(value) = self.optional(name) else { return Ok(None) };
        if value.contains("-----BEGIN") {
            return Ok(Some(value));
        }
        std::fs::read_to_string(&value).map(Some).map_err(|_| ConfigError::bad_pem(name))
    }
}

impl ConfigError {
    /// The variable holds no usable certificates.
    pub fn bad_pem(name: &'static str) -> Self {
        let expected = "certificates as PEM text, or the path of a readable PEM file";
        Self::Malformed { name, expected }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::config) fn env(variables: &[(&str, &str)]) -> Env {
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
    fn an_extra_certificate_is_a_text_or_a_readable_file() {
        let text = "-----BEGIN CERTIFICATE-----";
        assert_eq!(env(&[("VK_EXTRA_CA", text)]).pem("VK_EXTRA_CA").unwrap().as_deref(), Some(text));
        assert!(env(&[("VK_EXTRA_CA", "/no/such/file")]).pem("VK_EXTRA_CA").is_err());
        assert_eq!(env(&[]).pem("VK_EXTRA_CA").unwrap(), None);
    }
}
