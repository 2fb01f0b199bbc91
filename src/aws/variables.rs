//! The variables that say where AWS is and who calls.

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::config::Env;

const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// The credentials of the function's role; `None` where there are none, and nothing can be signed.
pub(super) fn credentials(env: &Env) -> Option<SharedCredentialsProvider> {
    let key = env.optional("AWS_ACCESS_KEY_ID")?;
    let secret = env.optional("AWS_SECRET_ACCESS_KEY")?;
    let credentials =
        Credentials::builder().access_key_id(key).secret_access_key(secret).provider_name("environment");
    let credentials = match env.optional("AWS_SESSION_TOKEN") {
        Some(token) => credentials.session_token(token),
        None => credentials,
    };
    let credentials = match env.optional("AWS_ACCOUNT_ID") {
        Some(account) => credentials.account_id(account),
        None => credentials,
    };
    Some(SharedCredentialsProvider::new(credentials.build()))
}

/// Whether a variable says `true`, in any case.
pub(super) fn is_on(env: &Env, name: &str) -> bool {
    env.optional(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Endpoints other than AWS's own: one for all services, and one for each.
pub(super) struct Endpoints {
    env: Arc<Env>,
    ignored: bool,
}

impl Endpoints {
    pub(super) fn of(env: Arc<Env>) -> Self {
        Self { ignored: is_on(&env, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), env }
    }

    /// The endpoint of all services that have none of their own.
    pub(super) fn of_all(&self) -> Option<String> {
        self.env.optional(ENDPOINT).filter(|_| !self.ignored)
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Endpoints").field("ignored", &self.ignored).finish_non_exhaustive()
    }
}

impl LoadServiceConfig for Endpoints {
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER` for the service `Secrets Manager`.
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        if self.ignored && key.env() == ENDPOINT {
            return None;
        }
        let service = key.service_id().to_uppercase().replace([' ', '-'], "_");
        self.env.optional(&format!("{}_{service}", key.env()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(variables: &[(&str, &str)]) -> Endpoints {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Endpoints::of(Arc::new(Env::of_map(variables.collect())))
    }

    fn of_service(endpoints: &Endpoints, id: &str) -> Option<String> {
        let key = ServiceConfigKey::builder().service_id(id).profile("endpoint_url").env(ENDPOINT);
        endpoints.load_config(key.build().unwrap())
    }

    #[test]
    fn a_service_may_have_an_endpoint_of_its_own() {
        let endpoints = endpoints(&[
            ("AWS_ENDPOINT_URL", "http://localhost:1"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://localhost:2"),
        ]);
        assert_eq!(endpoints.of_all().as_deref(), Some("http://localhost:1"));
        assert_eq!(of_service(&endpoints, "Secrets Manager").as_deref(), Some("http://localhost:2"));
        assert_eq!(of_service(&endpoints, "DynamoDB"), None);
    }

    #[test]
    fn endpoints_are_ignored_on_request() {
        let endpoints = endpoints(&[
            ("AWS_ENDPOINT_URL", "http://localhost:1"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http://localhost:2"),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True"),
        ]);
        assert_eq!((endpoints.of_all(), of_service(&endpoints, "DynamoDB")), (None, None));
    }

    #[test]
    fn nothing_is_signed_without_a_key_and_its_secret() {
        for missing in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            let env = Env::of(move |name| (name != missing).then(|| "test".to_owned()));
            assert!(credentials(&env).is_none(), "{missing}");
        }
    }
}
