//! Disconnecting: the session checked and the connection deleted, in one transaction.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete};

use super::StoreError;
use super::rate_limit;
use super::rows::{self, session_is_live, session_is_live_values};
use super::tombstone::{self, Gone};
use super::transaction::{Outcome, Part, Transactions, never, never_there};
use crate::config::{ConfigError, Env};
use crate::domain::{Provider, SessionCredential, SessionLimits, UserId};
use crate::platform::{Clock, Entropy, Platform};

/// Disconnections a person may make in a calendar minute.
const PER_MINUTE: i64 = 30;

/// Deletes connections.
pub struct DisconnectStore {
    client: Client,
    transactions: Transactions,
    clock: Clock,
    entropy: Entropy,
    connections_table: String,
    sessions_table: String,
    limits: SessionLimits,
}

/// What became of a disconnection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removed {
    /// The connection and its token are gone, if there was one.
    Removed,
    /// No live session.
    NotSignedIn,
    /// More than a person makes in a minute.
    TooMany,
}

/// The parts of the transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Session,
    Rate,
    Connection,
    Tombstone,
}

impl DisconnectStore {
    /// The store of the configured tables.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        let client = Client::new(&platform.aws);
        Ok(Self {
            transactions: Transactions::new(platform, client.clone()),
            client,
            clock: platform.clock.clone(),
            entropy: platform.entropy.clone(),
            connections_table: env.connections_table()?,
            sessions_table: env.sessions_table()?,
            limits: env.session_limits()?,
        })
    }

    /// Opens the connection to the table ahead of the first request.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.sessions_table)
            .set_key(Some(never_there()))
            .condition_expression(never());
        self.transactions.warm_up(Part::condition_check((), check.build()?)).await
    }

    /// Deletes the credential's user's connection to the provider and leaves a tombstone, in one
    /// transaction; the tombstone also where there was no connection, since a callback may be under way.
    /// A lost answer is looked up, not guessed.
    pub async fn remove(
        &self,
        credential: &SessionCredential,
        provider: Provider,
        correlation_id: &str,
    ) -> Result<Removed, StoreError> {
        let gone = Gone::new(self.entropy.bytes());
        let parts = self.parts_of(credential, provider, &gone, correlation_id)?;
        let refused = match self.transactions.write("disconnect", parts).await {
            Ok(Outcome::Done) => return Ok(Removed::Removed),
            Ok(Outcome::Refused(refused)) => refused,
            Err(error) => {
                let is_done = self.tombstone(credential.user(), provider).await?.as_ref() == Some(&gone);
                return if is_done { Ok(Removed::Removed) } else { Err(error) };
            }
        };
        // Whoever is not signed in learns nothing of the connection.
        let is_signed_out = refused.iter().any(|refused| refused.part == Write::Session);
        Ok(if is_signed_out { Removed::NotSignedIn } else { Removed::TooMany })
    }

    fn parts_of(
        &self,
        credential: &SessionCredential,
        provider: Provider,
        gone: &Gone,
        correlation_id: &str,
    ) -> Result<Vec<Part<Write>>, StoreError> {
        let (now, user) = (self.clock.now(), credential.user());
        let check = ConditionCheck::builder()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::session_key(&credential.session_id())))
            .condition_expression(session_is_live())
            .set_expression_attribute_values(Some(session_is_live_values(credential, self.limits, now)));
        let delete = Delete::builder()
            .table_name(&self.connections_table)
            .set_key(Some(rows::connection_key(user, provider)));
        Ok(vec![
            Part::condition_check(Write::Session, check.build()?),
            Part::update(
                Write::Rate,
                rate_limit::count(&self.sessions_table, "disconnect", user, now, PER_MINUTE)?,
            ),
            Part::delete(Write::Connection, delete.build()?),
            Part::put(
                Write::Tombstone,
                tombstone::put(&self.sessions_table, user, provider, gone, correlation_id, now)?,
            ),
        ])
    }

    async fn tombstone(&self, user: &UserId, provider: Provider) -> Result<Option<Gone>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.sessions_table)
            .set_key(Some(tombstone::key(user.as_str(), provider.key())))
            .consistent_read(true);
        let answer = get.send().await.map_err(|error| StoreError::of_sdk("read tombstone", &error))?;
        Ok(answer.item.as_ref().and_then(Gone::of))
    }
}
