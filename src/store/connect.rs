//! Starting to connect: the session checked and the attempt written, in one transaction.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::builders::{PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, Update};
use jiff::Timestamp;

use super::StoreError;
use super::attributes::session as a;
use super::rate_limit;
use super::rows::{self, Item, KEEP_AFTER, n, s, seconds, session_is_live, session_is_live_values};
use super::transaction::{Outcome, Part, Refused, Transactions, never, never_there};
use crate::config::{ConfigError, Env};
use crate::domain::{
    ATTEMPT_LIFETIME, AttemptId, MAX_PENDING_ATTEMPTS, Provider, SessionCredential, SessionLimits,
};
use crate::platform::{Clock, Platform};

/// Attempts a person may start in a calendar minute, over all sessions.
const PER_MINUTE: i64 = 30;

/// Writes attempts, and the session's list of them.
pub struct ConnectStore {
    transactions: Transactions,
    clock: Clock,
    table: String,
    limits: SessionLimits,
}

/// What became of starting an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// It is written; the person may go to the provider.
    Started,
    /// No live session.
    NotSignedIn,
    /// More than a person makes in a minute.
    TooMany,
}

/// How often room is made for one attempt.
const TRIES_IN_FULL_SESSION: u32 = 3;

/// The parts of the transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Session,
    Attempt,
    Rate,
    Dropped,
}

