//! VK's API: whose a token is, what it may do, whether it lives.

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::config::ApiConfig;
use super::lenient::{Lenient, Loose};
use super::scopes::of_mask;
use super::verdict::ApiError;
use crate::domain::secret::AccessToken;
use crate::domain::{Account, Liveness, Scopes, Unknown};
use crate::error_chain::Cause;
use crate::http_client::{HttpAnswer, HttpClient};
use crate::providers::{RateLimited, unanswered};

/// Calls the API's methods with a user's token.
#[derive(Clone)]
pub(super) struct Api {
    http: HttpClient,
    config: ApiConfig,
}

/// A call without a usable answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// What that means for the token; never [`Liveness::Alive`].
    pub(super) liveness: Liveness,
    /// VK's `error_code`, where it gave one.
    pub(super) code: Option<i64>,
    /// What happened.
    pub(super) cause: Cause,
    /// Set where VK asks for fewer calls.
    pub(super) rate_limited: Option<RateLimited>,
}

/// The owner of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Profile {
    /// Number and names.
    pub(super) account: Account,
    /// Whether VK calls the account `deleted` or `banned`.
    pub(super) deactivated: bool,
}

#[derive(Deserialize)]
struct Envelope {
    response: Option<Value>,
    error: Option<Loose<ApiError>>,
}

/// Only `id` is guaranteed.
#[derive(Deserialize)]
struct User {
    id: u64,
    first_name: Option<Loose<String>>,
    last_name: Option<Loose<String>>,
    deactivated: Option<Lenient>,
}

impl Api {
    /// An API at a configured address.
    pub(super) fn new(http: HttpClient, config: ApiConfig) -> Self {
        Self { http, config }
    }

    /// The token's owner (`users.get` without `user_ids`).
    pub(super) async fn profile(&self, token: &AccessToken) -> Result<Profile, Fault> {
        let users: Vec<User> = self.call(&self.config.users_get, token).await?;
        let [user] = <[User; 1]>::try_from(users).map_err(|_| Fault::odd("not one user"))?;
        let name = |name: Option<Loose<String>>| name.and_then(Loose::value).unwrap_or_default();
        Ok(Profile {
            account: Account::new(user.id.to_string(), &name(user.first_name), &name(user.last_name)),
            deactivated: user
                .deactivated
                .as_ref()
                .and_then(Lenient::text)
                .is_some_and(|state| !state.is_empty()),
        })
    }

    /// What the person granted (`account.getAppPermissions`), under the classic flow.
    pub(super) async fn scopes(&self, token: &AccessToken) -> Result<Scopes, Fault> {
        let mask: Lenient = self.call(&self.config.app_permissions, token).await?;
        let mask = mask.number().and_then(|mask| u32::try_from(mask).ok());
        mask.map(of_mask).ok_or_else(|| Fault::odd("rights that are no bit mask"))
    }

    async fn call<T: DeserializeOwned>(&self, method: &Url, token: &AccessToken) -> Result<T, Fault> {
        let request = self.http.requests().post(method.clone()).bearer_auth(token.secret());
        let request = request.form(&[("v", &self.config.api_version)]);
        match self.http.send(request).await {
            Ok(answer) => read(&answer),
            Err(error) => Err(Fault::unknown(unanswered(&error), error.as_cause())),
        }
    }
}

/// Reads an answer. VK reports errors with status 200, and outages as pages of any status.
fn read<T: DeserializeOwned>(answer: &HttpAnswer) -> Result<T, Fault> {
    let status = || Cause::new(format!("HTTP {}", answer.status.as_u16()));
    if answer.is_challenge() {
        return Err(Fault::unknown(Unknown::Inconclusive, Cause::new("an anti-bot page")));
    }
    let retry_after = answer.retry_after();
    if answer.is_outage() {
        let asks = answer.status == StatusCode::TOO_MANY_REQUESTS || retry_after.is_some();
        let rate_limited = asks.then_some(RateLimited { retry_after });
        return Err(Fault { rate_limited, ..Fault::unknown(Unknown::Transient, status()) });
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Envelope { error: Some(error), .. }) => match error.value() {
            Some(error) => Err(Fault {
                liveness: error.liveness(),
                code: Some(error.code()),
                cause: Cause::new(error.to_string()),
                rate_limited: error.is_rate_limit().then_some(RateLimited { retry_after }),
            }),
            None => Err(Fault::odd("an error without a code")),
        },
        Ok(Envelope { response: Some(response), .. }) => {
            serde_json::from_value(response).map_err(|_| Fault::odd("an answer of another shape"))
        }
        Ok(Envelope { .. }) => Err(Fault::odd("neither answer nor error")),
        Err(_) => Err(Fault::unknown(Unknown::Transient, status())),
    }
}

impl Fault {
    fn unknown(class: Unknown, cause: Cause) -> Self {
        Self { liveness: Liveness::Unknown(class), code: None, cause, rate_limited: None }
    }

    /// An answer that proves nothing.
    fn odd(what: &str) -> Self {
        Self::unknown(Unknown::Inconclusive, Cause::new(what))
    }

    /// Whether the same call is worth another try now.
    pub(super) fn is_transient(&self) -> bool {
        self.liveness == Liveness::Unknown(Unknown::Transient)
    }
}
