//! What the sweep reads and writes: tokens page by page, and verdicts that never outlive their
//! connection.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::StoreError;
use super::rows::{self, CONNECTION_PROJECTION, Item, rfc3339, s};
use crate::config::{ConfigError, Env};
use crate::domain::{Connection, Generation, Liveness};
use crate::platform::{Clock, Platform};

/// Reads connections for checking and records what the checks found.
pub struct Checks {
    client: Client,
    clock: Clock,
    table: String,
}

/// A connection with its sealed token.
pub struct StoredConnection {
    /// The connection.
    pub connection: Connection,
    /// The generation the token is sealed for and verdicts are recorded against.
    pub generation: Generation,
    /// The sealed token.
    pub sealed_token: Vec<u8>,
}

/// Part of the table.
pub struct Page {
    /// Its connections.
    pub connections: Vec<StoredConnection>,
    /// Rows that are no connection this build can check.
    pub malformed: usize,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// A place in the table, between two pages.
pub struct Cursor(Item);

/// What became of a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// It is recorded.
    Recorded,
    /// The connection was replaced or removed in the meantime, and the verdict says nothing of
    /// what is there now.
    Superseded,
}

impl Checks {
    /// Checks of the configured table.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(&platform.aws),
            clock: platform.clock.clone(),
            table: env.connections_table()?,
        })
    }

    /// The table, which tokens are sealed for.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The page at a cursor, or the first.
    pub async fn page(&self, cursor: Option<Cursor>) -> Result<Page, StoreError> {
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .projection_expression(format!("{CONNECTION_PROJECTION}, access_token"))
            .set_exclusive_start_key(cursor.map(|cursor| cursor.0));
        let answer = scan.send().await.map_err(|error| StoreError::of_sdk("scan connections", &error))?;
        let items = answer.items.unwrap_or_default();
        let read = items.len();
        let connections: Vec<_> = items.iter().filter_map(stored_connection).collect();
        Ok(Page {
            malformed: read - connections.len(),
            connections,
            next: answer.last_evaluated_key.filter(|key| !key.is_empty()).map(Cursor),
        })
    }

    /// Records a verdict, provided that the row still holds the generation it was reached on.
    /// The condition fails for a missing row too, so that a check brings none back.
    pub async fn record(&self, stored: &StoredConnection, liveness: Liveness) -> Result<Finding, StoreError> {
        let now = rfc3339(self.clock.now());
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(rows::connection_key(&stored.connection.user, stored.connection.provider)))
            .condition_expression("generation = :generation")
            .expression_attribute_values(":generation", s(stored.generation.as_str()))
            .expression_attribute_values(":now", now);
        match effect(update, &stored.connection, liveness).send().await {
            Ok(_) => Ok(Finding::Recorded),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(Finding::Superseded)
            }
            Err(error) => Err(StoreError::of_sdk("record check", &error)),
        }
    }
}

/// What a verdict changes: everything for a final one, the last attempt alone for any other.
fn effect(
    update: UpdateItemFluentBuilder,
    before: &Connection,
    liveness: Liveness,
) -> UpdateItemFluentBuilder {
    const ATTEMPT: &str = "SET last_attempt_at = :now, last_attempt_result = :result";
    const VERDICT: &str = "is_online = :online, last_checked_at = :now";
    let updated_at =
        if before.is_online == (liveness == Liveness::Alive) { "" } else { ", updated_at = :now" };
    let (expression, result) = match liveness {
        Liveness::Alive => (format!("{ATTEMPT}, {VERDICT}{updated_at} REMOVE offline_reason"), "alive"),
        Liveness::Dead(reason) => {
            (format!("{ATTEMPT}, {VERDICT}{updated_at}, offline_reason = :result"), reason.code())
        }
        Liveness::Unknown(class) => (ATTEMPT.to_owned(), class.code()),
    };
    let update = update.update_expression(expression).expression_attribute_values(":result", s(result));
    match liveness {
        Liveness::Unknown(_) => update,
        liveness => {
            let online = AttributeValue::Bool(liveness == Liveness::Alive);
            update.expression_attribute_values(":online", online)
        }
    }
}

fn stored_connection(item: &Item) -> Option<StoredConnection> {
    Some(StoredConnection {
        connection: rows::connection(item)?,
        generation: rows::generation(item)?,
        sealed_token: rows::blob(item, "access_token").unwrap_or_default(),
    })
}
