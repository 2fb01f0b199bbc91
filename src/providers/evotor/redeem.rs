//! From a code to the shops the product can work with.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::stores::{Api, Fault, Stores};
use super::token::{TokenEndpoint, TokenError};
use crate::domain::secret::AccessToken;
use crate::domain::{ErrorCode, Liveness, OfflineReason, TokenSet, Unknown};
use crate::error_chain::chain;
use crate::params::Params;
use crate::platform::Platform;
use crate::providers::oauth::{AuthorizationResponse, Exchange};
use crate::providers::{Grant, Redeem, Refusal};
use crate::retry::{Policy, Retry, Try};
use crate::secrets::SecretError;

/// The longest code that is accepted, in characters.
const LONGEST_CODE: usize = 512;

/// The code is used up by the time the shops are asked for, and somebody is waiting.
const STORES_POLICY: Policy = Policy { tries: 2, first_pause: Duration::ZERO };

/// Evotor, as far as a callback needs it.
pub(super) struct EvotorRedeem {
    endpoint: TokenEndpoint,
    api: Api,
    redirect_uri: String,
    may_lose_state: bool,
    retry: Retry,
}

impl EvotorRedeem {
    pub(super) fn new(
        platform: &Platform,
        endpoint: TokenEndpoint,
        api: Api,
        redirect_uri: String,
        may_lose_state: bool,
    ) -> Self {
        Self { endpoint, api, redirect_uri, may_lose_state, retry: Retry::new(platform, STORES_POLICY) }
    }

    async fn accept(&self, exchange: &Exchange) -> Result<Grant, Refusal> {
        let issued = self.endpoint.exchange(&exchange.granted.code, &self.redirect_uri).await;
        let issued = issued.map_err(|error| not_exchanged(&error))?;
        let stores = self.stores(&issued.access).await.map_err(|fault| no_stores(&fault))?;
        let tokens = match issued.refresh {
            Some(refresh) => TokenSet::renewable(issued.access, refresh, None),
            None => TokenSet::of_access(issued.access),
        };
        Ok(Grant { tokens, account: stores.account(), expires_at: issued.expires_at, scopes: None })
    }

    async fn stores(&self, token: &AccessToken) -> Result<Stores, Fault> {
        let attempt = || async {
            match self.api.stores(token).await {
                Err(fault) if fault.liveness == Liveness::Unknown(Unknown::Transient) => {
                    Try::Transient(Err(fault))
                }
                outcome => Try::Settled(outcome),
            }
        };
        self.retry.run(attempt).await
    }
}

impl Redeem for EvotorRedeem {
    fn read(&self, params: &Params) -> Option<AuthorizationResponse> {
        let response = AuthorizationResponse::read(params, LONGEST_CODE)?;
        response.may_be_from(&self.endpoint.issuer()).then_some(response)
    }

    fn may_lose_state(&self) -> bool {
        self.may_lose_state
    }

    fn prepare(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(self.endpoint.prepare())
    }

    fn redeem(&self, exchange: Exchange) -> BoxFuture<'_, Result<Grant, Refusal>> {
        Box::pin(async move { self.accept(&exchange).await })
    }

    /// Evotor has no way to give tokens back: they end with the application, or lapse.
    fn discard(&self, _: TokenSet) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn not_exchanged(error: &TokenError) -> Refusal {
    let code = match error {
        TokenError::AppRejected(_) | TokenError::Untrusted(_) => ErrorCode::AppRejected,
        TokenError::GrantRejected(_) => ErrorCode::TokenExchange,
        TokenError::NoToken => ErrorCode::NoToken,
        TokenError::Unreached(_) | TokenError::RateLimited { .. } | TokenError::Unavailable(_) => {
            ErrorCode::ProviderUnavailable
        }
        TokenError::Secret(_) => ErrorCode::Storage,
    };
    Refusal::new(code, chain(error))
}

fn no_stores(fault: &Fault) -> Refusal {
    let code = match fault.liveness {
        Liveness::Unknown(Unknown::Transient) => ErrorCode::ProviderUnavailable,
        Liveness::Unknown(Unknown::OurFault | Unknown::AnotherAddress) => ErrorCode::AppRejected,
        Liveness::Dead(OfflineReason::PermissionMissing) => ErrorCode::PermissionMissing,
        Liveness::Dead(_) | Liveness::Unknown(Unknown::Inconclusive) | Liveness::Alive => ErrorCode::Profile,
    };
    Refusal::new(code, format!("no shops: {}", chain(&fault.cause)))
}
