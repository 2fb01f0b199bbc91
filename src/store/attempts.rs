//! Starting to connect: the session checked and the attempt written, in one transaction.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use jiff::{SignedDuration, Timestamp};

use super::StoreError;
use super::rows::{self, Item, SESSION_IS_LIVE, n, s, seconds, session_is_live_values};
use super::transaction::{Outcome, Transactions};
use crate::config::{ConfigError, Env};
use crate::domain::{
    ATTEMPT_LIFETIME, AttemptId, MAX_PENDING_ATTEMPTS, Provider, SessionCredential, SessionLimits, UserId,
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
        let client = Client::new(&platform.aws);
        Ok(Self {
            transactions: Transactions::new(client, platform.clock.clone(), platform.entropy.clone()),
            clock: platform.clock.clone(),
            table: env.sessions_table()?,
            limits: env.session_limits()?,
        })
    }

    /// Opens the connection to the table ahead of the first request.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.transactions.warm_up(&self.table).await
    }

    /// Writes an attempt for the credential's session. A session that has
    /// [`MAX_PENDING_ATTEMPTS`] open drops the oldest, in a second transaction.
    pub async fn begin(
        &self,
        credential: &SessionCredential,
        provider: Provider,
        attempt: &AttemptId,
    ) -> Result<Begin, StoreError> {
        let now = self.clock.now();
        let add = self
            .session_update(credential, now)
            .update_expression("SET attempts.#attempt = :now")
            .condition_expression(format!("{SESSION_IS_LIVE} AND size(attempts) < :most"))
            .expression_attribute_names("#attempt", attempt.as_str())
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":most", n(i64::try_from(MAX_PENDING_ATTEMPTS).unwrap_or(i64::MAX)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let items = vec![
            update(add)?,
            self.attempt_row(credential, provider, attempt, now)?,
            self.rate(credential.user(), now)?,
        ];
        let refused = match self.transactions.write("begin attempt", items).await? {
            Outcome::Done => return Ok(Begin::Started),
            Outcome::Refused(refused) => refused,
        };
        if refused.iter().any(|failed| failed.position == RATE) {
            return Ok(Begin::TooMany);
        }
        let row = refused.into_iter().find(|failed| failed.position == SESSION).and_then(|failed| failed.row);
        let live = row
            .as_ref()
            .and_then(rows::session)
            .is_some_and(|session| session.user == *credential.user() && session.is_live(now, self.limits));
        match row {
            Some(row) if live => self.begin_in_full_session(credential, provider, attempt, &row).await,
            _ => Ok(Begin::NotSignedIn),
        }
    }

    /// Makes room by dropping what has expired and, of the rest, the oldest.
    async fn begin_in_full_session(
        &self,
        credential: &SessionCredential,
        provider: Provider,
        attempt: &AttemptId,
        row: &Item,
    ) -> Result<Begin, StoreError> {
        let now = self.clock.now();
        let Some(seen) = row.get("attempts").and_then(|value| value.as_m().ok()) else {
            return Err(StoreError::new("begin attempt", "a session row without attempts"));
        };
        let mut pending: Vec<(&String, Timestamp)> =
            seen.keys().filter_map(|id| Some((id, rows::epoch(seen, id)?))).collect();
        pending.sort_by_key(|(_, started)| *started);
        pending.retain(|(_, started)| now.duration_since(*started) < ATTEMPT_LIFETIME);
        let surplus = pending.len().saturating_sub(MAX_PENDING_ATTEMPTS - 1);
        let dropped: Vec<_> = pending.drain(..surplus).map(|(id, _)| id.clone()).collect();
        let mut kept: Item =
            pending.into_iter().map(|(id, started)| (id.clone(), seconds(started))).collect();
        kept.insert(attempt.as_str().to_owned(), seconds(now));

        let replace = self
            .session_update(credential, now)
            .update_expression("SET attempts = :kept")
            .condition_expression(format!("{SESSION_IS_LIVE} AND attempts = :seen"))
            .expression_attribute_values(":kept", AttributeValue::M(kept))
            .expression_attribute_values(":seen", AttributeValue::M(seen.clone()));
        let mut items = vec![
            update(replace)?,
            self.attempt_row(credential, provider, attempt, now)?,
            self.rate(credential.user(), now)?,
        ];
        for id in dropped {
            let key = rows::attempt_key(&AttemptId::from_stored(&id));
            let delete = Delete::builder().table_name(&self.table).set_key(Some(key)).build()?;
            items.push(TransactWriteItem::builder().delete(delete).build());
        }
        match self.transactions.write("begin attempt", items).await? {
            Outcome::Done => Ok(Begin::Started),
            // Another tab was quicker with the same session; this one counts as over the limit.
            Outcome::Refused(_) => Ok(Begin::TooMany),
        }
    }

    fn session_update(&self, credential: &SessionCredential, now: Timestamp) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(rows::session_key(&credential.session_id())))
            .set_expression_attribute_values(Some(session_is_live_values(credential, self.limits, now)))
    }

    fn attempt_row(
        &self,
        credential: &SessionCredential,
        provider: Provider,
        attempt: &AttemptId,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(rows::attempt_key(attempt)))
            .item("session_id", s(credential.session_id().as_str()))
            .item("user_id", s(credential.user().as_str()))
            .item("provider", s(provider.key()))
            .item("created_at", seconds(now))
            .item("expires_at", seconds(now + ATTEMPT_LIFETIME + KEEP_AFTER))
            .condition_expression("attribute_not_exists(id)");
        Ok(TransactWriteItem::builder().put(put.build()?).build())
    }

    fn rate(&self, user: &UserId, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        super::rate::count(&self.table, "connect", user, now, PER_MINUTE)
    }
}

fn update(builder: UpdateBuilder) -> Result<TransactWriteItem, StoreError> {
    Ok(TransactWriteItem::builder().update(builder.build()?).build())
}
