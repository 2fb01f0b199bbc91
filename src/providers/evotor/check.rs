//! Whether a stored token still works. Evotor answers it with the shops, which may be others than when the
//! account was connected, so that no account is compared.

use std::num::NonZeroU32;

use futures_util::future::BoxFuture;

use super::stores::Api;
use crate::domain::{Liveness, TokenSet};
use crate::providers::{Check, CheckAnswer, Subject};

/// Evotor's API, as far as a check needs it.
pub(super) struct EvotorCheck {
    pub(super) api: Api,
    pub(super) max_rps: NonZeroU32,
}

impl Check for EvotorCheck {
    fn check(&self, subject: Subject) -> BoxFuture<'_, CheckAnswer> {
        Box::pin(async move {
            match self.api.stores(&subject.tokens.access).await {
                Ok(stores) => {
                    CheckAnswer { account: Some(stores.account()), ..CheckAnswer::of(Liveness::Alive) }
                }
                Err(fault) => fault.into(),
            }
        })
    }

    /// Rights are fixed with the application; a missing one shows in [`Self::check`].
    fn check_scopes(&self, _: TokenSet) -> BoxFuture<'_, Option<CheckAnswer>> {
        Box::pin(std::future::ready(None))
    }

    fn max_rps(&self) -> Option<NonZeroU32> {
        Some(self.max_rps)
    }
}
