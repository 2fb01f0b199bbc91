//! From a code to an account the product can work with.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::api::{Api, Fault, Profile};
use super::classic::TokenEndpoint;
use super::token_answer::{TokenError, TokenGrant};
use super::vk_id::{VkIdEndpoint, read_callback};
use crate::domain::secret::AccessToken;
use crate::domain::{Account, ErrorCode, Liveness, OfflineReason, Scopes, TokenSet, Unknown};
use crate::error_chain::chain;
use crate::params::Params;
use crate::platform::{Clock, Platform};
use crate::providers::oauth::{AuthorizationResponse, Exchange};
use crate::providers::{Grant, Redeem, Refusal};
use crate::retry::{Policy, Retry, Try};
use crate::secrets::SecretError;

/// The longest code of the classic flow that is accepted, in characters; VK's are under 30.
const LONGEST_CODE: usize = 512;

/// The code is used up by the time the profile is asked for, so a passing fault there would cost the
/// person the whole way. A second try follows at once: somebody is waiting.
const PROFILE_POLICY: Policy = Policy { tries: 2, first_pause: Duration::ZERO };

/// VK, as far as a callback needs it.
pub(super) struct VkRedeem {
    flow: RedeemFlow,
    api: Api,
    needed: Scopes,
    clock: Clock,
    retry: Retry,
}

/// The token endpoint of the flow that connections are made under.
pub(super) enum RedeemFlow {
    Classic(TokenEndpoint),
    VkId { endpoint: VkIdEndpoint, redirect_uri: String },
}

impl VkRedeem {
    /// Redeems codes for tokens that can do what the asked scopes allow.
    pub(super) fn new(platform: &Platform, flow: RedeemFlow, api: Api, needed: Scopes) -> Self {
        let (clock, retry) = (platform.clock.clone(), Retry::new(platform, PROFILE_POLICY));
        Self { flow, api, needed, clock, retry }
    }

    async fn accept(&self, exchange: &Exchange) -> Result<Grant, Refusal> {
        let granted = self.flow.exchange(exchange, self.clock.now()).await;
        let granted = granted.map_err(|error| not_exchanged(&error))?;
        let (profile, scopes) = futures_util::join!(self.profile(&granted.token), self.scopes(&granted));
        let account = self.require(scopes.as_ref()).and_then(|()| owner(&granted, profile));
        let account = match account {
            Ok(account) => account,
            Err(refusal) => {
                self.flow.discard(&granted.token).await;
                return Err(refusal);
            }
        };
        let tokens = match granted.refresh {
            Some(refresh) => TokenSet::renewable(granted.token, refresh, exchange.granted.device_id.clone()),
            None => TokenSet::of_access(granted.token),
        };
        Ok(Grant { tokens, account, expires_at: granted.expires_at, scopes })
    }

    /// What was granted. VK ID says so with the tokens; its tokens may not ask the API for it. Where it
    /// stays unknown, the profile proves the token, and the rights show when they are used.
    async fn scopes(&self, granted: &TokenGrant) -> Option<Scopes> {
        match &self.flow {
            RedeemFlow::VkId { .. } => granted.scopes.clone(),
            RedeemFlow::Classic(_) => match self.api.scopes(&granted.token).await {
                Ok(scopes) => Some(scopes),
                Err(fault) => {
                    tracing::warn!(cause = chain(&fault.cause), "granted rights unknown");
                    None
                }
            },
        }
    }

    fn require(&self, granted: Option<&Scopes>) -> Result<(), Refusal> {
        if granted.is_some_and(|granted| !granted.cover(&self.needed)) {
            return Err(Refusal::new(ErrorCode::PermissionMissing, "less granted than asked for"));
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

impl RedeemFlow {
    fn read(&self, params: &Params) -> Option<AuthorizationResponse> {
        let (response, issuer) = match self {
            Self::Classic(endpoint) => (AuthorizationResponse::read(params, LONGEST_CODE), endpoint.issuer()),
            Self::VkId { endpoint, .. } => (read_callback(params), endpoint.issuer()),
        };
        response.filter(|response| response.may_be_from(&issuer))
    }

    async fn prepare(&self) -> Result<(), SecretError> {
        match self {
            Self::Classic(endpoint) => endpoint.prepare().await,
            Self::VkId { endpoint, .. } => endpoint.prepare().await,
        }
    }

    async fn exchange(&self, exchange: &Exchange, now: Timestamp) -> Result<TokenGrant, TokenError> {
        match self {
            Self::Classic(endpoint) => endpoint.exchange(&exchange.granted.code, now).await,
            Self::VkId { endpoint, redirect_uri } => endpoint.exchange(exchange, redirect_uri, now).await,
        }
    }

    /// Ends the session of a token that will not be saved. The classic flow has no way to.
    async fn discard(&self, token: &AccessToken) {
        if let Self::VkId { endpoint, .. } = self
            && let Err(cause) = endpoint.log_out(token).await
        {
            tracing::warn!(cause = chain(&cause), "an unused grant was not ended");
        }
    }
}

impl Redeem for VkRedeem {
    fn read(&self, params: &Params) -> Option<AuthorizationResponse> {
        self.flow.read(params)
    }

    fn prepare(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(self.flow.prepare())
    }

    fn redeem(&self, exchange: Exchange) -> BoxFuture<'_, Result<Grant, Refusal>> {
        Box::pin(async move { self.accept(&exchange).await })
    }

    fn discard(&self, tokens: TokenSet) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.flow.discard(&tokens.access).await })
    }
}

fn not_exchanged(error: &TokenError) -> Refusal {
    let code = match error {
        TokenError::AppRejected(_) | TokenError::Untrusted(_) => ErrorCode::AppRejected,
        TokenError::CodeRejected(_) => ErrorCode::TokenExchange,
        TokenError::AccountRejected(reason) => code_of(*reason),
        TokenError::NoToken => ErrorCode::NoToken,
        TokenError::Unreached(_) | TokenError::RateLimited { .. } | TokenError::Unavailable(_) => {
            ErrorCode::ProviderUnavailable
        }
        TokenError::Secret(_) => ErrorCode::Storage,
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
        Liveness::Unknown(Unknown::OurFault | Unknown::AnotherAddress) => ErrorCode::AppRejected,
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
        OfflineReason::TokenRejected
        | OfflineReason::TokenExpired
        | OfflineReason::RenewalLost
        | OfflineReason::Unreadable => ErrorCode::Profile,
    }
}
