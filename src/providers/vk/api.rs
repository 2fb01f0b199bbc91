//! VK's API: whose a token is, what it may do, whether it lives.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::config::ApiConfig;
use super::scopes::Permissions;
use super::verdict::ApiError;
use crate::domain::secret::AccessToken;
use crate::domain::{Account, Liveness, Unknown};
use crate::http_client::{HttpAnswer, HttpClient, HttpError};

/// Calls the API's methods with a user's token.
#[derive(Clone)]
pub(super) struct Api {
    http: HttpClient,
    config: ApiConfig,
}

/// A call without a usable answer: what that means for the token, and VK's code where it gave one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// The verdict; never [`Liveness::Alive`].
    pub(super) liveness: Liveness,
    /// VK's `error_code`.
    pub(super) code: Option<i64>,
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
    pub(super) fn new(http: HttpClient, config: ApiConfig) -> Self {
        Self { http, config }
    }

    /// The token's owner (`users.get` without `user_ids`).
    pub(super) async fn profile(&self, token: &AccessToken) -> Result<Profile, Fault> {
        let users: Vec<User> = self.call("users.get", token).await?;
        let [user] = <[User; 1]>::try_from(users).map_err(|_| Fault::unknown(Unknown::Inconclusive))?;
        let name = |name: Option<String>| name.unwrap_or_default();
        Ok(Profile {
            account: Account::new(user.id.to_string(), &name(user.first_name), &name(user.last_name)),
            deactivated: user.deactivated.is_some(),
        })
    }

    /// What the person granted (`account.getAppPermissions`).
    pub(super) async fn permissions(&self, token: &AccessToken) -> Result<Permissions, Fault> {
        self.call("account.getAppPermissions", token).await.map(Permissions::granted)
    }

    async fn call<T: DeserializeOwned>(&self, method: &str, token: &AccessToken) -> Result<T, Fault> {
        let url = format!("{}/{method}", self.config.api_url.as_str().trim_end_matches('/'));
        let request = self.http.requests().post(url).bearer_auth(token.secret());
        let request = request.form(&[("v", &self.config.api_version)]);
        match self.http.send(request).await {
            Ok(answer) => read(&answer),
            Err(HttpError::Tls(_)) => Err(Fault::unknown(Unknown::OurFault)),
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
    pub(super) fn is_transient(self) -> bool {
        self.liveness == Liveness::Unknown(Unknown::Transient)
    }
}
