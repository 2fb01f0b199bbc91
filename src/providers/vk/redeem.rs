//! From a code to an account the product can work with.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::api::{Api, Fault, Profile};
use super::scopes::Permissions;
use super::token::{ExchangeError, TokenEndpoint, TokenGrant};
use crate::domain::secret::{AccessToken, AuthorizationCode};
use crate::domain::{Account, ErrorCode, Liveness, OfflineReason, TokenSet, Unknown};
use crate::error_chain::chain;
use crate::params::Params;
use crate::platform::{Clock, Platform};
use crate::providers::oauth::AuthorizationResponse;
use crate::providers::{Grant, Redeem, Refusal};
use crate::retry::{Policy, Retry, Try};
use crate::secrets::SecretError;

/// The longest code accepted, in characters; VK's are under 30.
const LONGEST_CODE: usize = 512;

/// The code is used up by the time the profile is asked for, so a passing fault there would cost the
/// person the whole way. A second try follows at once: somebody is waiting.
const PROFILE_POLICY: Policy = Policy { tries: 2, first_pause: Duration::ZERO };

/// VK, as far as a callback needs it.
pub(super) struct VkRedeem {
    token_endpoint: TokenEndpoint,
    api: Api,
    needed: Permissions,
    issuer: String,
    clock: Clock,
    retry: Retry,
}

impl VkRedeem {
    /// Redeems codes for tokens that can do what the asked scopes allow.
    pub(super) fn new(platform: &Platform, token_endpoint: TokenEndpoint, api: Api, scopes: &str) -> Self {
        Self {
            issuer: token_endpoint.issuer(),
            token_endpoint,
            api,
            needed: Permissions::needed(scopes),
            clock: platform.clock.clone(),
            retry: Retry::new(platform, PROFILE_POLICY),
        }
    }

    async fn accept(&self, code: &AuthorizationCode) -> Result<Grant, Refusal> {
        let exchanged = self.token_endpoint.exchange(code, self.clock.now()).await;
        let granted = exchanged.map_err(|error| not_exchanged(&error))?;
        let (profile, permissions) =
            futures_util::join!(self.profile(&granted.token), self.api.permissions(&granted.token));
        let account = owner(&granted, profile)?;
        self.require_permissions(permissions)?;
        let tokens = TokenSet::of_access(granted.token);
        Ok(Grant { tokens, account, expires_at: granted.expires_at })
    }

    fn require_permissions(&self, permissions: Result<Permissions, Fault>) -> Result<(), Refusal> {
        match permissions {
            Ok(granted) if !granted.cover(self.needed) => {
                return Err(Refusal::new(ErrorCode::PermissionMissing, "less granted than asked for"));
            }
            Ok(_) => {}
            // The profile proves the token; the rights show when they are used.
            Err(fault) => tracing::warn!(cause = chain(&fault.cause), "granted rights unknown"),
        }
        Ok(())
    }

    async fn profile(&self, token: &AccessToken) -> Result<Profile, Fault> {
        let attempt = || async {
            match self.api.profile(token).await {
                Err(fault) if fault.is_transient() => Try::Transient(Err(fault)),
                outcome => Try::Settled(outcome),
            }
        };
        self.retry.run(attempt).await
    }
}

impl Redeem for VkRedeem {
    fn read(&self, params: &Params) -> Option<AuthorizationResponse> {
        AuthorizationResponse::read(params, LONGEST_CODE)
            .filter(|response| response.may_be_from(&self.issuer))
    }

    fn prepare(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(self.token_endpoint.prepare())
    }

    fn redeem(&self, code: AuthorizationCode) -> BoxFuture<'_, Result<Grant, Refusal>> {
        Box::pin(async move { self.accept(&code).await })
    }
}

fn not_exchanged(error: &ExchangeError) -> Refusal {
    let code = match error {
        ExchangeError::AppRejected(_) | ExchangeError::Untrusted(_) => ErrorCode::AppRejected,
        ExchangeError::CodeRejected(_) => ErrorCode::TokenExchange,
        ExchangeError::AccountRejected(reason) => code_of(*reason),
        ExchangeError::NoToken => ErrorCode::NoToken,
        ExchangeError::Unavailable(_) => ErrorCode::ProviderUnavailable,
        ExchangeError::Secret(_) => ErrorCode::Storage,
    };
    Refusal::new(code, chain(error))
}

/// The account of a token, provided that it is the one VK named and that it is in use.
fn owner(granted: &TokenGrant, profile: Result<Profile, Fault>) -> Result<Account, Refusal> {
    let profile = profile.map_err(|fault| no_profile(&fault))?;
    if profile.deactivated {
        return Err(Refusal::new(ErrorCode::AccountUnavailable, "VK calls the account unavailable"));
    }
    let named = granted.account_id.map(|id| id.to_string());
    if named.is_some_and(|named| named != profile.account.id) {
        return Err(Refusal::new(ErrorCode::Profile, "the token is another account's"));
    }
    Ok(profile.account)
}

/// What a person who came all this way can do about it: try later, tell us, or what
/// [`code_of`] says.
fn no_profile(fault: &Fault) -> Refusal {
    let code = match fault.liveness {
        Liveness::Unknown(Unknown::Transient) => ErrorCode::ProviderUnavailable,
        Liveness::Unknown(Unknown::OurFault) => ErrorCode::AppRejected,
        Liveness::Dead(reason) => code_of(reason),
        Liveness::Unknown(Unknown::Inconclusive) | Liveness::Alive => ErrorCode::Profile,
    };
    Refusal::new(code, format!("no profile: {}", chain(&fault.cause)))
}

/// The error code of a new connection, for a reason that would break a stored one.
fn code_of(reason: OfflineReason) -> ErrorCode {
    match reason {
        OfflineReason::AccountUnavailable => ErrorCode::AccountUnavailable,
        OfflineReason::ActionRequired => ErrorCode::ActionRequired,
        OfflineReason::PermissionMissing => ErrorCode::PermissionMissing,
        // The registration decides what kind of token VK gives.
        OfflineReason::WrongTokenKind => ErrorCode::AppRejected,
        OfflineReason::TokenRejected | OfflineReason::TokenExpired | OfflineReason::Unreadable => {
            ErrorCode::Profile
        }
    }
}
