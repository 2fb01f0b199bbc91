//! Finishing an attempt: its state spent, then the connection saved.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use jiff::Timestamp;

use super::StoreError;
use super::rows::{self, Item, SESSION_IS_LIVE, b, rfc3339, s, seconds, session_is_live_values};
use super::transaction::{Outcome, Transactions};
use crate::config::{ConfigError, Env};
use crate::domain::{
    ATTEMPT_LIFETIME, Account, AttemptId, Generation, Provider, SessionCredential, SessionLimits, UserId,
};
use crate::platform::{Clock, Platform};

/// Spends attempts and saves connections.
pub struct Completion {
    client: Client,
    transactions: Transactions,
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
    Used,
}

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

const SESSION: usize = 0;

impl Completion {
    /// Completion in the configured tables.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        let client = Client::new(&platform.aws);
        let (clock, entropy) = (platform.clock.clone(), platform.entropy.clone());
        Ok(Self {
            transactions: Transactions::new(client.clone(), clock.clone(), entropy),
            client,
            clock,
            connections_table: env.connections_table()?,
            sessions_table: env.sessions_table()?,
            limits: env.session_limits()?,
        })
    }

    /// Opens the connection to the table ahead of the first request.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.transactions.warm_up(&self.sessions_table).await
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
            .update_expression("REMOVE attempts.#attempt")
            .condition_expression(SESSION_IS_LIVE)
            .expression_attribute_names("#attempt", attempt.as_str())
            .set_expression_attribute_values(Some(session_is_live_values(credential, self.limits, now)));
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
                why_refused(&row, credential, provider)
            }
        })
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
        let put = self.client.put_item().table_name(&self.connections_table).set_item(Some(item));
        let answer = put.return_values(ReturnValue::AllOld).send().await;
        let answer = answer.map_err(|error| StoreError::of_sdk("save connection", &error))?;
        let replaced = answer.attributes.is_some_and(|row| !row.is_empty());
        Ok(if replaced { Saved::Reconnected } else { Saved::Connected })
    }
}

fn why_refused(row: &Item, credential: &SessionCredential, provider: Provider) -> Spend {
    let own = rows::text(row, "session_id") == Some(credential.session_id().as_str())
        && rows::text(row, "user_id") == Some(credential.user().as_str())
        && rows::text(row, "provider") == Some(provider.key());
    match (own, row.contains_key("spent_at")) {
        (false, _) => Spend::Unknown,
        (true, true) => Spend::Used,
        (true, false) => Spend::Expired,
    }
}
