//! Ending what a disconnected account's tokens are good for.

use futures_util::future::BoxFuture;

use super::config::Extent;
use super::token_answer::TokenError;
use super::vk_id::VkIdSessions;
use crate::domain::TokenSet;
use crate::error_chain::{Cause, chain};
use crate::providers::{Revoke, Revoked};

/// VK ID, as far as a revocation needs it. It is asked whatever `VK_FLOW` says, since connections of both flows
/// live side by side.
pub(super) struct VkRevoke {
    pub(super) sessions: VkIdSessions,
    pub(super) extent: Extent,
}

impl Revoke for VkRevoke {
    /// Tokens of the classic flow are not asked about: it has no endpoint that ends one.
    ///
    /// A session is ended by its access token, which lives an hour. After that VK ID no longer knows the token,
    /// and its own SDK calls logging out unnecessary then (`AccessTokenTokenExpired` of `VKIDLogoutFail`, "VK ID
    /// SDK for Android"). The refresh token could buy another access token to log out with. It is not spent: that
    /// could fail halfway, and would need the application's secret here. It lies nowhere any more, and the
    /// session ends with its age.
    fn revoke(&self, tokens: TokenSet) -> BoxFuture<'_, Revoked> {
        Box::pin(async move {
            if tokens.refresh.is_none() {
                return Revoked::NothingToEnd;
            }
            match self.sessions.end(self.extent, &tokens.access).await {
                Ok(()) => Revoked::Ended,
                Err(error) => not_ended(&error),
            }
        })
    }
}

fn not_ended(error: &TokenError) -> Revoked {
    match error {
        // Whatever a token is refused for, it opens no session: lapsed, logged out, or revoked by the person.
        TokenError::CodeRejected(_) => Revoked::NothingToEnd,
        TokenError::Untrusted(_)
        | TokenError::Unreached(_)
        | TokenError::RateLimited { .. }
        | TokenError::Unavailable(_)
        | TokenError::Secret(_) => Revoked::Transient(Cause::new(chain(error))),
        TokenError::AppRejected(_) | TokenError::AccountRejected(_) | TokenError::NoToken => {
            Revoked::Refused(Cause::new(chain(error)))
        }
    }
}
