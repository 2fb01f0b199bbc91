//! Renewing a connection's tokens, by whoever needs them alive. A refresh token is used once, so the order of
//! steps matters: the renewal is claimed in the row before the provider is asked, nothing is asked twice, and
//! the new tokens are saved before anything else is judged.

use crate::domain::{Expiry, Liveness, OfflineReason, RenewalClaim, Spending, TokenSet, Unknown};
use crate::error_chain::{Cause, chain};
use crate::platform::Platform;
use crate::providers::{CheckAnswer, Renew, Renewal, Renewed};
use crate::sealing::{RowIdentity, TokenKeys};
use crate::secrets::SecretError;
use crate::store::sweep::StoredConnection;
use crate::store::{Counter, NewTokens, RenewalStore, StoreError};
use crate::telemetry::METRICS;

/// Renews tokens.
#[derive(Clone, Copy)]
pub struct Renewer<'a> {
    /// Where claims and tokens are written.
    pub store: &'a dyn RenewalStore,
    /// What new tokens are sealed with.
    pub keys: &'a TokenKeys,
    /// The connections table, which tokens are sealed for.
    pub table: &'a str,
    /// Time and randomness.
    pub platform: &'a Platform,
}

/// The permission to spend a connection's refresh token, once.
#[derive(Debug)]
pub struct Permit {
    after_loss: bool,
    /// The refusals of renewals before this one.
    refusals: u8,
}

/// Why a refresh token is not to be spent now.
#[derive(Debug)]
pub enum Denied {
    /// Somebody else is renewing, or was when it was lost, while the access token may still work.
    Kept,
    /// The provider has refused it for good: why the connection is offline.
    Over(OfflineReason),
    /// What the provider is asked with cannot be read.
    NotReady(SecretError),
    /// The day's budget is spent.
    BudgetSpent,
    /// The budget could not be read.
    Store(StoreError),
}

/// What became of a renewal.
#[derive(Debug)]
pub enum Outcome {
    /// The row has the new tokens, and so has the connection that was given.
    Renewed(TokenSet),
    /// The provider was not asked: the row cannot be claimed, since it has changed.
    Superseded,
    /// The provider was not asked: the row could not be claimed.
    NotClaimed(StoreError),
    /// The provider was asked, and the row was reconnected or removed meanwhile.
    Overtaken,
    /// The refresh token is not spent.
    Unspent(CheckAnswer),
    /// The provider refuses the refresh token.
    Refused(Cause),
    /// Nobody knows whether the refresh token is spent.
    Lost(Cause),
}

impl Outcome {
    /// What it says of the provider; `None` where it was not asked.
    pub fn answer(&self) -> Option<CheckAnswer> {
        match self {
            Self::Superseded | Self::NotClaimed(_) => None,
            Self::Unspent(answer) => Some(answer.clone()),
            Self::Renewed(_) | Self::Overtaken | Self::Refused(_) => Some(CheckAnswer::of(Liveness::Alive)),
            Self::Lost(cause) => Some(CheckAnswer {
                cause: Some(cause.clone()),
                ..CheckAnswer::of(Liveness::Unknown(Unknown::Transient))
            }),
        }
    }
}

