//! Starting to connect: the session checked and the attempt written, in one transaction.

use aws_sdk_dynamodb::types::builders::{PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use jiff::{SignedDuration, Timestamp};

use super::StoreError;
use super::rate;
use super::rows::{self, Item, SESSION_IS_LIVE, n, s, seconds, session_is_live_values};
use super::transaction::{NEVER, Outcome, Transactions, never_there};
use crate::config::{ConfigError, Env};
use crate::domain::{
    ATTEMPT_LIFETIME, AttemptId, MAX_PENDING_ATTEMPTS, Provider, SessionCredential, SessionLimits,
};
use crate::platform::{Clock, Platform};

/// Attempts a person may start in a calendar minute, over all sessions.
const PER_MINUTE: i64 = 30;

/// A finished attempt's row is kept this long past its lifetime, to answer a repeated callback calmly.
const KEEP_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Writes attempts.
pub struct Attempts {
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

/// Positions in the transaction.
const SESSION: usize = 0;
const RATE: usize = 2;

impl Attempts {
    /// Attempts in the configured table.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            transactions: Transactions::new(platform),
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
            .update_expression("REMOVE attempts")
            .condition_expression(NEVER);
        self.transactions.warm_up(TransactWriteItem::builder().update(update.build()?).build()).await
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
            .update_expression("SET attempts.#attempt = :now, last_seen_at = :now")
            .condition_expression(format!("{SESSION_IS_LIVE} AND size(attempts) < :most"))
            .expression_attribute_names("#attempt", attempt.as_str())
            .expression_attribute_values(":most", n(i64::from(MAX_PENDING_ATTEMPTS)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let refused = match self.write(&new, add, &[]).await? {
            Outcome::Done => return Ok(Begin::Started),
            Outcome::Refused(refused) => refused,
        };
        let too_many = refused.iter().any(|failed| failed.position == RATE);
        let Some(session) = refused.into_iter().find(|failed| failed.position == SESSION) else {
            return Ok(Begin::TooMany);
        };
        match session.row.filter(|row| self.is_live(row, &new)) {
            None => Ok(Begin::NotSignedIn),
            Some(_) if too_many => Ok(Begin::TooMany),
            Some(row) => self.begin_in_full_session(&new, &row).await,
        }
    }

    /// Makes room by forgetting what has expired and, if that is not enough, dropping the oldest.
    async fn begin_in_full_session(&self, new: &NewAttempt<'_>, row: &Item) -> Result<Begin, StoreError> {
        let Some(seen) = row.get("attempts").and_then(|value| value.as_m().ok()) else {
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
            .update_expression("SET attempts = :kept, last_seen_at = :now")
            .condition_expression(format!("{SESSION_IS_LIVE} AND attempts = :seen"))
            .expression_attribute_values(":kept", AttributeValue::M(kept))
            .expression_attribute_values(":seen", AttributeValue::M(seen.clone()));
        Ok(match self.write(new, replace, &dropped).await? {
            Outcome::Done => Begin::Started,
            // Another tab was quicker in the same session; this one counts as over the limit.
            Outcome::Refused(_) => Begin::TooMany,
        })
    }

    /// One transaction: the session, the new attempt, the person's minute, and what is dropped.
    async fn write(
        &self,
        new: &NewAttempt<'_>,
        session: UpdateBuilder,
        dropped: &[AttemptId],
    ) -> Result<Outcome, StoreError> {
        let mut items = vec![
            TransactWriteItem::builder().update(session.build()?).build(),
            TransactWriteItem::builder().put(self.row(new).build()?).build(),
            rate::count(&self.table, "connect", new.credential.user(), new.now, PER_MINUTE)?,
        ];
        for id in dropped {
            let delete = Delete::builder().table_name(&self.table).set_key(Some(rows::attempt_key(id)));
            items.push(TransactWriteItem::builder().delete(delete.build()?).build());
        }
        self.transactions.write("begin attempt", items).await
    }

    fn session_update(&self, new: &NewAttempt<'_>) -> UpdateBuilder {
        let live = session_is_live_values(new.credential, self.limits, new.now);
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(rows::session_key(&new.credential.session_id())))
            .set_expression_attribute_values(Some(live))
            .expression_attribute_values(":now", seconds(new.now))
    }

    fn row(&self, new: &NewAttempt<'_>) -> PutBuilder {
        Put::builder()
            .table_name(&self.table)
            .set_item(Some(rows::attempt_key(new.id)))
            .item("session_id", s(new.credential.session_id().as_str()))
            .item("user_id", s(new.credential.user().as_str()))
            .item("provider", s(new.provider.key()))
            .item("created_at", seconds(new.now))
            .item("expires_at", seconds(new.now + ATTEMPT_LIFETIME + KEEP_AFTER))
            .condition_expression("attribute_not_exists(id)")
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
