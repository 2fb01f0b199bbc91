//! Disconnecting: the session checked and the connection deleted, in one transaction.

use aws_sdk_dynamodb::types::{ConditionCheck, Delete};

use super::StoreError;
use super::attributes::connection::USER_ID;
use super::rate_limit;
use super::rows::{self, session_is_live, session_is_live_values};
use super::transaction::{Outcome, Part, Transactions, never, never_there};
use crate::config::{ConfigError, Env};
use crate::domain::{Provider, SessionCredential, SessionLimits};
use crate::platform::{Clock, Platform};

/// Disconnections a person may make in a calendar minute.
const PER_MINUTE: i64 = 30;

/// Deletes connections.
pub struct DisconnectStore {
    transactions: Transactions,
    clock: Clock,
    connections_table: String,
    sessions_table: String,
    limits: SessionLimits,
}

/// What became of a disconnection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removed {
    /// The connection and its token are gone.
    Removed,
    /// There was none.
    NothingThere,
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
}

impl DisconnectStore {
    /// The store of the configured tables.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            transactions: Transactions::new(platform),
            clock: platform.clock.clone(),
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

    /// Deletes the credential's user's connection to the provider. Where there is none, a second
    /// transaction counts the try all the same.
    pub async fn remove(
        &self,
        credential: &SessionCredential,
        provider: Provider,
    ) -> Result<Removed, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.connections_table)
            .set_key(Some(rows::connection_key(credential.user(), provider)))
            .condition_expression(format!("attribute_exists({USER_ID})"));
        let delete = Part::delete(Write::Connection, delete.build()?);
        Ok(match self.write(credential, Some(delete)).await? {
            Removed::NothingThere => self.write(credential, None).await?,
            removed => removed,
        })
    }

    /// One transaction: the session, the person's minute, and what is deleted.
    async fn write(
        &self,
        credential: &SessionCredential,
        delete: Option<Part<Write>>,
    ) -> Result<Removed, StoreError> {
        let now = self.clock.now();
        let check = ConditionCheck::builder()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::session_key(&credential.session_id())))
            .condition_expression(session_is_live())
            .set_expression_attribute_values(Some(session_is_live_values(credential, self.limits, now)));
        let count =
            rate_limit::count(&self.sessions_table, "disconnect", credential.user(), now, PER_MINUTE)?;
        let mut parts =
            vec![Part::condition_check(Write::Session, check.build()?), Part::update(Write::Rate, count)];
        let done = if delete.is_some() { Removed::Removed } else { Removed::NothingThere };
        parts.extend(delete);
        let Outcome::Refused(refused) = self.transactions.write("disconnect", parts).await? else {
            return Ok(done);
        };
        let is_refused = |part| refused.iter().any(|refused| refused.part == part);
        // Whoever is not signed in learns nothing of the connection.
        Ok(if is_refused(Write::Session) {
            Removed::NotSignedIn
        } else if is_refused(Write::Rate) {
            Removed::TooMany
        } else {
            Removed::NothingThere
        })
    }
}
