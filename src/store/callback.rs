//! Finishing an attempt: its state spent, then the connection saved.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, Update,
};
use jiff::{SignedDuration, Timestamp};

use super::attributes::{account_id, connection as c, session as a};
use super::batch_read::{BatchRead, keys};
use super::rows::{self, Item, b, rfc3339, s, seconds, session_is_live, session_is_live_values};
use super::tombstone::{self, Gone};
use super::transaction::{Outcome, Part, Transactions, never, never_there};
use super::{RACE_POLICY, StoreError, write_row};
use crate::config::{ConfigError, Env};
use crate::domain::{
    ATTEMPT_LIFETIME, Account, AnswerDigest, AttemptId, ChangedBy, ErrorCode, Expiry, Generation, Liveness,
    Provider, Scopes, SessionCredential, SessionLimits, UserId,
};
use crate::error_chain::chain;
use crate::platform::{Clock, Platform};
use crate::retry::Retry;

/// Spends attempts and saves connections.
pub struct CallbackStore {
    client: Client,
    transactions: Transactions,
    batch: BatchRead,
    retry: Retry,
    clock: Clock,
    connections_table: String,
    sessions_table: String,
    limits: SessionLimits,
}

/// What became of an attempt's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spend {
    /// It was valid and is spent now; nobody else can use it.
    Spent,
    /// No live session.
    NotSignedIn,
    /// No such attempt, or one of another session, person or provider.
    Unknown,
    /// Its ten minutes have passed.
    Expired,
    /// It was spent before, by this same answer.
    Used(Earlier),
    /// It was spent before, by another answer.
    AnsweredBefore,
}

/// What is known of the callback that spent an attempt before this one came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Earlier {
    /// It ended with this error.
    Failed(ErrorCode),
    /// It came less than 30 seconds ago and may not have ended.
    UnderWay,
    /// It ended and left no error.
    Ended,
}

/// No callback takes longer: API Gateway gives up on it.
const UNDER_WAY_FOR: SignedDuration = SignedDuration::from_secs(30);

/// A connection to be saved, replacing whatever the row held.
pub struct NewConnection<'a> {
    /// Whose, and by which session.
    pub credential: &'a SessionCredential,
    /// Who connects, and in which request.
    pub by: ChangedBy<'a>,
    /// Where to.
    pub provider: Provider,
    /// What was there before the provider was called.
    pub seen: &'a Seen,
    /// The generation the token was sealed for.
    pub generation: &'a Generation,
    /// The sealed tokens.
    pub sealed_tokens: Vec<u8>,
    /// The account's profile.
    pub account: &'a Account,
    /// When the access token lapses.
    pub expiry: Option<Expiry>,
    /// What was granted, as far as is known.
    pub scopes: Option<&'a Scopes>,
}

/// What became of saving.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Saved {
    /// It is saved.
    Saved,
    /// Nothing was saved: the person has signed out since, or the session ran out.
    NotSignedIn,
    /// Nothing was saved: the person has disconnected since, or connected by another attempt.
    Overtaken,
}

/// What was in a connection's place before the provider was called. A save is fenced by it (optimistic
/// locking): it is refused where this has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Whether there was a connection, working or not.
    pub is_connected: bool,
    /// Whose it was, where the row says so.
    pub account: Option<Account>,
    generation: Option<Generation>,
    gone: Option<Gone>,
}

/// The parts of the two transactions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Session,
    Attempt,
    Tombstone,
    Connection,
}

