//! Reading rows of both tables in one call.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use aws_sdk_dynamodb::types::builders::KeysAndAttributesBuilder;

use super::StoreError;
use super::rows::Item;
use crate::platform::Platform;
use crate::retry::{Policy, Retry, Try};

/// How keys are asked for again that DynamoDB returned unprocessed.
const UNPROCESSED_POLICY: Policy = Policy { tries: 4, first_pause: Duration::from_millis(50) };

/// The keys to read, by table.
pub(super) type Keys = HashMap<String, KeysAndAttributes>;

/// Reads rows.
pub(super) struct BatchRead {
    client: Client,
    retry: Retry,
    operation: &'static str,
}

impl BatchRead {
    /// Reads for an operation, which errors name.
    pub(super) fn new(platform: &Platform, client: Client, operation: &'static str) -> Self {
        Self { client, retry: Retry::new(platform, UNPROCESSED_POLICY), operation }
    }

    /// Reads all keys, asking again for those that DynamoDB returns unprocessed.
    pub(super) async fn read(&self, wanted: Keys) -> Result<HashMap<String, Vec<Item>>, StoreError> {
        let state = Mutex::new((wanted, HashMap::new()));
        let attempt = || async {
            let wanted = std::mem::take(&mut lock(&state).0);
            let answer = self.client.batch_get_item().set_request_items(Some(wanted)).send().await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => return Try::Settled(Err(StoreError::of_sdk(self.operation, &error))),
            };
            let (wanted, found) = &mut *lock(&state);
            for (table, items) in answer.responses.unwrap_or_default() {
                found.entry(table).or_insert_with(Vec::new).extend(items);
            }
            *wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                Try::Settled(Ok(()))
            } else {
                Try::Transient(Err(StoreError::new(self.operation, "keys stayed unprocessed")))
            }
        };
        self.retry.run(attempt).await?;
        Ok(state.into_inner().unwrap_or_else(PoisonError::into_inner).1)
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys of one table, read consistently.
pub(super) fn keys(keys: impl IntoIterator<Item = Item>) -> KeysAndAttributesBuilder {
    KeysAndAttributes::builder().set_keys(Some(keys.into_iter().collect())).consistent_read(true)
}
