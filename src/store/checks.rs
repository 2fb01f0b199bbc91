//! What the sweep reads and writes: tokens page by page, and verdicts that never outlive their
//! connection.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::StoreError;
use super::retry::Retry;
use super::rows::{self, CONNECTION_PROJECTION, Item, b, rfc3339, s};
use crate::config::{ConfigError, Env};
use crate::domain::{Connection, Generation, Liveness};
use crate::platform::{Clock, Platform};

/// Reads connections for checking and records what the checks found.
pub struct Checks {
    client: Client,
    retry: Retry,
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
    /// When it was last tried, as the row says it; what keeps two sweeps from deciding twice.
    last_attempt_at: Option<String>,
}

/// What a check found.
pub struct Verdict<'a> {
    /// The sweep that made the check, by an id of its own.
    pub sweep: &'a str,
    /// What the provider's answer says about the token.
    pub liveness: Liveness,
    /// The token sealed anew, where its seal is of an old key.
    pub resealed: Option<Vec<u8>>,
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
#[derive(Clone)]
pub struct Cursor(Item);

/// What became of a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// It is recorded.
    Recorded,
    /// The connection was replaced, removed or checked by another sweep in the meantime, and the
    /// verdict says nothing of what is there now.
    Superseded,
}

impl Checks {
    /// Checks of the configured table.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(&platform.aws),
            retry: Retry::new(platform),
            clock: platform.clock.clone(),
            table: env.connections_table()?,
        })
    }

    /// Opens the connection to the table ahead of the first sweep, by a verdict on a row that is not
    /// there.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("user_id", s(rows::NOBODY))
            .key("provider", s(rows::NOBODY))
            .update_expression("REMOVE offline_reason")
            .condition_expression("attribute_exists(user_id)");
        match update.send().await {
            Err(error) if !super::is_refusal(&error) => Err(StoreError::of_sdk("warm up", &error)),
            _ => Ok(()),
        }
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
            .projection_expression(format!("{CONNECTION_PROJECTION}, access_token, last_attempt_at"))
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

    /// Records a verdict, provided that the row still holds the generation it was reached on and no
    /// other sweep has been quicker. The condition fails for a missing row too, so that a check
    /// brings none back.
    pub async fn record(
        &self,
        stored: &StoredConnection,
        verdict: Verdict<'_>,
    ) -> Result<Finding, StoreError> {
        let sweep = verdict.sweep;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(rows::connection_key(&stored.connection.user, stored.connection.provider)))
            .expression_attribute_values(":generation", s(stored.generation.as_str()))
            .expression_attribute_values(":now", rfc3339(self.clock.now()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = match &stored.last_attempt_at {
            Some(seen) => update
                .condition_expression("generation = :generation AND last_attempt_at = :seen")
                .expression_attribute_values(":seen", s(seen)),
            None => update
                .condition_expression("generation = :generation AND attribute_not_exists(last_attempt_at)"),
        };
        let update = effect(update, &stored.connection, verdict);
        match self.retry.write(|| update.clone().send()).await {
            Ok(_) => Ok(Finding::Recorded),
            Err(error) => match error.as_service_error() {
                // A write whose first answer was lost finds its own row when it is repeated.
                Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    let by = refusal.item().and_then(|row| rows::text(row, "last_attempt_by"));
                    Ok(if by == Some(sweep) { Finding::Recorded } else { Finding::Superseded })
                }
                _ => Err(StoreError::of_sdk("record check", &error)),
            },
        }
    }
}

/// What a verdict changes: everything for a final one, the last attempt alone for any other; and the
/// seal, where it is of an old key.
fn effect(
    update: UpdateItemFluentBuilder,
    before: &Connection,
    verdict: Verdict<'_>,
) -> UpdateItemFluentBuilder {
    let liveness = verdict.liveness;
    let mut set = vec!["last_attempt_at = :now", "last_attempt_by = :sweep", "last_attempt_result = :result"];
    let mut remove = "";
    let mut values = vec![(":sweep", s(verdict.sweep))];
    if !matches!(liveness, Liveness::Unknown(_)) {
        set.extend(["is_online = :online", "last_checked_at = :now"]);
        values.push((":online", AttributeValue::Bool(liveness == Liveness::Alive)));
        if before.is_online != (liveness == Liveness::Alive) {
            set.push("updated_at = :now");
        }
    }
    let result = match liveness {
        Liveness::Alive => {
            remove = " REMOVE offline_reason";
            "alive"
        }
        Liveness::Dead(reason) => {
            set.push("offline_reason = :result");
            reason.code()
        }
        Liveness::Unknown(class) => class.code(),
    };
    values.push((":result", s(result)));
    if let Some(sealed) = verdict.resealed {
        set.push("access_token = :sealed");
        values.push((":sealed", b(sealed)));
    }
    let update = update.update_expression(format!("SET {}{remove}", set.join(", ")));
    values.into_iter().fold(update, |update, (name, value)| update.expression_attribute_values(name, value))
}

fn stored_connection(item: &Item) -> Option<StoredConnection> {
    Some(StoredConnection {
        connection: rows::connection(item)?,
        generation: rows::generation(item)?,
        sealed_token: rows::blob(item, "access_token").unwrap_or_default(),
        last_attempt_at: rows::text(item, "last_attempt_at").map(str::to_owned),
    })
}
