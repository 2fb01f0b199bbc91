//! What the sweep reads and writes: tokens page by page, and verdicts that never outlive their
//! connection.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::attributes::connection as c;
use super::rows::{self, Item, b, connection_projection, rfc3339, s};
use super::{RACE_POLICY, StoreError, write_row};
use crate::config::{ConfigError, Env};
use crate::domain::{Actor, Connection, Generation, Liveness};
use crate::platform::{Clock, Platform};
use crate::retry::Retry;

/// Reads connections for checking and records what the checks found.
pub struct SweepStore {
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
    /// The sealed tokens.
    pub sealed_tokens: Vec<u8>,
    /// When it was last tried, as the row says it; what keeps two sweeps from deciding twice.
    last_attempt_at: Option<String>,
}

/// What a check found.
pub struct Verdict<'a> {
    /// The sweep that made the check, by an id of its own.
    pub sweep: &'a str,
    /// The invocation it was made in, as log lines have it.
    pub correlation_id: &'a str,
    /// What the provider's answer says about the token.
    pub liveness: Liveness,
    /// The tokens re-encrypted with the current key, where another key sealed them.
    pub resealed: Option<Vec<u8>>,
}

/// One answer to a scan: part of the table.
pub struct ScanPage {
    /// Its connections.
    pub connections: Vec<StoredConnection>,
    /// Rows that are no connection this build can check.
    pub malformed: usize,
    /// Of those, damaged rows of a provider it knows, whoever wrote them.
    pub damaged: usize,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// A place in the table, between two pages.
#[derive(Clone)]
pub struct Cursor(Item);

/// What became of a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recorded {
    /// It is in the row.
    Written,
    /// The connection was replaced, removed or checked by another sweep in the meantime, and the
    /// verdict says nothing of what is there now.
    Superseded,
}

impl SweepStore {
    /// The store of the configured table.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(&platform.aws),
            retry: Retry::new(platform, RACE_POLICY),
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
            .key(c::USER_ID, s(rows::NOBODY))
            .key(c::PROVIDER, s(rows::NOBODY))
            .update_expression(format!("REMOVE {}", c::OFFLINE_REASON))
            .condition_expression(format!("attribute_exists({})", c::USER_ID));
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
    pub async fn scan(&self, cursor: Option<Cursor>) -> Result<ScanPage, StoreError> {
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .projection_expression(format!(
                "{}, {}, {}",
                connection_projection(),
                c::ACCESS_TOKEN,
                c::LAST_ATTEMPT_AT
            ))
            .set_exclusive_start_key(cursor.map(|cursor| cursor.0));
        let answer = scan.send().await.map_err(|error| StoreError::of_sdk("scan connections", &error))?;
        let items = answer.items.unwrap_or_default();
        let read = items.len();
        let connections: Vec<_> = items.iter().filter_map(stored_connection).collect();
        Ok(ScanPage {
            damaged: items.iter().filter(|item| is_damaged(item)).count(),
            malformed: read - connections.len(),
            connections,
            next: answer.last_evaluated_key.filter(|key| !key.is_empty()).map(Cursor),
        })
    }

    /// Records a verdict, provided that the row still holds the generation it was reached on and no
    /// other sweep has been quicker. The condition fails for a missing row too, so that a check
    /// brings none back. Idempotent: a write whose answer was lost may be repeated.
    pub async fn record(
        &self,
        stored: &StoredConnection,
        verdict: Verdict<'_>,
    ) -> Result<Recorded, StoreError> {
        let sweep = verdict.sweep;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(rows::connection_key(&stored.connection.user, stored.connection.provider)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = unchanged_since(update, stored);
        let update = self.effect(update, &stored.connection, verdict);
        match write_row(&self.retry, || update.clone().send()).await {
            Ok(_) => Ok(Recorded::Written),
            Err(error) => match error.as_service_error() {
                // A write whose first answer was lost finds its own row when it is repeated.
                Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    let by = refusal.item().and_then(|row| rows::text(row, c::LAST_ATTEMPT_BY));
                    Ok(if by == Some(sweep) { Recorded::Written } else { Recorded::Superseded })
                }
                _ => Err(StoreError::of_sdk("record check", &error)),
            },
        }
    }

