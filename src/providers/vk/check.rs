//! Whether a stored token still works and is still the stored account's.

use futures_util::future::BoxFuture;

use super::api::{Api, Fault};
use crate::domain::{Liveness, OfflineReason, TokenSet, Unknown};
use crate::error_chain::Cause;
use crate::providers::{Check, CheckAnswer};

impl Check for Api {
    fn check(&self, tokens: TokenSet, account_id: String) -> BoxFuture<'_, CheckAnswer> {
        Box::pin(async move {
            let answer = |liveness, cause| CheckAnswer { liveness, code: None, cause, rate_limited: None };
            let unless = |liveness, cause| answer(liveness, Some(Cause::new(cause)));
            match self.profile(&tokens.access).await {
                Ok(profile) if profile.account.id != account_id => {
                    unless(Liveness::Unknown(Unknown::Inconclusive), "another account answered")
                }
                Ok(profile) if profile.deactivated => unless(
                    Liveness::Dead(OfflineReason::AccountUnavailable),
                    "VK calls the account unavailable",
                ),
                Ok(_) => answer(Liveness::Alive, None),
                Err(Fault { liveness, code, cause, rate_limited }) => {
                    CheckAnswer { liveness, code, cause: Some(cause), rate_limited }
                }
            }
        })
    }
}
