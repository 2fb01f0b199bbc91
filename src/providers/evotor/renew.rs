//! Renewing Evotor's tokens. Whether a refresh token may be used twice is not documented, so it is used once, and
//! whoever asks is told what may be spent.

use futures_util::future::BoxFuture;

use super::token::{Issued, TokenEndpoint, TokenError};
use crate::domain::{TokenSet, Unknown};
use crate::error_chain::{Cause, chain};
use crate::providers::{Budget, RateLimited, Renew, Renewal, Renewed};
use crate::secrets::SecretError;

/// Evotor, as far as a renewal needs it.
pub(super) struct EvotorRenew {
    pub(super) endpoint: TokenEndpoint,
}

impl Renew for EvotorRenew {
    fn prepare(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(self.endpoint.prepare())
    }

    fn renew(&self, tokens: TokenSet) -> BoxFuture<'_, Renewal> {
        Box::pin(async move {
            let Some(refresh) = &tokens.refresh else {
                return Renewal::Refused(Cause::new("there is no refresh token"));
            };
            match self.endpoint.refresh(refresh).await {
                Ok(issued) => Renewal::Renewed(Box::new(renewed(&tokens, issued))),
                Err(error) => not_renewed(&error),
            }
        })
    }

    /// Evotor has no way to give tokens back.
    fn discard(&self, _: TokenSet) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Evotor names no limit, and tokens that live a week are seldom renewed.
    fn budget(&self) -> Budget {
        Budget { sweep: u32::MAX, all: u32::MAX }
    }
}

/// Where no new refresh token comes, the old one stays in force (RFC 6749, section 6).
fn renewed(before: &TokenSet, issued: Issued) -> Renewed {
    let Issued { access, refresh, expires_at } = issued;
    Renewed { tokens: before.renewed(access, refresh), expires_at, scopes: None, is_anothers: false }
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
        TokenError::GrantRejected(name) => Renewal::Refused(Cause::new(name.as_str())),
        TokenError::NoToken | TokenError::Unavailable(_) => Renewal::Lost(Cause::new(chain(error))),
    }
}
