//! Renewing VK ID's tokens. A refresh token is used once: VK takes a second use for theft and ends the
//! session. So nothing here is repeated, and whoever asks is told what may be spent.

use futures_util::future::BoxFuture;

use super::token_answer::{TokenError, TokenGrant};
use super::vk_id::{VkIdEndpoint, is_anothers};
use crate::domain::{Liveness, State, TokenSet, Unknown};
use crate::error_chain::{Cause, chain};
use crate::platform::{Clock, Entropy, Platform};
use crate::providers::{CheckAnswer, RateLimited, Renew, Renewal, Renewed};
use crate::secrets::SecretError;

/// VK ID, as far as a renewal needs it.
pub(super) struct VkRenew {
    endpoint: VkIdEndpoint,
    clock: Clock,
    entropy: Entropy,
}

impl VkRenew {
    pub(super) fn new(platform: &Platform, endpoint: VkIdEndpoint) -> Self {
        Self { endpoint, clock: platform.clock.clone(), entropy: platform.entropy.clone() }
    }

    async fn spend(&self, tokens: &TokenSet) -> Renewal {
        let Some(refresh) = &tokens.refresh else {
            return Renewal::Refused(Cause::new("there is no refresh token"));
        };
        let state = State::new(self.entropy.bytes());
        let answer =
            self.endpoint.refresh(refresh, tokens.device_id.as_ref(), &state, self.clock.now()).await;
        match answer {
            Ok(granted) => Renewal::Renewed(Box::new(renewed(tokens, granted, &state))),
            Err(error) => not_renewed(&error),
        }
    }
}

impl Renew for VkRenew {
    fn prepare(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(self.endpoint.prepare())
    }

    fn renew(&self, tokens: TokenSet) -> BoxFuture<'_, Renewal> {
        Box::pin(async move { self.spend(&tokens).await })
    }

    fn discard(&self, tokens: TokenSet) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Err(cause) = self.endpoint.log_out(&tokens.access).await {
                tracing::warn!(cause = chain(&cause), "unused tokens were not given back");
            }
        })
    }
}

fn renewed(before: &TokenSet, granted: TokenGrant, state: &State) -> Renewed {
    let is_anothers = is_anothers(&granted, state);
    let tokens = before.renewed(granted.token, granted.refresh);
    Renewed { tokens, expires_at: granted.expires_at, scopes: granted.scopes, is_anothers }
}

fn not_renewed(error: &TokenError) -> Renewal {
    let unspent = |class, rate_limited| {
        let answer = CheckAnswer::because(Liveness::Unknown(class), format!("not renewed: {}", chain(error)));
        Renewal::Unspent { answer: CheckAnswer { rate_limited, ..answer } }
    };
    match error {
        TokenError::Unreached(_) => unspent(Unknown::Transient, None),
        TokenError::RateLimited { retry_after, .. } => {
            unspent(Unknown::Transient, Some(RateLimited { retry_after: *retry_after }))
        }
        TokenError::Untrusted(_) | TokenError::Secret(_) | TokenError::AppRejected(_) => {
            unspent(Unknown::OurFault, None)
        }
        TokenError::CodeRejected(name) => Renewal::Refused(Cause::new(name.as_str())),
        TokenError::AccountRejected(reason) => Renewal::Refused(Cause::new(reason.code())),
        TokenError::NoToken | TokenError::Unavailable(_) => Renewal::Lost(Cause::new(chain(error))),
    }
}
