//! Finishing an attempt: its state spent, then the connection saved.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use jiff::{SignedDuration, Timestamp};

use super::StoreError;
use super::retry::Retry;
use super::rows::{self, Item, SESSION_IS_LIVE, b, rfc3339, s, seconds, session_is_live_values};
use super::transaction::{NEVER, Outcome, Transactions, never_there};
use crate::config::{ConfigError, Env};
use crate::domain::{
    ATTEMPT_LIFETIME, Account, AttemptId, ErrorCode, Generation, Provider, SessionCredential, SessionLimits,
    UserId,
};
use crate::platform::{Clock, Platform};

/// Spends attempts and saves connections.
pub struct Completion {
    client: Client,
    transactions: Transactions,
    retry: Retry,
    clock: Clock,
    connections_table: String,
    sessions_table: String,
    limits: SessionLimits,
}

/// What became of an attempt's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spend {
    /// It was sound and is spent now; nobody else can use it.
    Spent,
    /// No live session.
    NotSignedIn,
    /// No such attempt, or one of another session, person or provider.
    Unknown,
    /// Its ten minutes have passed.
    Expired,
    /// It was spent before.
    Used(Earlier),
}

/// What is known of the callback that spent an attempt before this one came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Earlier {
    /// It ended with this error.
    Failed(ErrorCode),
    /// It came so lately that it may not have ended.
    UnderWay,
    /// It ended long ago and left no error.
    Ended,
}

/// No callback takes longer: API Gateway gives up on it.
const UNDER_WAY_FOR: SignedDuration = SignedDuration::from_secs(30);

/// A connection to be saved, replacing whatever the row held.
pub struct NewConnection<'a> {
    /// Whose.
    pub user: &'a UserId,
    /// Where to.
    pub provider: Provider,
    /// The generation the token was sealed for.
    pub generation: &'a Generation,
    /// The sealed token.
    pub sealed_token: Vec<u8>,
    /// The account's profile.
    pub account: &'a Account,
    /// When the token lapses.
    pub expires_at: Option<Timestamp>,
}

/// What saving replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Saved {
    /// Nothing: the account is newly connected.
    Connected,
    /// An earlier connection.
    Reconnected,
}

/// Position in the transaction.
const SESSION: usize = 0;

impl Completion {
    /// Completion in the configured tables.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            transactions: Transactions::new(platform),
            retry: Retry::new(platform),
            client: Client::new(&platform.aws),
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
            .update_expression("REMOVE spent_at")
            .condition_expression(NEVER);
        self.transactions.warm_up(TransactWriteItem::builder().update(update.build()?).build()).await
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
    ) -> Result<Spend, StoreError> {
        let now = self.clock.now();
        let session_id = credential.session_id();
        let forget = Update::builder()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::session_key(&session_id)))
            .update_expression("SET last_seen_at = :now REMOVE attempts.#attempt")
            .condition_expression(SESSION_IS_LIVE)
            .expression_attribute_names("#attempt", attempt.as_str())
            .set_expression_attribute_values(Some(session_is_live_values(credential, self.limits, now)))
            .expression_attribute_values(":now", seconds(now));
        let spend = Update::builder()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::attempt_key(attempt)))
            .update_expression("SET spent_at = :now")
            .condition_expression(
                "session_id = :session AND user_id = :user AND provider = :provider \
                 AND created_at > :born_after AND attribute_not_exists(spent_at)",
            )
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":session", s(session_id.as_str()))
            .expression_attribute_values(":user", s(credential.user().as_str()))
            .expression_attribute_values(":provider", s(provider.key()))
            .expression_attribute_values(":born_after", seconds(now - ATTEMPT_LIFETIME))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let items = [forget.build()?, spend.build()?];
        let items = items.map(|update| TransactWriteItem::builder().update(update).build());
        Ok(match self.transactions.write("spend attempt", items.to_vec()).await? {
            Outcome::Done => Spend::Spent,
            Outcome::Refused(failed) if failed.iter().any(|failed| failed.position == SESSION) => {
                Spend::NotSignedIn
            }
            Outcome::Refused(failed) => {
                let row = failed.into_iter().find_map(|failed| failed.row).unwrap_or_default();
                why_refused(&row, credential, provider, now)
            }
        })
    }

    /// Notes how a spent attempt failed, so that a repeated callback can say the same.
    pub async fn note_failure(&self, attempt: &AttemptId, code: ErrorCode) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::attempt_key(attempt)))
            .update_expression("SET failure = :failure")
            .condition_expression("attribute_exists(id)")
            .expression_attribute_values(":failure", s(code.code()));
        // The repeated callback is a transaction on the same row.
        let noted = self.retry.write(|| update.clone().send()).await;
        noted.map(drop).map_err(|error| StoreError::of_sdk("note failure", &error))
    }

    /// Whether the person has a connection to the provider, working or not.
    pub async fn is_connected(&self, user: &UserId, provider: Provider) -> Result<bool, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.connections_table)
            .set_key(Some(rows::connection_key(user, provider)))
            .projection_expression("user_id")
            .consistent_read(true);
        let answer = get.send().await.map_err(|error| StoreError::of_sdk("read connection", &error))?;
        Ok(answer.item.is_some())
    }

    /// Saves a connection as online and checked now. The whole row is replaced, so that nothing of
    /// an earlier failure stays.
    pub async fn save(&self, connection: NewConnection<'_>) -> Result<Saved, StoreError> {
        let now = rfc3339(self.clock.now());
        let mut item = rows::connection_key(connection.user, connection.provider);
        item.extend(
            [
                ("access_token", b(connection.sealed_token)),
                ("vk_user_id", s(&connection.account.id)),
                ("first_name", s(&connection.account.first_name)),
                ("last_name", s(&connection.account.last_name)),
                ("is_online", AttributeValue::Bool(true)),
                ("last_checked_at", now.clone()),
                ("last_attempt_at", now.clone()),
                ("last_attempt_result", s("alive")),
                ("connected_at", now.clone()),
                ("updated_at", now),
                ("generation", s(connection.generation.as_str())),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        if let Some(expiry) = connection.expires_at {
            item.insert("token_expires_at".to_owned(), rfc3339(expiry));
        }
        let put = self.client.put_item().table_name(&self.connections_table);
        let put = put.set_item(Some(item)).return_values(ReturnValue::AllOld);
        // The code is used up by now, so a transaction on the same row is waited out.
        let saved = self.retry.write(|| put.clone().send()).await;
        let saved = saved.map_err(|error| StoreError::of_sdk("save connection", &error))?;
        // A put whose first answer was lost finds its own row when it is repeated.
        let replaced = saved.attributes.as_ref().and_then(rows::generation);
        let replaced = replaced.filter(|replaced| replaced != connection.generation);
        Ok(if replaced.is_some() { Saved::Reconnected } else { Saved::Connected })
    }
}

fn why_refused(row: &Item, credential: &SessionCredential, provider: Provider, now: Timestamp) -> Spend {
    let own = rows::text(row, "session_id") == Some(credential.session_id().as_str())
        && rows::text(row, "user_id") == Some(credential.user().as_str())
        && rows::text(row, "provider") == Some(provider.key());
    if !own {
        return Spend::Unknown;
    }
    let Some(spent_at) = rows::epoch(row, "spent_at") else { return Spend::Expired };
    Spend::Used(match rows::text(row, "failure").and_then(ErrorCode::from_code) {
        Some(code) => Earlier::Failed(code),
        None if now.duration_since(spent_at) < UNDER_WAY_FOR => Earlier::UnderWay,
        None => Earlier::Ended,
    })
}
