//! VK's API: whose a token is, what it may do, whether it lives.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::scopes::Permissions;
use super::verdict::ApiError;
use crate::config::VkApi;
use crate::domain::secret::AccessToken;
use crate::domain::{Account, Liveness, OfflineReason, Unknown};
use crate::http::{HttpAnswer, HttpClient, HttpError};

/// Calls the API's methods with a user's token.
#[derive(Clone)]
pub struct Api {
    http: HttpClient,
    config: VkApi,
}

/// A call without a usable answer: what that means for the token, and VK's code where it gave one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The verdict; never [`Liveness::Alive`].
    pub liveness: Liveness,
    /// VK's `error_code`.
    pub code: Option<i64>,
}

/// The owner of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Number and names.
    pub account: Account,
    /// Whether VK calls the account `deleted` or `banned`.
    pub deactivated: bool,
}

#[derive(Deserialize)]
struct Envelope<T> {
    response: Option<T>,
    error: Option<ApiError>,
}

/// Only `id` is guaranteed.
#[derive(Deserialize)]
struct User {
    id: u64,
    first_name: Option<String>,
    last_name: Option<String>,
    deactivated: Option<serde::de::IgnoredAny>,
}

impl Api {
    /// An API at a configured address.
    pub fn new(http: HttpClient, config: VkApi) -> Self {
        Self { http, config }
    }

    /// The token's owner (`users.get` without `user_ids`).
    pub async fn profile(&self, token: &AccessToken) -> Result<Profile, Fault> {
        let users: Vec<User> = self.call("users.get", token).await?;
        let [user] = <[User; 1]>::try_from(users).map_err(|_| Fault::unknown(Unknown::Inconclusive))?;
        let name = |name: Option<String>| name.unwrap_or_default();
        Ok(Profile {
            account: Account::new(user.id.to_string(), &name(user.first_name), &name(user.last_name)),
            deactivated: user.deactivated.is_some(),
        })
    }

    /// What the person granted (`account.getAppPermissions`).
    pub async fn permissions(&self, token: &AccessToken) -> Result<Permissions, Fault> {
        self.call("account.getAppPermissions", token).await.map(Permissions::granted)
    }

    /// Whether a stored token still works and is still the stored account's.
    pub async fn liveness(&self, token: &AccessToken, account_id: &str) -> (Liveness, Option<i64>) {
        match self.profile(token).await {
            Ok(profile) if profile.account.id != account_id => {
                (Liveness::Unknown(Unknown::Inconclusive), None)
            }
            Ok(profile) if profile.deactivated => (Liveness::Dead(OfflineReason::AccountUnavailable), None),
            Ok(_) => (Liveness::Alive, None),
            Err(fault) => (fault.liveness, fault.code),
        }
    }

    async fn call<T: DeserializeOwned>(&self, method: &str, token: &AccessToken) -> Result<T, Fault> {
        let url = format!("{}/{method}", self.config.api_url.as_str().trim_end_matches('/'));
        let request = self.http.requests().post(url).bearer_auth(token.secret());
        let request = request.form(&[("v", &self.config.api_version)]);
        match self.http.send(request).await {
            Ok(answer) => read(&answer),
            Err(HttpError::Tls) => Err(Fault::unknown(Unknown::OurFault)),
            Err(_) => Err(Fault::unknown(Unknown::Transient)),
        }
    }
}

/// Reads an answer. VK reports errors with status 200, and outages as pages of any status.
fn read<T: DeserializeOwned>(answer: &HttpAnswer) -> Result<T, Fault> {
    if answer.headers.get("x-challenge").is_some_and(|value| value == "required") {
        return Err(Fault::unknown(Unknown::Inconclusive));
    }
    if matches!(answer.status.as_u16(), 408 | 429 | 500..) {
        return Err(Fault::unknown(Unknown::Transient));
    }
    let envelope: Envelope<serde_json::Value> =
        serde_json::from_slice(&answer.body).map_err(|_| Fault::unknown(Unknown::Transient))?;
    match envelope {
        Envelope { error: Some(error), .. } => {
            Err(Fault { liveness: error.liveness(), code: Some(error.code) })
        }
        Envelope { response: Some(response), .. } => {
            serde_json::from_value(response).map_err(|_| Fault::unknown(Unknown::Inconclusive))
        }
        Envelope { .. } => Err(Fault::unknown(Unknown::Inconclusive)),
    }
}

impl Fault {
    fn unknown(class: Unknown) -> Self {
        Self { liveness: Liveness::Unknown(class), code: None }
    }

    /// Whether the same call is worth another try now.
    pub fn is_transient(self) -> bool {
        self.liveness == Liveness::Unknown(Unknown::Transient)
    }
}
