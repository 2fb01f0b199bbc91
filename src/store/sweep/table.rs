//! The connections as the sweep reads and updates them.

use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;

use super::super::attributes::connection as c;
use super::super::batch_write::{Statement, Written};
use super::super::renewal::claim_of;
use super::super::rows::{self, Item, b, connection_projection, rfc3339, s};
use super::{
    Attempt, Cursor, DynamoSweepStore, Recorded, RowKey, RowUpdate, ScanPage, Segment, StoreError,
    StoredConnection,
};

pub(super) async fn scan(
    store: &DynamoSweepStore,
    segment: Segment,
    after: Option<Cursor>,
) -> Result<ScanPage, StoreError> {
    let number = |number: u32| i32::try_from(number).ok().filter(|_| segment.of > 1);
    let scan = store
        .client
        .scan()
        .table_name(&store.connections)
        .projection_expression(projection())
        .set_segment(number(segment.number))
        .set_total_segments(number(segment.of))
        .set_exclusive_start_key(after.as_ref().map(key));
    let answer = scan.send().await.map_err(|error| StoreError::of_sdk("scan connections", &error))?;
    let items = answer.items.unwrap_or_default();
    let connections: Vec<_> = items.iter().filter_map(stored_connection).collect();
    Ok(ScanPage {
        damaged: count(items.iter().filter(|item| is_damaged(item)).count()),
        malformed: count(items.len() - connections.len()),
        connections,
        next: answer.last_evaluated_key.as_ref().and_then(cursor),
    })
}

pub(super) async fn read(
    store: &DynamoSweepStore,
    row: RowKey,
) -> Result<Option<StoredConnection>, StoreError> {
    let get = store.client.get_item().table_name(&store.connections).set_key(Some(key(&row)));
    let get = get.consistent_read(true).projection_expression(projection());
    let answer = get.send().await.map_err(|error| StoreError::of_sdk("read a connection", &error))?;
    Ok(answer.item.as_ref().and_then(stored_connection))
}

/// Idempotent: an update whose answer was lost finds its own attempt in the row.
pub(super) async fn record(
    store: &DynamoSweepStore,
    updates: &[RowUpdate],
) -> Vec<Result<Recorded, StoreError>> {
    let statements: Vec<_> = updates.iter().map(|update| statement(&store.connections, update)).collect();
    let outcomes = store.writes.write(&statements).await;
    updates.iter().zip(outcomes).map(|(update, outcome)| Ok(recorded(update, &outcome?))).collect()
}

fn recorded(update: &RowUpdate, outcome: &Written) -> Recorded {
    let ours = update.attempt.as_ref().map(|attempt| attempt.id.as_str());
    match outcome {
        Written::Done => Recorded::Written,
        Written::Refused(Some(row)) if ours.is_some() && rows::text(row, c::LAST_ATTEMPT_BY) == ours => {
            Recorded::Written
        }
        Written::Refused(_) => Recorded::Superseded,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn key(row: &RowKey) -> Item {
    Item::from([(c::USER_ID.to_owned(), s(&row.user)), (c::PROVIDER.to_owned(), s(&row.provider))])
}

fn cursor(key: &Item) -> Option<Cursor> {
    let text = |name| rows::text(key, name).map(str::to_owned);
    Some(RowKey { user: text(c::USER_ID)?, provider: text(c::PROVIDER)? })
}

fn projection() -> String {
    let attempt = [
        c::ACCESS_TOKEN,
        c::LAST_ATTEMPT_AT,
        c::LAST_ATTEMPT_BY,
        c::LAST_ATTEMPT_RESULT,
        c::SCOPES_CHECKED_AT,
        c::TOKEN_SEQ,
        c::RENEWAL,
    ];
    format!("{}, {}", connection_projection(), attempt.join(", "))
}

/// The update as a `PartiQL` statement. Attributes it does not name stay as they are, those of a later build
/// among them. `PartiQL`'s `UPDATE` creates no row.
fn statement(table: &str, update: &RowUpdate) -> Statement {
    let mut changes = Changes::default();
    if let Some(attempt) = &update.attempt {
        changes.note(attempt);
    }
    // Whatever the verdict: an old key may go once no row needs it.
    if let Some(sealed) = &update.resealed {
        changes.set(c::ACCESS_TOKEN, b(sealed.clone()));
    }
    let mut text = format!("UPDATE \"{table}\"{}", changes.clauses);
    let mut parameters = changes.parameters;
    let fence = [
        (c::USER_ID, &update.key.user),
        (c::PROVIDER, &update.key.provider),
        (c::GENERATION, &update.generation.as_str().to_owned()),
    ];
    for (index, (name, value)) in fence.into_iter().enumerate() {
        let word = if index == 0 { "WHERE" } else { "AND" };
        let _ = write!(text, " {word} \"{name}\" = ?");
        parameters.push(s(value));
    }
    match &update.seen_attempt {
        Some(seen) => {
            let _ = write!(text, " AND \"{}\" = ?", c::LAST_ATTEMPT_BY);
            parameters.push(s(seen));
        }
        None => {
            let _ = write!(text, " AND \"{}\" IS MISSING", c::LAST_ATTEMPT_BY);
        }
    }
    Statement { text, parameters }
}

#[derive(Default)]
struct Changes {
    clauses: String,
    parameters: Vec<AttributeValue>,
}

impl Changes {
    fn set(&mut self, name: &str, value: AttributeValue) {
        let _ = write!(self.clauses, " SET \"{name}\" = ?");
        self.parameters.push(value);
    }

    fn note(&mut self, attempt: &Attempt) {
        let at = || rfc3339(attempt.at);
        self.set(c::LAST_ATTEMPT_AT, at());
        self.set(c::LAST_ATTEMPT_BY, s(&attempt.id));
        self.set(c::LAST_ATTEMPT_RESULT, s(attempt.result));
        if let Some(scopes) = &attempt.scopes {
            self.set(c::SCOPES, s(scopes.to_string()));
            self.set(c::SCOPES_CHECKED_AT, at());
        }
        if let Some(account) = &attempt.account {
            self.set(c::FIRST_NAME, s(&account.first_name));
            self.set(c::LAST_NAME, s(&account.last_name));
        }
        let Some(verdict) = &attempt.verdict else { return };
        self.set(c::LAST_CHECKED_AT, at());
        self.set(c::IS_ONLINE, AttributeValue::Bool(verdict.offline.is_none()));
        if let Some(changed_in) = &verdict.changed_in {
            self.set(c::UPDATED_AT, at());
            self.set(c::CHANGED_BY, s(<&str>::from(verdict.actor)));
            self.set(c::CHANGED_IN, s(changed_in));
        }
        match verdict.offline {
            Some(reason) => self.set(c::OFFLINE_REASON, s(reason.code())),
            None => {
                let _ = write!(self.clauses, " REMOVE \"{}\"", c::OFFLINE_REASON);
            }
        }
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
    let text = |name| rows::text(item, name).map(str::to_owned);
    Some(StoredConnection {
        connection: rows::connection(item)?,
        generation: rows::generation(item)?,
        sealed_tokens: rows::blob(item, c::ACCESS_TOKEN).unwrap_or_default(),
        last_attempt_at: rows::time(item, c::LAST_ATTEMPT_AT),
        last_attempt_by: text(c::LAST_ATTEMPT_BY),
        last_attempt_result: text(c::LAST_ATTEMPT_RESULT),
        scopes_checked_at: rows::time(item, c::SCOPES_CHECKED_AT),
        token_seq: rows::number(item, c::TOKEN_SEQ).unwrap_or_default(),
        renewal: claim_of(item),
    })
}
