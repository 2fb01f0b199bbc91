//! Disconnecting: the session checked and the connection deleted, in one transaction.

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, TransactWriteItem};

use super::StoreError;
use super::rate;
use super::rows::{self, SESSION_IS_LIVE, session_is_live_values};
use super::transaction::{NEVER, Outcome, Transactions, never_there};
use crate::config::{ConfigError, Env};
use crate::domain::{Provider, SessionCredential, SessionLimits};
use crate::platform::{Clock, Platform};

/// Disconnections a person may make in a calendar minute.
const PER_MINUTE: i64 = 30;

/// Deletes connections.
pub struct Removal {
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

/// Positions in the transaction.
const SESSION: usize = 0;
const RATE: usize = 1;

impl Removal {
    /// Removal from the configured tables.
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
            .condition_expression(NEVER);
        self.transactions.warm_up(TransactWriteItem::builder().condition_check(check.build()?).build()).await
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
            .condition_expression("attribute_exists(user_id)");
        let delete = TransactWriteItem::builder().delete(delete.build()?).build();
        Ok(match self.write(credential, Some(delete)).await? {
            Removed::NothingThere => self.write(credential, None).await?,
            removed => removed,
        })
    }

    /// One transaction: the session, the person's minute, and what is deleted.
    async fn write(
        &self,
        credential: &SessionCredential,
        delete: Option<TransactWriteItem>,
    ) -> Result<Removed, StoreError> {
        let now = self.clock.now();
        let check = ConditionCheck::builder()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::session_key(&credential.session_id())))
            .condition_expression(SESSION_IS_LIVE)
            .set_expression_attribute_values(Some(session_is_live_values(credential, self.limits, now)));
        let mut items = vec![
            TransactWriteItem::builder().condition_check(check.build()?).build(),
            rate::count(&self.sessions_table, "disconnect", credential.user(), now, PER_MINUTE)?,
        ];
        let done = if delete.is_some() { Removed::Removed } else { Removed::NothingThere };
        items.extend(delete);
        Ok(match self.transactions.write("disconnect", items).await? {
            Outcome::Done => done,
            Outcome::Refused(failed) => match failed.iter().map(|failed| failed.position).min() {
                Some(SESSION) => Removed::NotSignedIn,
                Some(RATE) => Removed::TooMany,
                _ => Removed::NothingThere,
            },
        })
    }
}
