//! From a request to a token. The row says most; a provider is asked only where the token's time is short, or
//! where it has refused the token.

use evosync_connections::domain::TokenSet;
use evosync_connections::error_chain::chain;
use evosync_connections::providers::Check;
use evosync_connections::renewal::{Denied, Outcome, Renewer};
use evosync_connections::sealing::{OpenError, RowIdentity, TokenKeys};
use evosync_connections::store::sweep::{RowKey, StoredConnection};
use jiff::{SignedDuration, Timestamp};

use crate::Function;
use crate::answer::{Refusal, Token};
use crate::request::Request;

/// A token that lives as long as this is worth handing out where it cannot be renewed now.
const WORTH_IT: SignedDuration = SignedDuration::from_secs(60);

/// How often a row is read again that somebody else changes meanwhile.
const ROUNDS: usize = 3;

/// Seconds after which a worker tries again: somebody else is renewing, or the store is slow.
const SOON: i64 = 5;

/// After what an operator must mend, or a renewal whose outcome is unknown.
const MUCH_LATER: i64 = 300;

/// One request.
#[derive(Clone, Copy)]
pub(crate) struct Issue<'a> {
    pub(crate) function: &'a Function,
    pub(crate) request: &'a Request,
    pub(crate) correlation_id: &'a str,
}

/// What became of looking at the row once.
pub(crate) enum Round {
    Token(Box<Token>),
    /// The row has changed meanwhile: look again.
    Again,
}

/// Why a token is renewed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its time is short. It is handed out for what it has where it cannot be renewed.
    TimeIsShort,
    /// The provider refuses it.
    IsDead,
    /// The provider answers it from another address only.
    IsElsewhere,
}

/// A connection with its tokens open.
pub(crate) struct Opened<'a> {
    pub(crate) stored: StoredConnection,
    pub(crate) tokens: TokenSet,
    pub(crate) keys: TokenKeys,
    pub(crate) check: &'a dyn Check,
}

impl<'a> Issue<'a> {
    pub(crate) async fn token(self) -> Result<Token, Refusal> {
        for _ in 0..ROUNDS {
            let opened = self.open().await?;
            let round = if self.request.rejected_version.as_deref() == Some(&version(&opened.stored)) {
                self.refused_by_provider(opened).await?
            } else {
                self.with_enough_time(opened).await?
            };
            if let Round::Token(token) = round {
                return Ok(*token);
            }
        }
        Err(Refusal::try_later(SOON))
    }

    pub(crate) fn now(self) -> Timestamp {
        self.function.platform.clock.now()
    }

