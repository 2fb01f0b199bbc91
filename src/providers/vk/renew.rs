//! Renewing VK ID's tokens. A refresh token is used once: VK takes a second use for theft and ends the
//! session. So nothing here is repeated, and whoever asks is told what may be spent.

use futures_util::future::BoxFuture;

use super::config::REQUESTS_PER_DAY;
use super::token_answer::{TokenError, TokenGrant};
use super::vk_id::{VkIdEndpoint, is_anothers};
use crate::domain::{Liveness, State, TokenSet, Unknown};
use crate::error_chain::{Cause, chain};
use crate::platform::{Clock, Entropy, Platform};
use crate::providers::{Budget, CheckAnswer, RateLimited, Renew, Renewal, Renewed};
use crate::secrets::SecretError;

/// VK ID, as far as a renewal needs it.
pub(super) struct VkRenew {
    /// `None` where VK ID is not set up.
    endpoint: Option<VkIdEndpoint>,
    sweep_per_day: u32,
    clock: Clock,
    entropy: Entropy,
}

impl VkRenew {
    pub(super) fn new(platform: &Platform, endpoint: Option<VkIdEndpoint>, sweep_per_day: u32) -> Self {
        Self { endpoint, sweep_per_day, clock: platform.clock.clone(), entropy: platform.entropy.clone() }
    }

    async fn spend(&self, tokens: &TokenSet) -> Renewal {
        let Some(endpoint) = &self.endpoint else { return not_renewed(&not_set_up().into()) };
        let Some(refresh) = &tokens.refresh else {
            return Renewal::Refused(Cause::new("there is no refresh token"));
        };
        let state = State::new(self.entropy.bytes());
        let answer = endpoint.refresh(refresh, tokens.device_id.as_ref(), &state, self.clock.now()).await;
        match answer {
            Ok(granted) => Renewal::Renewed(Box::new(renewed(tokens, granted, &state))),
            Err(error) => not_renewed(&error),
        }
    }
}

impl Renew for VkRenew {
    fn prepare(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(async move {
            match &self.endpoint {
                Some(endpoint) => endpoint.prepare().await,
                None => Err(not_set_up()),
            }
        })
    }

    fn renew(&self, tokens: TokenSet) -> BoxFuture<'_, Renewal> {
        Box::pin(async move { self.spend(&tokens).await })
    }

    fn discard(&self, tokens: TokenSet) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(endpoint) = &self.endpoint
                && let Err(cause) = endpoint.log_out(&tokens.access).await
            {
                tracing::warn!(cause = chain(&cause), "unused tokens were not given back");
            }
        })
    }

    fn budget(&self) -> Budget {
        Budget { sweep: self.sweep_per_day, all: REQUESTS_PER_DAY }
    }
}

fn not_set_up() -> SecretError {
    SecretError::new("VK_SERVICE_TOKEN_ID", "VK ID is not set up: the variable is not set")
}

fn renewed(before: &TokenSet, granted: TokenGrant, state: &State) -> Renewed {
    let is_anothers = is_anothers(&granted, state);
    let tokens = before.renewed(granted.token, granted.refresh);
    Renewed { tokens, expires_at: granted.expires_at, scopes: granted.scopes, is_anothers }
}

fn not_renewed(error: &TokenError) -> Renewal {
    let unspent = |class, rate_limited| Renewal::unspent(class, rate_limited, error);
    match error {
        TokenError::Unreached(_) => unspent(Unknown::Transient, None),
        TokenError::RateLimited { retry_after, .. } => {
            unspent(Unknown::Transient, Some(RateLimited { retry_after: *retry_after }))
        }
        TokenError::Untrusted(_) | TokenError::Secret(_) | TokenError::AppRejected(_) => {
            unspent(Unknown::OurFault, None)
        }
        TokenError::CodeRejected(name) => Renewal::Refused(Cause::new(name.as_str())),
        // About the person, and not about the refresh token.
        TokenError::AccountRejected(reason) => {
            Renewal::Unspent { answer: CheckAnswer::because(Liveness::Dead(*reason), "not renewed") }
        }
        TokenError::NoToken | TokenError::Unavailable(_) => Renewal::Lost(Cause::new(chain(error))),
    }
}