impl Renewer<'_> {
    /// Asks whether a connection's refresh token may be spent, for `per_day` renewals of its provider at most.
    /// `access_is_dead` says that the access token does not work any more.
    pub async fn permit(
        &self,
        provider: &dyn Renew,
        stored: &StoredConnection,
        access_is_dead: bool,
        per_day: u32,
    ) -> Result<Permit, Denied> {
        let now = self.platform.clock.now();
        let connection = &stored.connection;
        let claim = stored.renewal.as_ref();
        let after_loss = match Spending::of(claim, connection.is_online, access_is_dead, now) {
            Spending::Allowed { after_loss } => after_loss,
            Spending::Kept => return Err(Denied::Kept),
            Spending::Over => {
                return Err(Denied::Over(claim.map_or(OfflineReason::TokenRejected, RenewalClaim::reason)));
            }
        };
        if per_day == 0 {
            return Err(Denied::BudgetSpent);
        }
        provider.prepare().await.map_err(Denied::NotReady)?;
        match self.store.count(Counter::Renewals(connection.provider), now, per_day).await {
            Ok(true) => Ok(Permit { after_loss, refusals: claim.map_or(0, |claim| claim.refusals) }),
            Ok(false) => Err(Denied::BudgetSpent),
            Err(error) => Err(Denied::Store(error)),
        }
    }

    /// Spends the refresh token of a connection, which is updated to what its row holds afterwards.
    ///
    /// Not to be dropped while it waits for the provider: the new tokens would be lost.
    pub async fn renew(
        &self,
        provider: &dyn Renew,
        stored: &mut StoredConnection,
        tokens: TokenSet,
        permit: &Permit,
    ) -> Outcome {
        let Platform { clock, entropy, .. } = self.platform;
        let claim = RenewalClaim::new(entropy.bytes(), clock.now(), permit.after_loss);
        let claim = RenewalClaim { refusals: permit.refusals, ..claim };
        match self.store.claim(stored, &claim).await {
            Ok(true) => stored.renewal = Some(claim.clone()),
            Ok(false) => return Outcome::Superseded,
            Err(error) => return Outcome::NotClaimed(error),
        }
        match provider.renew(tokens).await {
            Renewal::Renewed(renewed) => self.save(provider, stored, &claim, *renewed).await,
            Renewal::Unspent { answer } => {
                self.take_back(stored, &claim).await;
                Outcome::Unspent(answer)
            }
            Renewal::Refused(cause) => {
                self.note_refusal(stored, claim, &cause).await;
                Outcome::Refused(cause)
            }
            Renewal::Lost(cause) => {
                tracing::info!(target: METRICS, RenewalsLost = 1);
                tracing::error!(
                    user = stored.connection.user.as_str(),
                    provider = stored.connection.provider.key(),
                    cause = chain(&cause),
                    "the answer to a renewal was lost"
                );
                Outcome::Lost(cause)
            }
        }
    }

    async fn save(
        &self,
        provider: &dyn Renew,
        stored: &mut StoredConnection,
        claim: &RenewalClaim,
        renewed: Renewed,
    ) -> Outcome {
        let Renewed { tokens, expires_at, scopes, is_anothers } = renewed;
        let (user, key) = (stored.connection.user.as_str(), stored.connection.provider.key());
        let row = RowIdentity {
            table: self.table,
            user: &stored.connection.user,
            provider: stored.connection.provider,
            generation: &stored.generation,
        };
        let sealed = match self.keys.seal(&tokens, row, self.platform.entropy.bytes()) {
            Ok(sealed) => sealed,
            Err(error) => return Outcome::Lost(Cause::new(chain(&error))),
        };
        let at = self.platform.clock.now();
        let attempt_id = format!("renewal.{}", claim.id);
        let new = NewTokens { sealed, expires_at, scopes, at, attempt_id };
        match self.store.save(stored, claim, &new).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(
                    user,
                    provider = key,
                    "renewed tokens are given back: the connection has changed"
                );
                provider.discard(tokens).await;
                return Outcome::Overtaken;
            }
            Err(error) => {
                tracing::info!(target: METRICS, RenewalsLost = 1);
                tracing::error!(
                    user,
                    provider = key,
                    error = chain(&error),
                    "renewed tokens could not be saved"
                );
                return Outcome::Lost(Cause::new(chain(&error)));
            }
        }
        if is_anothers {
            tracing::error!(user, provider = key, "the answer to a renewal repeats another state");
        }
        tracing::info!(target: METRICS, Renewed = 1);
        tracing::info!(user, provider = key, "tokens renewed");
        take_over(stored, new);
        Outcome::Renewed(tokens)
    }

    async fn take_back(&self, stored: &mut StoredConnection, claim: &RenewalClaim) {
        match self.store.release(stored, claim).await {
            Ok(()) => stored.renewal = None,
            // It lapses by itself, and costs the connection some twenty minutes.
            Err(error) => tracing::warn!(error = chain(&error), "a renewal's claim was not taken back"),
        }
    }

    async fn note_refusal(&self, stored: &mut StoredConnection, claim: RenewalClaim, cause: &Cause) {
        let (user, key) = (stored.connection.user.as_str(), stored.connection.provider.key());
        tracing::info!(target: METRICS, RenewalsRefused = 1);
        tracing::warn!(user, provider = key, cause = chain(cause), "the provider refuses to renew tokens");
        let claim = claim.refused();
        if let Err(error) = self.store.note_refusal(stored, &claim).await {
            tracing::warn!(error = chain(&error), "a refused renewal was not noted");
        }
        stored.renewal = Some(claim);
    }
}

/// What the row holds now.
fn take_over(stored: &mut StoredConnection, new: NewTokens) {
    let expiry = new.expires_at.map(|at| Expiry { at, renewable: true });
    stored.connection.expiry = expiry;
    stored.connection.last_checked_at = Some(new.at);
    stored.sealed_tokens = new.sealed;
    stored.token_seq += 1;
    stored.renewal = None;
    stored.last_attempt_by = Some(new.attempt_id);
    if let Some(scopes) = new.scopes {
        (stored.connection.scopes, stored.scopes_checked_at) = (Some(scopes), Some(new.at));
    }
}