    /// What a verdict changes in the row.
    fn effect(
        &self,
        update: UpdateItemFluentBuilder,
        before: &Connection,
        verdict: Verdict<'_>,
    ) -> UpdateItemFluentBuilder {
        let changes = Changes::of(before, verdict, rfc3339(self.clock.now()));
        let update = update.update_expression(changes.expression());
        let values = changes.set.into_iter();
        values.fold(update, |update, (name, value)| {
            update.expression_attribute_values(format!(":{name}"), value)
        })
    }
}

/// The fence of a verdict (optimistic locking): the row is still of the generation that was checked, and
/// nobody has tried since it was read.
fn unchanged_since(update: UpdateItemFluentBuilder, stored: &StoredConnection) -> UpdateItemFluentBuilder {
    let update = update.expression_attribute_values(":checked", s(stored.generation.as_str()));
    let same_generation = format!("{} = :checked", c::GENERATION);
    let Some(seen) = &stored.last_attempt_at else {
        let never_tried = format!("attribute_not_exists({})", c::LAST_ATTEMPT_AT);
        return update.condition_expression(format!("{same_generation} AND {never_tried}"));
    };
    update
        .condition_expression(format!("{same_generation} AND {} = :seen", c::LAST_ATTEMPT_AT))
        .expression_attribute_values(":seen", s(seen))
}

/// Attributes to set and to remove. All others stay as they are, those of a later build among them.
struct Changes {
    set: Vec<(&'static str, AttributeValue)>,
    remove: Option<&'static str>,
}

impl Changes {
    fn of(before: &Connection, verdict: Verdict<'_>, now: AttributeValue) -> Self {
        let (result, remove) = match verdict.liveness {
            Liveness::Alive => ("alive", Some(c::OFFLINE_REASON)),
            Liveness::Dead(reason) => (reason.code(), None),
            Liveness::Unknown(class) => (class.code(), None),
        };
        // Every try is noted, so that an overlapping sweep sees that this one was quicker.
        let mut set = vec![
            (c::LAST_ATTEMPT_AT, now.clone()),
            (c::LAST_ATTEMPT_BY, s(verdict.sweep)),
            (c::LAST_ATTEMPT_RESULT, s(result)),
        ];
        // Only a final answer says anything about the connection.
        let online = match verdict.liveness {
            Liveness::Alive => Some(true),
            Liveness::Dead(_) => Some(false),
            Liveness::Unknown(_) => None,
        };
        if let Some(online) = online {
            set.push((c::IS_ONLINE, AttributeValue::Bool(online)));
            set.push((c::LAST_CHECKED_AT, now.clone()));
            if before.is_online != online {
                set.push((c::UPDATED_AT, now));
                set.push((c::CHANGED_BY, s(<&str>::from(Actor::Sweep))));
                set.push((c::CHANGED_IN, s(verdict.correlation_id)));
            }
        }
        if let Liveness::Dead(reason) = verdict.liveness {
            set.push((c::OFFLINE_REASON, s(reason.code())));
        }
        // Whatever the verdict: an old key may go once no row needs it.
        set.extend(verdict.resealed.map(|sealed| (c::ACCESS_TOKEN, b(sealed))));
        Self { set, remove }
    }

    /// The update expression. Each value is named like its attribute.
    fn expression(&self) -> String {
        let set: Vec<_> = self.set.iter().map(|(name, _)| format!("{name} = :{name}")).collect();
        let remove = self.remove.map(|name| format!(" REMOVE {name}")).unwrap_or_default();
        format!("SET {}{remove}", set.join(", "))
    }
}

/// Whether a row cannot be checked, since it has no generation. Its page asks to reconnect, which
/// replaces it; who wrote it is for an operator to find.
fn is_damaged(item: &Item) -> bool {
    let damaged = rows::connection(item).filter(|_| rows::generation(item).is_none());
    if let Some(connection) = &damaged {
        tracing::error!(user = connection.user.as_str(), "connection's row is damaged");
    }
    damaged.is_some()
}

fn stored_connection(item: &Item) -> Option<StoredConnection> {
    Some(StoredConnection {
        connection: rows::connection(item)?,
        generation: rows::generation(item)?,
        sealed_tokens: rows::blob(item, c::ACCESS_TOKEN).unwrap_or_default(),
        last_attempt_at: rows::text(item, c::LAST_ATTEMPT_AT).map(str::to_owned),
    })
}