    async fn open(self) -> Result<Opened<'a>, Refusal> {
        let Some(check) = self.function.providers.get(self.request.provider) else {
            return Err(Refusal::BadRequest("provider is not configured"));
        };
        let key = RowKey::new(&self.request.user, self.request.provider);
        let stored = self.function.store.read(key).await.map_err(|error| failed(&error, SOON))?;
        let stored = stored.ok_or(Refusal::NotConnected)?;
        let connection = &stored.connection;
        if !connection.is_online {
            return Err(Refusal::of(connection.offline_reason));
        }
        if connection.has_lapsed(self.now()) {
            return Err(Refusal::ReconnectNeeded);
        }
        let (keys, tokens) = self.unseal(&stored).await?;
        Ok(Opened { stored, tokens, keys, check: check.as_ref() })
    }

    /// Opens the tokens. A key that is not among the cached ones may have been added since.
    async fn unseal(self, stored: &StoredConnection) -> Result<(TokenKeys, TokenSet), Refusal> {
        let source = &self.function.keys;
        let keys = source.keys().await.map_err(|error| failed(&error, MUCH_LATER))?;
        let row = RowIdentity {
            table: self.function.store.table(),
            user: &stored.connection.user,
            provider: stored.connection.provider,
            generation: &stored.generation,
        };
        match keys.open(&stored.sealed_tokens, row) {
            Ok(tokens) => return Ok((keys, tokens)),
            Err(OpenError::UnknownKey) => {}
            Err(error) => return Err(cannot_open(error)),
        }
        let keys = source.reread().await.map_err(|error| failed(&error, MUCH_LATER))?;
        let tokens = keys.open(&stored.sealed_tokens, row).map_err(cannot_open)?;
        Ok((keys, tokens))
    }

    async fn with_enough_time(self, opened: Opened<'_>) -> Result<Round, Refusal> {
        match time_left(&opened.stored, self.now()) {
            Some(left) if left < self.request.min_ttl.max(SignedDuration::from_secs(1)) => {
                self.renew(opened, Why::TimeIsShort).await
            }
            _ => Ok(self.hand_out(opened)),
        }
    }

    /// Renews, by the algorithm of the sweep and before it in the day's budget. A token that cannot be renewed
    /// now is handed out for the time it has, unless the provider refuses it.
    pub(crate) async fn renew(self, opened: Opened<'_>, why: Why) -> Result<Round, Refusal> {
        let Opened { mut stored, tokens, keys, check } = opened;
        let left = time_left(&stored, self.now());
        let access_is_dead = why == Why::IsDead || left.is_some_and(|left| !left.is_positive());
        let last_resort = |refusal, stored, tokens, keys| {
            if why == Why::TimeIsShort && left.is_none_or(|left| left >= WORTH_IT) {
                return Ok(self.hand_out(Opened { stored, tokens, keys, check }));
            }
            Err(refusal)
        };
        let renew = self.function.renewers.get(self.request.provider);
        let Some(renew) = renew.filter(|_| tokens.refresh.is_some()) else {
            return last_resort(Refusal::ReconnectNeeded, stored, tokens, keys);
        };
        let renewer = Renewer {
            store: self.function.store.as_ref(),
            keys: &keys,
            table: self.function.store.table(),
            platform: &self.function.platform,
        };
        let was_refused_before = stored.renewal.as_ref().is_some_and(|claim| claim.refusals > 0);
        let per_day = renew.budget().all;
        let permit = match renewer.permit(renew.as_ref(), &stored, access_is_dead, per_day).await {
            Ok(permit) => permit,
            Err(denied) => return last_resort(refusal_of(&denied), stored, tokens, keys),
        };
        let refusal = match renewer.renew(renew.as_ref(), &mut stored, tokens.clone(), &permit).await {
            Outcome::Renewed(tokens) => return Ok(self.hand_out(Opened { stored, tokens, keys, check })),
            Outcome::Superseded | Outcome::Overtaken => return Ok(Round::Again),
            Outcome::Refused(_) if access_is_dead => {
                let opened = Opened { stored, tokens, keys, check };
                return self.refused_to_renew(opened, was_refused_before).await;
            }
            Outcome::Refused(_) => Refusal::try_later(SOON),
            Outcome::Unspent(answer) => {
                let asked = answer.rate_limited.and_then(|limited| limited.retry_after);
                let asked = asked.and_then(|wait| i64::try_from(wait.as_secs()).ok());
                Refusal::try_later(asked.unwrap_or(MUCH_LATER))
            }
            Outcome::NotClaimed(error) => failed(&error, SOON),
            Outcome::Lost(_) => Refusal::try_later(MUCH_LATER),
        };
        last_resort(refusal, stored, tokens, keys)
    }

    pub(crate) fn hand_out(self, opened: Opened<'_>) -> Round {
        let Opened { stored, tokens, check, .. } = opened;
        let egress = self.function.egress.clone().filter(|_| check.is_bound_to_address(&tokens));
        Round::Token(Box::new(Token {
            version: version(&stored),
            access: tokens.access,
            account_id: stored.connection.account.id,
            scopes: stored.connection.scopes,
            expires_at: stored.connection.expiry.map(|expiry| expiry.at),
            egress,
        }))
    }
}

/// Names a token: the connection's generation, and how often its tokens were renewed.
fn version(stored: &StoredConnection) -> String {
    format!("{}.{}", stored.generation.as_str(), stored.token_seq)
}

/// `None` for a token that does not lapse.
fn time_left(stored: &StoredConnection, now: Timestamp) -> Option<SignedDuration> {
    stored.connection.expiry.map(|expiry| expiry.at.duration_since(now))
}

fn refusal_of(denied: &Denied) -> Refusal {
    match denied {
        Denied::Kept => Refusal::try_later(SOON),
        // The sweep decides whether it is believed.
        Denied::Over(_) => Refusal::try_later(MUCH_LATER),
        Denied::NotReady(error) => failed(error, MUCH_LATER),
        Denied::BudgetSpent => {
            tracing::error!("the day's budget of renewals is spent");
            Refusal::try_later(MUCH_LATER)
        }
        Denied::Store(error) => failed(error, SOON),
    }
}

/// Something of ours failed, which says nothing of the connection.
fn failed(error: &dyn std::error::Error, seconds: i64) -> Refusal {
    tracing::error!(error = chain(error), "no token handed out");
    Refusal::try_later(seconds)
}

fn cannot_open(error: OpenError) -> Refusal {
    match error {
        OpenError::Broken => {
            tracing::error!("the stored token cannot be opened");
            Refusal::ReconnectNeeded
        }
        OpenError::UnknownKey | OpenError::UnknownVersion => failed(&error, MUCH_LATER),
    }
}
