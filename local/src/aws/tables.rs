//! The template's tables in the embedded DynamoDB.

use dynoxide::{Database, DynoxideError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cloudformation::TableSpec;

/// Creates the tables that are not there yet, each under its logical id.
pub(super) fn create(database: &Database, tables: &[TableSpec]) -> Result<(), DynoxideError> {
    for table in tables {
        let properties = &table.properties;
        let request = json!({
            "TableName": table.logical_id,
            "AttributeDefinitions": properties["AttributeDefinitions"],
            "KeySchema": properties["KeySchema"],
            "BillingMode": properties["BillingMode"],
        });
        match database.create_table(parsed(request)?) {
            Ok(_) | Err(DynoxideError::ResourceInUseException(_)) => {}
            Err(error) => return Err(error),
        }
        switch_stream_on(database, table)?;
        let ttl = &properties["TimeToLiveSpecification"];
        if ttl.is_object() {
            let request = json!({ "TableName": table.logical_id, "TimeToLiveSpecification": ttl });
            database.update_time_to_live(parsed(request)?)?;
        }
    }
    Ok(())
}

/// Switches a table's stream on where the template wants one, also for a table of an earlier build.
fn switch_stream_on(database: &Database, table: &TableSpec) -> Result<(), DynoxideError> {
    let view = &table.properties["StreamSpecification"]["StreamViewType"];
    let streams = json!({ "TableName": table.logical_id });
    if view.is_null() || !database.list_streams(parsed(streams)?)?.streams.is_empty() {
        return Ok(());
    }
    let stream = json!({ "StreamEnabled": true, "StreamViewType": view });
    let request = json!({ "TableName": table.logical_id, "StreamSpecification": stream });
    database.update_table(parsed(request)?).map(drop)
}

pub(super) fn parsed<T: DeserializeOwned>(request: Value) -> Result<T, DynoxideError> {
    serde_json::from_value(request).map_err(|error| DynoxideError::ValidationException(error.to_string()))
}
