//! DynamoDB, as far as it is asked. Conditions hold, but for those of writes that warm a function up. What is held
//! is the sweep's state; connections are made when they are asked for, and every session is live.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use evosync_connections::platform::Clock;
use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::Reply;
use super::counts::Counts;
use super::rows::{Rows, TABLE};

/// Whose session it is.
const USER: &str = "shop-7";

/// The key of the row that warming up refuses to write.
const NOBODY: &str = "warm-up";

type Row = Map<String, Value>;

pub(super) struct Tables {
    rows: Rows,
    clock: Clock,
    /// The rows of the sweep's state, by id.
    state: Mutex<HashMap<String, Row>>,
}

impl Tables {
    pub(super) fn new(rows: Rows, clock: Clock) -> Self {
        Self { rows, clock, state: Mutex::default() }
    }

    pub(super) fn answer(&self, operation: &str, body: &[u8], counts: &Counts) -> Reply {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        match operation {
            "BatchGetItem" => Reply::ok(self.batch_get(&request)),
            "GetItem" => Reply::ok(self.get(&request)),
            "Scan" => {
                let segments = request["TotalSegments"].as_u64().unwrap_or(1);
                let after = request["ExclusiveStartKey"]["user_id"]["S"].as_str();
                let page = self.rows.page(request["Segment"].as_u64().unwrap_or_default(), segments, after);
                Counts::add(&counts.rows_read, page.rows);
                Reply::ok(page.body)
            }
            "BatchExecuteStatement" => Reply::ok(batch_write(&request, counts)),
            "TransactWriteItems" if is_warm_up(&request) => refusal(),
            "UpdateItem" => Reply::ok(self.update(&request)),
            _ => Reply::ok("{}"),
        }
    }

    fn batch_get(&self, request: &Value) -> String {
        let mut responses = Vec::new();
        for (table, wanted) in request["RequestItems"].as_object().into_iter().flatten() {
            let keys = wanted["Keys"].as_array().into_iter().flatten();
            let rows: Vec<_> = keys.filter_map(|key| self.row(table, key)).collect();
            responses.push(format!(r#""{table}":[{}]"#, rows.join(",")));
        }
        format!(r#"{{"Responses":{{{}}},"UnprocessedKeys":{{}}}}"#, responses.join(","))
    }

    fn get(&self, request: &Value) -> String {
        let table = request["TableName"].as_str().unwrap_or_default();
        match self.row(table, &request["Key"]) {
            Some(row) => format!(r#"{{"Item":{row}}}"#),
            None => "{}".to_owned(),
        }
    }

    fn row(&self, table: &str, key: &Value) -> Option<String> {
        if table == TABLE {
            let is_there = key["provider"]["S"] == "vk";
            return is_there.then(|| self.rows.row(0, key["user_id"]["S"].as_str().unwrap_or(USER)));
        }
        let id = key["id"]["S"].as_str()?;
        if id.starts_with("session:") {
            return Some(self.session(id));
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.get(id).map(|row| Value::from(row.clone()).to_string())
    }

    fn session(&self, id: &str) -> String {
        let now = json!({ "N": self.clock.now().as_second().to_string() });
        json!({
            "id": { "S": id },
            "user_id": { "S": USER },
            "display_name": { "S": "Anna" },
            "created_at": now,
            "last_seen_at": now,
            "attempts": { "M": {} },
        })
        .to_string()
    }

    /// An update expression of the forms that the sweep's state is written in.
    fn update(&self, request: &Value) -> String {
        let key = request["Key"].as_object().cloned().unwrap_or_default();
        let id = key.get("id").and_then(|id| id["S"].as_str()).unwrap_or_default().to_owned();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let row = state.entry(id).or_insert(key);
        let values = &request["ExpressionAttributeValues"];
        apply(request["UpdateExpression"].as_str().unwrap_or_default(), values, row);
        json!({ "Attributes": row }).to_string()
    }
}

fn apply(expression: &str, values: &Value, row: &mut Row) {
    let mut clause = "";
    let mut words = expression.split([' ', ',']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if is_clause(word) {
            clause = word;
            continue;
        }
        match clause {
            "SET" => {
                words.next();
                let value = words.next().map(|name| values[name].clone()).unwrap_or_default();
                row.insert(word.to_owned(), value);
            }
            "REMOVE" => drop(row.remove(word)),
            "DELETE" => {
                let removed = words.next().map(|name| values[name].clone()).unwrap_or_default();
                remove_numbers(row, word, &removed);
            }
            _ => {
                let value = words.next().map(|name| values[name].clone()).unwrap_or_default();
                row.insert(word.to_owned(), value);
            }
        }
    }
}

fn is_clause(word: &str) -> bool {
    matches!(word, "SET" | "REMOVE" | "DELETE" | "ADD")
}

/// An empty set is no attribute.
fn remove_numbers(row: &mut Row, name: &str, removed: &Value) {
    let Some(kept) = row.get_mut(name).and_then(|set| set["NS"].as_array_mut()) else { return };
    kept.retain(|number| removed["NS"].as_array().is_none_or(|removed| !removed.contains(number)));
    if kept.is_empty() {
        row.remove(name);
    }
}

fn batch_write(request: &Value, counts: &Counts) -> String {
    let statements = request["Statements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_offline = |statement: &&Value| {
        let parameters = statement["Parameters"].as_array();
        parameters.is_some_and(|parameters| parameters.iter().any(|value| value["BOOL"] == false))
    };
    Counts::add(&counts.rows_written, statements.len());
    Counts::add(&counts.marked_offline, statements.iter().filter(is_offline).count());
    format!(r#"{{"Responses":[{}]}}"#, vec!["{}"; statements.len()].join(","))
}

fn is_warm_up(request: &Value) -> bool {
    let [item] = request["TransactItems"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        return false;
    };
    let written = item.as_object().into_iter().flat_map(Map::values);
    written.into_iter().any(|write| write["Key"]["id"]["S"] == NOBODY || write["Item"]["id"]["S"] == NOBODY)
}

fn refusal() -> Reply {
    Reply::of(
        StatusCode::BAD_REQUEST,
        &json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed]",
            "CancellationReasons": [{ "Code": "ConditionalCheckFailed", "Message": "The conditional request failed" }],
        }),
    )
}
