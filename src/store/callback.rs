//! Finishing an attempt: its state spent, then the connection saved.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, Update};
use jiff::{SignedDuration, Timestamp};

use super::attributes::{account_id, connection as c, session as a};
use super::rows::{self, Item, b, rfc3339, s, seconds, session_is_live, session_is_live_values};
use super::transaction::{Outcome, Part, Transactions, never, never_there};
use super::{RACE_POLICY, StoreError, write_row};
use crate::config::{ConfigError, Env};
use crate::domain::{
    ATTEMPT_LIFETIME, Account, AttemptId, ErrorCode, Expiry, Generation, Provider, SessionCredential,
    SessionLimits, UserId,
};
use crate::platform::{Clock, Platform};
use crate::retry::Retry;

/// Spends attempts and saves connections.
pub struct CallbackStore {
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
    /// The sealed tokens.
    pub sealed_tokens: Vec<u8>,
    /// The account's profile.
    pub account: &'a Account,
    /// When the access token lapses.
    pub expiry: Option<Expiry>,
}

/// What saving replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Saved {
    /// Nothing: the account is newly connected.
    Connected,
    /// An earlier connection.
    Reconnected,
}

/// The parts of the transaction that spends an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Session,
    Attempt,
}

impl CallbackStore {
    /// The store of the configured tables.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            transactions: Transactions::new(platform),
            retry: Retry::new(platform, RACE_POLICY),
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
    ) -> Result<Spend, StoreError> {
        let now = self.clock.now();
        let parts = vec![
            Part::update(Write::Session, self.forget_attempt(credential, attempt, now)?),
            Part::update(Write::Attempt, self.spend_attempt(credential, provider, attempt, now)?),
        ];
        let Outcome::Refused(refused) = self.transactions.write("spend attempt", parts).await? else {
            return Ok(Spend::Spent);
        };
        // The session comes first: to whoever is not signed in, no attempt is known.
        if refused.iter().any(|refused| refused.part == Write::Session) {
            return Ok(Spend::NotSignedIn);
        }
        let row = refused.into_iter().find_map(|refused| refused.row).unwrap_or_default();
        Ok(why_refused(&row, credential, provider, now))
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
        now: Timestamp,
    ) -> Result<Update, StoreError> {
        let update = Update::builder()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::attempt_key(attempt)))
            .update_expression(format!("SET {} = :now", a::SPENT_AT))
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

    /// Whether the person has a connection to the provider, working or not.
    pub async fn is_connected(&self, user: &UserId, provider: Provider) -> Result<bool, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.connections_table)
            .set_key(Some(rows::connection_key(user, provider)))
            .projection_expression(c::USER_ID)
            .consistent_read(true);
        let answer = get.send().await.map_err(|error| StoreError::of_sdk("read connection", &error))?;
        Ok(answer.item.is_some())
    }

    /// Saves a connection as online and checked now. The whole row is replaced, so that nothing of
    /// an earlier failure stays.
    pub async fn save(&self, connection: NewConnection<'_>) -> Result<Saved, StoreError> {
        let put = self.client.put_item().table_name(&self.connections_table);
        let put = put.set_item(Some(self.row(&connection))).return_values(ReturnValue::AllOld);
        // The code is used up by now, so a transaction on the same row is waited out.
        let saved = write_row(&self.retry, || put.clone().send()).await;
        let saved = saved.map_err(|error| StoreError::of_sdk("save connection", &error))?;
        // A put whose first answer was lost finds its own row when it is repeated.
        let replaced = saved.attributes.as_ref().and_then(rows::generation);
        let replaced = replaced.filter(|replaced| replaced != connection.generation);
        Ok(if replaced.is_some() { Saved::Reconnected } else { Saved::Connected })
    }

    fn row(&self, connection: &NewConnection<'_>) -> Item {
        let now = rfc3339(self.clock.now());
        let mut row = rows::connection_key(connection.user, connection.provider);
        let attributes = [
            (c::ACCESS_TOKEN, b(connection.sealed_tokens.clone())),
            (c::FIRST_NAME, s(&connection.account.first_name)),
            (c::LAST_NAME, s(&connection.account.last_name)),
            (c::IS_ONLINE, AttributeValue::Bool(true)),
            (c::LAST_CHECKED_AT, now.clone()),
            (c::LAST_ATTEMPT_AT, now.clone()),
            (c::LAST_ATTEMPT_RESULT, s("alive")),
            (c::CONNECTED_AT, now.clone()),
            (c::UPDATED_AT, now),
            (c::GENERATION, s(connection.generation.as_str())),
        ];
        let expiry = connection.expiry.map(rows::expiry_attribute);
        row.extend(attributes.into_iter().chain(expiry).map(|(name, value)| (name.to_owned(), value)));
        row.insert(account_id(connection.provider), s(&connection.account.id));
        row
    }
}

fn why_refused(row: &Item, credential: &SessionCredential, provider: Provider, now: Timestamp) -> Spend {
    let own = rows::text(row, a::SESSION_ID) == Some(credential.session_id().as_str())
        && rows::text(row, a::USER_ID) == Some(credential.user().as_str())
        && rows::text(row, a::PROVIDER) == Some(provider.key());
    if !own {
        return Spend::Unknown;
    }
    let Some(spent_at) = rows::epoch(row, a::SPENT_AT) else { return Spend::Expired };
    Spend::Used(match rows::text(row, a::FAILURE).and_then(ErrorCode::from_code) {
        Some(code) => Earlier::Failed(code),
        None if now.duration_since(spent_at) < UNDER_WAY_FOR => Earlier::UnderWay,
        None => Earlier::Ended,
    })
}
