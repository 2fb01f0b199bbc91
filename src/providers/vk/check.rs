//! Whether a stored token still works, is still the stored account's, and may do what the product needs.

use futures_util::future::BoxFuture;

use super::api::{Api, Fault, Profile};
use super::scopes::countable;
use crate::domain::{Liveness, OfflineReason, Scopes, TokenSet, Unknown};
use crate::providers::{Check, CheckAnswer, Subject};

/// VK's API, as far as a check needs it.
pub(super) struct VkCheck {
    pub(super) api: Api,
    pub(super) needed: Scopes,
}

impl Check for VkCheck {
    fn check(&self, subject: Subject) -> BoxFuture<'_, CheckAnswer> {
        Box::pin(async move {
            match self.api.profile(&subject.tokens.access).await {
                Ok(profile) => self.judge(profile, &subject),
                Err(fault) => fault.into(),
            }
        })
    }

    /// VK ID's tokens may not ask (error 1051): what they are granted comes with them.
    fn check_scopes(&self, tokens: TokenSet) -> BoxFuture<'_, Option<CheckAnswer>> {
        Box::pin(async move {
            if tokens.refresh.is_some() {
                return None;
            }
            Some(match self.api.scopes(&tokens.access).await {
                Ok(scopes) if scopes.cover(&countable(&self.needed)) => {
                    CheckAnswer { scopes: Some(scopes), ..CheckAnswer::of(Liveness::Alive) }
                }
                Ok(scopes) => CheckAnswer { scopes: Some(scopes), ..less_than_needed() },
                Err(fault) => fault.into(),
            })
        })
    }

    /// VK ID's are; those of the classic flow are not.
    fn is_bound_to_address(&self, tokens: &TokenSet) -> bool {
        tokens.refresh.is_some()
    }
}

impl VkCheck {
    fn judge(&self, profile: Profile, subject: &Subject) -> CheckAnswer {
        if profile.account.id != subject.account_id {
            return CheckAnswer::because(
                Liveness::Unknown(Unknown::Inconclusive),
                "another account answered",
            );
        }
        if profile.deactivated {
            let liveness = Liveness::Dead(OfflineReason::AccountUnavailable);
            return CheckAnswer::because(liveness, "VK calls the account unavailable");
        }
        let said_so = subject.scopes.as_ref().filter(|_| subject.tokens.refresh.is_some());
        if said_so.is_some_and(|scopes| !scopes.cover(&self.needed)) {
            return less_than_needed();
        }
        CheckAnswer { account: Some(profile.account), ..CheckAnswer::of(Liveness::Alive) }
    }
}

fn less_than_needed() -> CheckAnswer {
    CheckAnswer::because(Liveness::Dead(OfflineReason::PermissionMissing), "less is granted than needed")
}

impl From<Fault> for CheckAnswer {
    fn from(Fault { liveness, code, cause, rate_limited }: Fault) -> Self {
        Self { code, cause: Some(cause), rate_limited, ..Self::of(liveness) }
    }
}
