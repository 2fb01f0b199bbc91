//! From a code to an account the product can work with.

use evosync_connections::config::{BaseUrl, ConfigError, Env};
use evosync_connections::domain::secret::AuthorizationCode;
use evosync_connections::domain::{Account, ErrorCode, Liveness, OfflineReason, Unknown};
use evosync_connections::http::Limits;
use evosync_connections::platform::{Clock, Platform};
use evosync_connections::secrets::SecretError;
use evosync_connections::vk::{Api, ExchangeError, Fault, Grant, Permissions, Profile, TokenEndpoint};

use crate::Stop;

/// VK, as far as a callback needs it.
pub(crate) struct Vk {
    token_endpoint: TokenEndpoint,
    api: Api,
    needed: Permissions,
    clock: Clock,
}

impl Vk {
    pub(crate) fn new(platform: &Platform, env: &Env, base: &BaseUrl) -> Result<Self, ConfigError> {
        let http = env.vk_http(Limits::default())?;
        Ok(Self {
            token_endpoint: TokenEndpoint::new(platform, http.clone(), env.vk_exchange()?, base),
            api: Api::new(http, env.vk_api()?),
            needed: Permissions::needed(&env.vk_scopes()?),
            clock: platform.clock.clone(),
        })
    }

    /// Reads the client secret, unless it has been read lately.
    pub(crate) async fn prepare(&self) -> Result<(), SecretError> {
        self.token_endpoint.prepare().await
    }

    /// Exchanges a code and reads whose the token is.
    pub(crate) async fn accept(&self, code: &AuthorizationCode) -> Result<(Grant, Account), Stop> {
        let grant = self.exchange(code).await?;
        let (profile, permissions) =
            futures_util::join!(self.profile(&grant), self.api.permissions(&grant.token));
        let account = owner(&grant, profile)?;
        match permissions {
            Ok(granted) if !granted.cover(self.needed) => {
                return Err(Stop::new(ErrorCode::PermissionMissing, "less granted than asked for"));
            }
            Ok(_) => {}
            // The profile proves the token; the rights show when they are used.
            Err(fault) => tracing::warn!(vk_code = fault.code, "granted rights not known"),
        }
        Ok((grant, account))
    }

    async fn exchange(&self, code: &AuthorizationCode) -> Result<Grant, Stop> {
        let exchanged = self.token_endpoint.exchange(code, self.clock.now()).await;
        exchanged.map_err(|error| {
            let code = match &error {
                ExchangeError::AppRejected(_) | ExchangeError::Untrusted => ErrorCode::AppRejected,
                ExchangeError::CodeRejected(_) => ErrorCode::TokenExchange,
                ExchangeError::NoToken => ErrorCode::NoToken,
                ExchangeError::Unavailable(_) => ErrorCode::ProviderUnavailable,
                ExchangeError::Secret(_) => ErrorCode::Storage,
            };
            Stop::new(code, error.to_string())
        })
    }

    /// Asks twice: the code is used up, so a passing fault here would cost the person the whole way.
    async fn profile(&self, grant: &Grant) -> Result<Profile, Fault> {
        match self.api.profile(&grant.token).await {
            Err(fault) if fault.is_transient() => self.api.profile(&grant.token).await,
            outcome => outcome,
        }
    }
}

/// The account of a token, provided that it is the one VK named and that it is in use.
fn owner(grant: &Grant, profile: Result<Profile, Fault>) -> Result<Account, Stop> {
    let profile = profile.map_err(no_profile)?;
    if profile.deactivated {
        return Err(Stop::new(ErrorCode::AccountUnavailable, "VK calls the account unavailable"));
    }
    let named = grant.account_id.map(|id| id.to_string());
    if named.is_some_and(|named| named != profile.account.id) {
        return Err(Stop::new(ErrorCode::Profile, "the token is another account's"));
    }
    Ok(profile.account)
}

/// What a person who came all this way can do about it: try later, tell us, allow more, or use
/// another account.
fn no_profile(fault: Fault) -> Stop {
    let code = match fault.liveness {
        Liveness::Unknown(Unknown::Transient) => ErrorCode::ProviderUnavailable,
        Liveness::Unknown(Unknown::OurFault) => ErrorCode::AppRejected,
        Liveness::Dead(OfflineReason::PermissionMissing) => ErrorCode::PermissionMissing,
        Liveness::Dead(OfflineReason::AccountUnavailable) => ErrorCode::AccountUnavailable,
        _ => ErrorCode::Profile,
    };
    Stop::new(code, format!("no profile, VK's code {:?}", fault.code))
}