impl CallbackStore {
    /// The store of the configured tables.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        let client = Client::new(&platform.aws);
        Ok(Self {
            transactions: Transactions::new(platform, client.clone()),
            batch: BatchRead::new(platform, client.clone(), "read connection"),
            retry: Retry::new(platform, RACE_POLICY),
            client,
            clock: platform.clock.clone(),
            connections_table: env.connections_table()?,
            sessions_table: env.sessions_table()?,
            limits: env.session_limits()?,
        })
    }

    /// Opens the connection to the table ahead of the first request.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        let update = Update::builder()
            .table_name(&self.sessions_table)
            .set_key(Some(never_there()))
            .update_expression(format!("REMOVE {}", a::SPENT_AT))
            .condition_expression(never());
        self.transactions.warm_up(Part::update((), update.build()?)).await
    }

    /// The table connections are saved in, which tokens are sealed for.
    pub fn connections_table(&self) -> &str {
        &self.connections_table
    }

    /// Spends an attempt of the credential's session, atomically: of any number of callbacks with
    /// one state, one gets [`Spend::Spent`].
    pub async fn spend(
        &self,
        credential: &SessionCredential,
        provider: Provider,
        attempt: &AttemptId,
        answer: &AnswerDigest,
    ) -> Result<Spend, StoreError> {
        let now = self.clock.now();
        let parts = vec![
            Part::update(Write::Session, self.forget_attempt(credential, attempt, now)?),
            Part::update(Write::Attempt, self.spend_attempt(credential, provider, attempt, answer, now)?),
        ];
        let Outcome::Refused(refused) = self.transactions.write("spend attempt", parts).await? else {
            return Ok(Spend::Spent);
        };
        // The session comes first: to whoever is not signed in, no attempt is known.
        if refused.iter().any(|refused| refused.part == Write::Session) {
            return Ok(Spend::NotSignedIn);
        }
        let row = refused.into_iter().find_map(|refused| refused.row).unwrap_or_default();
        Ok(why_refused(&row, credential, provider, answer, now))
    }

    /// Takes the attempt off the session's list of open ones, which counts as activity.
    fn forget_attempt(
        &self,
        credential: &SessionCredential,
        attempt: &AttemptId,
        now: Timestamp,
    ) -> Result<Update, StoreError> {
        let update = Update::builder()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::session_key(&credential.session_id())))
            .update_expression(format!("SET {} = :now REMOVE {}.#attempt", a::LAST_SEEN_AT, a::ATTEMPTS))
            .condition_expression(session_is_live())
            .expression_attribute_names("#attempt", attempt.as_str())
            .set_expression_attribute_values(Some(session_is_live_values(credential, self.limits, now)))
            .expression_attribute_values(":now", seconds(now));
        Ok(update.build()?)
    }

    /// Marks the attempt as spent. The row stays, so that a repeated callback is recognised.
    fn spend_attempt(
        &self,
        credential: &SessionCredential,
        provider: Provider,
        attempt: &AttemptId,
        answer: &AnswerDigest,
        now: Timestamp,
    ) -> Result<Update, StoreError> {
        let update = Update::builder()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::attempt_key(attempt)))
            .update_expression(format!("SET {} = :now, {} = :answer", a::SPENT_AT, a::ANSWER))
            .expression_attribute_values(":answer", s(answer.as_str()))
            .condition_expression(format!(
                "{} = :session AND {} = :user AND {} = :provider AND {} > :born_after \
                 AND attribute_not_exists({})",
                a::SESSION_ID,
                a::USER_ID,
                a::PROVIDER,
                a::CREATED_AT,
                a::SPENT_AT
            ))
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":session", s(credential.session_id().as_str()))
            .expression_attribute_values(":user", s(credential.user().as_str()))
            .expression_attribute_values(":provider", s(provider.key()))
            .expression_attribute_values(":born_after", seconds(now - ATTEMPT_LIFETIME))
            // Why it was refused is read off the row itself, without another call.
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(update.build()?)
    }

    /// Notes how a spent attempt failed, so that a repeated callback can say the same.
    pub async fn note_failure(&self, attempt: &AttemptId, code: ErrorCode) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::attempt_key(attempt)))
            .update_expression(format!("SET {} = :failure", a::FAILURE))
            .condition_expression(format!("attribute_exists({})", a::ID))
            .expression_attribute_values(":failure", s(code.code()));
        // The repeated callback is a transaction on the same row.
        let noted = write_row(&self.retry, || update.clone().send()).await;
        noted.map(drop).map_err(|error| StoreError::of_sdk("note failure", &error))
    }

    /// Reads what is in a connection's place, before the provider is called.
    pub async fn seen(&self, user: &UserId, provider: Provider) -> Result<Seen, StoreError> {
        let connection = keys([rows::connection_key(user, provider)]);
        let read =
            [c::USER_ID, c::GENERATION, c::FIRST_NAME, c::LAST_NAME, &account_id(provider.key())].join(", ");
        let connection = connection.projection_expression(read);
        let mut found = self
            .batch
            .read(HashMap::from([
                (self.connections_table.clone(), connection.build()?),
                (self.sessions_table.clone(), keys([tombstone::key(user.as_str(), provider.key())]).build()?),
            ]))
            .await?;
        let mut row = |table: &String| found.remove(table).unwrap_or_default().pop();
        let (connection, gone) = (row(&self.connections_table), row(&self.sessions_table));
        Ok(Seen {
            is_connected: connection.is_some(),
            account: connection.as_ref().and_then(|row| rows::account(row, provider)),
            generation: connection.as_ref().and_then(rows::generation),
            gone: gone.as_ref().and_then(Gone::of),
        })
    }

    /// Saves a connection as online and checked now, provided that the session lives and that nothing
    /// has changed since it was seen. The whole row is replaced, so that nothing of an earlier failure
    /// stays. The code is used up by now, so a lost answer is looked up, not guessed.
    pub async fn save(&self, connection: NewConnection<'_>) -> Result<Saved, StoreError> {
        let refused = match self.transactions.write("save connection", self.parts_of(&connection)?).await {
            Ok(Outcome::Done) => return Ok(Saved::Saved),
            Ok(Outcome::Refused(refused)) => refused,
            Err(error) => {
                return if self.is_there(&connection).await { Ok(Saved::Saved) } else { Err(error) };
            }
        };
        let is_refused = |part| refused.iter().find(|refused| refused.part == part);
        // A write whose first answer was lost finds its own row when it is repeated.
        let found = is_refused(Write::Connection).and_then(|refused| refused.row.as_ref());
        if found.and_then(rows::generation).as_ref() == Some(connection.generation) {
            return Ok(Saved::Saved);
        }
        Ok(if is_refused(Write::Session).is_some() { Saved::NotSignedIn } else { Saved::Overtaken })
    }

    fn parts_of(&self, connection: &NewConnection<'_>) -> Result<Vec<Part<Write>>, StoreError> {
        let (credential, provider, seen) = (connection.credential, connection.provider, connection.seen);
        let live = ConditionCheck::builder()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::session_key(&credential.session_id())))
            .condition_expression(session_is_live())
            .set_expression_attribute_values(Some(session_is_live_values(
                credential,
                self.limits,
                self.clock.now(),
            )));
        let gone =
            tombstone::unchanged(&self.sessions_table, credential.user(), provider, seen.gone.as_ref())?;
        let put = Put::builder()
            .table_name(&self.connections_table)
            .set_item(Some(self.row(connection)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match &seen.generation {
            None => put.condition_expression(format!("attribute_not_exists({})", c::GENERATION)),
            Some(seen) => put
                .condition_expression(format!("{} = :seen", c::GENERATION))
                .expression_attribute_values(":seen", s(seen.as_str())),
        };
        Ok(vec![
            Part::condition_check(Write::Session, live.build()?),
            Part::condition_check(Write::Tombstone, gone),
            Part::put(Write::Connection, put.build()?),
        ])
    }

    /// Whether a connection whose answer was lost is saved, as far as can be known.
    async fn is_there(&self, connection: &NewConnection<'_>) -> bool {
        match self.seen(connection.credential.user(), connection.provider).await {
            Ok(seen) => seen.generation.as_ref() == Some(connection.generation),
            Err(error) => {
                tracing::error!(error = chain(&error), "it is not known whether a connection was saved");
                false
            }
        }
    }

    fn row(&self, connection: &NewConnection<'_>) -> Item {
        let now = rfc3339(self.clock.now());
        let mut row = rows::connection_key(connection.credential.user(), connection.provider);
        let attributes = [
            (c::ACCESS_TOKEN, b(connection.sealed_tokens.clone())),
            (c::FIRST_NAME, s(&connection.account.first_name)),
            (c::LAST_NAME, s(&connection.account.last_name)),
            (c::IS_ONLINE, AttributeValue::Bool(true)),
            (c::LAST_CHECKED_AT, now.clone()),
            (c::LAST_ATTEMPT_AT, now.clone()),
            (c::LAST_ATTEMPT_RESULT, s(Liveness::Alive.code())),
            (c::CONNECTED_AT, now.clone()),
            (c::UPDATED_AT, now),
            (c::GENERATION, s(connection.generation.as_str())),
            (c::CHANGED_BY, s(<&str>::from(connection.by.actor))),
            (c::CHANGED_IN, s(connection.by.correlation_id)),
        ];
        let expiry = connection.expiry.map(rows::expiry_attribute);
        row.extend(attributes.into_iter().chain(expiry).map(|(name, value)| (name.to_owned(), value)));
        if let Some(scopes) = connection.scopes {
            row.insert(c::SCOPES.to_owned(), s(scopes.to_string()));
            row.insert(c::SCOPES_CHECKED_AT.to_owned(), rfc3339(self.clock.now()));
        }
        row.insert(account_id(connection.provider.key()), s(&connection.account.id));
        row
    }
}

fn why_refused(
    row: &Item,
    credential: &SessionCredential,
    provider: Provider,
    answer: &AnswerDigest,
    now: Timestamp,
) -> Spend {
    let own = rows::text(row, a::SESSION_ID) == Some(credential.session_id().as_str())
        && rows::text(row, a::USER_ID) == Some(credential.user().as_str())
        && rows::text(row, a::PROVIDER) == Some(provider.key());
    if !own {
        return Spend::Unknown;
    }
    let Some(spent_at) = rows::epoch(row, a::SPENT_AT) else { return Spend::Expired };
    // An earlier build kept no digest.
    if rows::text(row, a::ANSWER).is_some_and(|first| first != answer.as_str()) {
        return Spend::AnsweredBefore;
    }
    Spend::Used(match rows::text(row, a::FAILURE).and_then(ErrorCode::from_code) {
        Some(code) => Earlier::Failed(code),
        None if now.duration_since(spent_at) < UNDER_WAY_FOR => Earlier::UnderWay,
        None => Earlier::Ended,
    })
}