impl ConnectStore {
    /// The store of the configured table.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            transactions: Transactions::new(platform, Client::new(&platform.aws)),
            clock: platform.clock.clone(),
            table: env.sessions_table()?,
            limits: env.session_limits()?,
        })
    }

    /// Opens the connection to the table ahead of the first request.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(never_there()))
            .update_expression(format!("REMOVE {}", a::ATTEMPTS))
            .condition_expression(never());
        self.transactions.warm_up(Part::update((), update.build()?)).await
    }

    /// Writes an attempt for the credential's session, which counts as activity. A session that has
    /// [`MAX_PENDING_ATTEMPTS`] open drops the oldest, in a second transaction.
    pub async fn begin(
        &self,
        credential: &SessionCredential,
        provider: Provider,
        attempt: &AttemptId,
    ) -> Result<Begin, StoreError> {
        let new = NewAttempt { credential, provider, id: attempt, now: self.clock.now() };
        let add = self
            .session_update(&new)
            .update_expression(format!("SET {}.#attempt = :now, {} = :now", a::ATTEMPTS, a::LAST_SEEN_AT))
            .condition_expression(format!("{} AND size({}) < :most", session_is_live(), a::ATTEMPTS))
            .expression_attribute_names("#attempt", attempt.as_str())
            .expression_attribute_values(":most", n(i64::from(MAX_PENDING_ATTEMPTS)));
        let mut outcome = self.write(&new, add, &[]).await?;
        // Once for the session that is full, and again after a race with another tab that made room first.
        for _ in 0..TRIES_IN_FULL_SESSION {
            let full = match outcome {
                Outcome::Done => return Ok(Begin::Started),
                Outcome::Refused(refused) => match self.full_session(&new, refused) {
                    Ok(row) => row,
                    Err(begin) => return Ok(begin),
                },
            };
            outcome = self.write_in_full_session(&new, &full).await?;
        }
        Ok(if matches!(outcome, Outcome::Done) { Begin::Started } else { Begin::TooMany })
    }

    /// The row of a session that is live and has too many attempts, or why it is not that.
    fn full_session(&self, new: &NewAttempt<'_>, refused: Vec<Refused<Write>>) -> Result<Item, Begin> {
        let too_many = refused.iter().any(|refused| refused.part == Write::Rate);
        let session = refused.into_iter().find(|refused| refused.part == Write::Session);
        let Some(session) = session else { return Err(Begin::TooMany) };
        match session.row.filter(|row| self.is_live(row, new)) {
            None => Err(Begin::NotSignedIn),
            Some(_) if too_many => Err(Begin::TooMany),
            Some(row) => Ok(row),
        }
    }

    /// Makes room by forgetting what has expired and, if that is not enough, dropping the oldest.
    async fn write_in_full_session(
        &self,
        new: &NewAttempt<'_>,
        row: &Item,
    ) -> Result<Outcome<Write>, StoreError> {
        let Some(seen) = row.get(a::ATTEMPTS).and_then(|value| value.as_m().ok()) else {
            return Err(StoreError::new("begin attempt", "a session row without attempts"));
        };
        let started = seen.keys().filter_map(|id| Some((id, rows::epoch(seen, id)?)));
        let mut pending: Vec<_> =
            started.filter(|(_, started)| new.now.duration_since(*started) < ATTEMPT_LIFETIME).collect();
        pending.sort_by_key(|(_, started)| *started);
        let surplus = (pending.len() + 1).saturating_sub(MAX_PENDING_ATTEMPTS.into());
        let dropped: Vec<_> = pending.drain(..surplus).map(|(id, _)| AttemptId::from_stored(id)).collect();
        let mut kept: Item =
            pending.into_iter().map(|(id, started)| (id.clone(), seconds(started))).collect();
        kept.insert(new.id.as_str().to_owned(), seconds(new.now));

        let replace = self
            .session_update(new)
            .update_expression(format!("SET {} = :kept, {} = :now", a::ATTEMPTS, a::LAST_SEEN_AT))
            .condition_expression(format!("{} AND {} = :seen", session_is_live(), a::ATTEMPTS))
            .expression_attribute_values(":kept", AttributeValue::M(kept))
            .expression_attribute_values(":seen", AttributeValue::M(seen.clone()));
        self.write(new, replace, &dropped).await
    }

    /// One transaction: the session, the new attempt, the person's minute, and what is dropped.
    async fn write(
        &self,
        new: &NewAttempt<'_>,
        session: UpdateBuilder,
        dropped: &[AttemptId],
    ) -> Result<Outcome<Write>, StoreError> {
        let count = rate_limit::count(&self.table, "connect", new.credential.user(), new.now, PER_MINUTE)?;
        let mut parts = vec![
            Part::update(Write::Session, session.build()?),
            Part::put(Write::Attempt, self.row(new).build()?),
            Part::update(Write::Rate, count),
        ];
        for id in dropped {
            let delete = Delete::builder().table_name(&self.table).set_key(Some(rows::attempt_key(id)));
            parts.push(Part::delete(Write::Dropped, delete.build()?));
        }
        self.transactions.write("begin attempt", parts).await
    }

    fn session_update(&self, new: &NewAttempt<'_>) -> UpdateBuilder {
        let live = session_is_live_values(new.credential, self.limits, new.now);
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(rows::session_key(&new.credential.session_id())))
            .set_expression_attribute_values(Some(live))
            .expression_attribute_values(":now", seconds(new.now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    fn row(&self, new: &NewAttempt<'_>) -> PutBuilder {
        Put::builder()
            .table_name(&self.table)
            .set_item(Some(rows::attempt_key(new.id)))
            .item(a::SESSION_ID, s(new.credential.session_id().as_str()))
            .item(a::USER_ID, s(new.credential.user().as_str()))
            .item(a::PROVIDER, s(new.provider.key()))
            .item(a::CREATED_AT, seconds(new.now))
            .item(a::EXPIRES_AT, seconds(new.now + ATTEMPT_LIFETIME + KEEP_AFTER))
            .condition_expression(format!("attribute_not_exists({})", a::ID))
    }

    fn is_live(&self, row: &Item, new: &NewAttempt<'_>) -> bool {
        rows::session(row).is_some_and(|session| {
            session.user == *new.credential.user() && session.is_live(new.now, self.limits)
        })
    }
}

struct NewAttempt<'a> {
    credential: &'a SessionCredential,
    provider: Provider,
    id: &'a AttemptId,
    now: Timestamp,
}
