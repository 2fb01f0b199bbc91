//! A token that the provider has refused, as a worker says: it is checked, and renewed or called broken. How
//! often that happens has limits, since a worker may err, and so may the provider.

use std::time::Duration;

use evosync_connections::domain::{Actor, Liveness, OfflineReason, Unknown};
use evosync_connections::error_chain::chain;
use evosync_connections::providers::{CheckAnswer, Subject};
use evosync_connections::store::Counter;
use evosync_connections::store::sweep::{Attempt, RowKey, RowUpdate, RowVerdict, StoredConnection};
use jiff::SignedDuration;

use crate::answer::Refusal;
use crate::issue::{Issue, Opened, Round, Why};

/// A connection is checked once in so many seconds, however often workers complain.
const CHECK_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Connections of a provider that are called broken in an hour on workers' word. More could be the provider's
/// failure, and wait for the sweep, which sees all of them.
const MOST_BROKEN_AN_HOUR: u32 = 5;

/// Seconds until the sweep has looked.
const AFTER_THE_SWEEP: i64 = 900;

/// Between two questions about one token.
const PAUSE: Duration = Duration::from_secs(1);

impl Issue<'_> {
    /// Asks the provider about a token that a worker complains of.
    pub(crate) async fn refused_by_provider(self, opened: Opened<'_>) -> Result<Round, Refusal> {
        let since = |at: Option<jiff::Timestamp>| at.map(|at| self.now().duration_since(at));
        if since(opened.stored.connection.last_checked_at).is_some_and(|age| age < CHECK_EVERY) {
            return Ok(self.hand_out(opened));
        }
        if since(opened.stored.last_attempt_at).is_some_and(|age| age < CHECK_EVERY) {
            return Err(Refusal::try_later(CHECK_EVERY.as_secs()));
        }
        let answer = self.ask(&opened).await;
        let can_be_renewed = opened.tokens.refresh.is_some();
        match answer.liveness {
            Liveness::Alive => {
                self.record(&opened.stored, &answer).await?;
                Ok(self.hand_out(opened))
            }
            Liveness::Dead(OfflineReason::TokenRejected) if can_be_renewed => {
                self.renew(opened, Why::IsDead).await
            }
            Liveness::Unknown(Unknown::AnotherAddress) if can_be_renewed => {
                self.renew(opened, Why::IsElsewhere).await
            }
            Liveness::Dead(_) => self.broken_if_confirmed(opened).await,
            Liveness::Unknown(_) => {
                self.record(&opened.stored, &answer).await?;
                Err(Refusal::try_later(CHECK_EVERY.as_secs()))
            }
        }
    }

    /// The access token is dead, and the provider has refused the refresh token: once more before that is
    /// believed.
    pub(crate) async fn refused_to_renew(
        self,
        opened: Opened<'_>,
        was_refused_before: bool,
    ) -> Result<Round, Refusal> {
        let Some(claim) = opened.stored.renewal.clone() else { return Ok(Round::Again) };
        if was_refused_before {
            return self.broken(opened.stored, claim.reason()).await;
        }
        self.function.platform.clock.sleep(PAUSE).await;
        Box::pin(self.renew(opened, Why::IsDead)).await
    }

    async fn broken_if_confirmed(self, opened: Opened<'_>) -> Result<Round, Refusal> {
        self.function.platform.clock.sleep(PAUSE).await;
        match self.ask(&opened).await.liveness {
            Liveness::Dead(reason) => self.broken(opened.stored, reason).await,
            _ => Err(Refusal::try_later(CHECK_EVERY.as_secs())),
        }
    }

    /// Calls a connection broken, within the limit.
    async fn broken(self, stored: StoredConnection, reason: OfflineReason) -> Result<Round, Refusal> {
        let counter = Counter::Broken(stored.connection.provider);
        match self.function.store.count(counter, self.now(), MOST_BROKEN_AN_HOUR).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::error!("many tokens are refused: what is broken is left to the sweep");
                return Err(Refusal::try_later(AFTER_THE_SWEEP));
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "cannot count broken connections");
                return Err(Refusal::try_later(CHECK_EVERY.as_secs()));
            }
        }
        let verdict = CheckAnswer::of(Liveness::Dead(reason));
        self.record(&stored, &verdict).await?;
        Err(Refusal::of(Some(reason)))
    }

    /// Asks whether the token lives and, if it does, whether it may do what the product needs.
    async fn ask(self, opened: &Opened<'_>) -> CheckAnswer {
        let subject = Subject {
            tokens: opened.tokens.clone(),
            account_id: opened.stored.connection.account.id.clone(),
            scopes: opened.stored.connection.scopes.clone(),
        };
        let answer = opened.check.check(subject).await;
        if answer.liveness != Liveness::Alive {
            let cause = answer.cause.as_ref().map(|cause| chain(cause));
            tracing::warn!(cause, code = answer.code, "a refused token was checked");
            return answer;
        }
        match opened.check.check_scopes(opened.tokens.clone()).await {
            Some(scopes) if !matches!(scopes.liveness, Liveness::Unknown(_)) => scopes,
            _ => answer,
        }
    }

    async fn record(self, stored: &StoredConnection, answer: &CheckAnswer) -> Result<(), Refusal> {
        let offline = match answer.liveness {
            Liveness::Alive => Some(None),
            Liveness::Dead(reason) => Some(Some(reason)),
            Liveness::Unknown(_) => None,
        };
        let verdict = offline.map(|offline| RowVerdict {
            offline,
            changed_in: (stored.connection.is_online == offline.is_some())
                .then(|| self.correlation_id.to_owned()),
            actor: Actor::Worker,
        });
        let random: [u8; 16] = self.function.platform.entropy.bytes();
        let attempt = Attempt {
            id: format!("token.{:032x}", u128::from_be_bytes(random)),
            at: self.now(),
            result: answer.liveness.code(),
            verdict,
            scopes: answer.scopes.clone(),
            account: None,
        };
        let update = RowUpdate {
            key: RowKey::of(&stored.connection),
            generation: stored.generation.clone(),
            seen_attempt: stored.last_attempt_by.clone(),
            attempt: Some(attempt),
            resealed: None,
        };
        match self.function.store.record(&[update]).await.pop() {
            Some(Err(error)) => {
                tracing::error!(error = chain(&error), "cannot record the verdict");
                Err(Refusal::try_later(CHECK_EVERY.as_secs()))
            }
            _ => Ok(()),
        }
    }
}
