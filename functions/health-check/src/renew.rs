//! Renews tokens in the course of a sweep: within the provider's rate and the day's budget.

use std::sync::atomic::{AtomicBool, Ordering};

use evosync_connections::domain::{Liveness, TokenSet, Unknown};
use evosync_connections::error_chain::chain;
use evosync_connections::providers::Renew;
use evosync_connections::renewal::{Denied, Outcome, Renewer};
use evosync_connections::store::sweep::StoredConnection;
use jiff::{SignedDuration, Timestamp};

use crate::check::{Checked, Checker, Renewed};
use crate::rate_limit::RateLimit;

/// What a renewal may take, its save included: none begins later than so long before the deadline's margin.
const RENEWAL_TAKES: SignedDuration = SignedDuration::from_secs(30);

/// A provider's renewals in one invocation.
pub(crate) struct Renewing<'a> {
    provider: &'a dyn Renew,
    /// Another host than the one that checks are asked of, with a rate and outages of its own.
    limit: RateLimit,
    /// Whether the day's budget is spent, as far as this invocation knows.
    is_spent: AtomicBool,
}

impl<'a> Renewing<'a> {
    pub(crate) fn new(provider: &'a dyn Renew, limit: RateLimit) -> Self {
        Self { provider, limit, is_spent: AtomicBool::new(false) }
    }

    /// Renews a connection's tokens if its row, the budget and the rate let it. The new tokens, or the result
    /// of the check without them.
    pub(crate) async fn renew(
        &self,
        checker: &Checker<'_>,
        stored: &mut StoredConnection,
        tokens: TokenSet,
        access_is_dead: bool,
    ) -> Result<TokenSet, Checked> {
        if self.limit.has_given_up() {
            return Err(Checked::GivenUp { was_elsewhere: false });
        }
        let renewer = Renewer {
            store: checker.store,
            keys: checker.keys,
            table: checker.store.table(),
            platform: checker.platform,
        };
        // Once it is spent, nobody else of this invocation asks the table.
        let per_day = if self.is_spent.load(Ordering::Relaxed) { 0 } else { self.provider.budget().sweep };
        let permit = renewer.permit(self.provider, stored, access_is_dead, per_day).await;
        let permit = permit.map_err(|denied| self.denied(denied, stored))?;
        let Some(turn) = self.limit.turn(checker.deadline).await else {
            return Err(if self.limit.has_given_up() {
                Checked::GivenUp { was_elsewhere: false }
            } else {
                Checked::NotReached
            });
        };
        let end = checker.platform.clock.now().saturating_add(RENEWAL_TAKES).unwrap_or(Timestamp::MAX);
        if !checker.deadline.allows(end) {
            self.limit.abandon(&turn);
            return Err(Checked::NotReached);
        }
        let outcome = renewer.renew(self.provider, stored, tokens, &permit).await;
        match outcome.answer() {
            Some(answer) => self.limit.settle(&turn, &answer),
            None => self.limit.abandon(&turn),
        }
        match outcome {
            Outcome::Renewed(tokens) => Ok(tokens),
            Outcome::Superseded | Outcome::Overtaken => Err(Checked::Superseded),
            Outcome::Unspent(answer) => {
                let cause = answer.cause.as_ref().map(|cause| chain(cause));
                tracing::warn!(provider = stored.connection.provider.key(), cause, "tokens were not renewed");
                Err(Checked::answered(answer.liveness))
            }
            Outcome::Refused(_) => Err(refused(stored)),
            Outcome::NotClaimed(error) => Err(not_written(&error)),
            Outcome::Lost(_) => Err(unknown(Unknown::Transient)),
        }
    }

    fn denied(&self, denied: Denied, stored: &StoredConnection) -> Checked {
        match denied {
            Denied::Kept => unknown(Unknown::Inconclusive),
            Denied::Over(_) => refused(stored),
            Denied::NotReady(error) => {
                let provider = stored.connection.provider.key();
                tracing::error!(provider, error = chain(&error), "cannot renew tokens");
                unknown(Unknown::OurFault)
            }
            Denied::BudgetSpent => {
                if !self.is_spent.swap(true, Ordering::Relaxed) {
                    let provider = stored.connection.provider.key();
                    tracing::error!(provider, "the day's budget of renewals is spent");
                }
                Checked::Postponed { was_elsewhere: false }
            }
            Denied::Store(error) => not_written(&error),
        }
    }
}

fn unknown(class: Unknown) -> Checked {
    Checked::answered(Liveness::Unknown(class))
}

/// The provider refuses the refresh token, and the access token is dead.
fn refused(stored: &StoredConnection) -> Checked {
    match &stored.renewal {
        Some(claim) => Checked::answered(Liveness::Dead(claim.reason())).after(Renewed::Refused),
        None => unknown(Unknown::Inconclusive),
    }
}

fn not_written(error: &dyn std::error::Error) -> Checked {
    tracing::error!(error = chain(error), "a renewal could not be begun");
    unknown(Unknown::Transient)
}
