//! Whether a stored token still works and is still the stored account's.

use futures_util::future::BoxFuture;

use super::api::Api;
use crate::domain::{Liveness, OfflineReason, TokenSet, Unknown};
use crate::providers::{Check, CheckAnswer};

impl Check for Api {
    fn check(&self, tokens: TokenSet, account_id: String) -> BoxFuture<'_, CheckAnswer> {
        Box::pin(async move {
            let (liveness, code) = match self.profile(&tokens.access).await {
                Ok(profile) if profile.account.id != account_id => {
                    (Liveness::Unknown(Unknown::Inconclusive), None)
                }
                Ok(profile) if profile.deactivated => {
                    (Liveness::Dead(OfflineReason::AccountUnavailable), None)
                }
                Ok(_) => (Liveness::Alive, None),
                Err(fault) => (fault.liveness, fault.code),
            };
            CheckAnswer { liveness, code }
        })
    }
}
