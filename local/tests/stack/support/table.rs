//! Looking into the tables, and meddling with them.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::TestStack;

pub(crate) type Row = HashMap<String, AttributeValue>;

/// One of the stack's tables.
pub(crate) struct Table {
    client: Client,
    name: &'static str,
}

impl TestStack {
    /// `CONNECTIONS_TABLE`.
    pub(crate) fn connections(&self) -> Table {
        Table { client: Client::new(&self.stack.aws().sdk_config()), name: "ConnectionsTable" }
    }

    /// `SESSIONS_TABLE`.
    pub(crate) fn sessions(&self) -> Table {
        Table { client: Client::new(&self.stack.aws().sdk_config()), name: "SessionsTable" }
    }
}

impl Table {
    /// Every row.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        let answer = self.client.scan().table_name(self.name).send().await.expect("the table answers");
        answer.items.unwrap_or_default()
    }

    /// The only row.
    pub(crate) async fn row(&self) -> Row {
        let mut rows = self.rows().await;
        assert_eq!(rows.len(), 1);
        rows.remove(0)
    }

    /// Deletes a row, as only an operator could.
    pub(crate) async fn delete(&self, row: &Row) {
        let key = ["user_id", "provider"].map(|name| (name.to_owned(), row[name].clone()));
        let delete = self.client.delete_item().table_name(self.name).set_key(Some(key.into()));
        delete.send().await.expect("the table answers");
    }

    /// Writes a row over whatever is there.
    pub(crate) async fn put(&self, row: Row) {
        let put = self.client.put_item().table_name(self.name).set_item(Some(row));
        put.send().await.expect("the table answers");
    }
}

/// A text attribute of a row.
pub(crate) fn text<'a>(row: &'a Row, name: &str) -> &'a str {
    row.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).unwrap_or_default()
}
