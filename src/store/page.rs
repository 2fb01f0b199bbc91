//! What the pages read: the session and the connections, in one call.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use jiff::Timestamp;

use super::StoreError;
use super::attributes::session::{ID, LAST_SEEN_AT};
use super::rows::{self, Item, connection_projection};
use crate::config::{ConfigError, Env};
use crate::domain::{Connection, Provider, Session, SessionCredential, SessionLimits};
use crate::error_chain::chain;
use crate::platform::{Clock, Platform};
use crate::retry::{Policy, Retry, Try};

/// How keys are asked for again that DynamoDB left unread.
const UNREAD_POLICY: Policy = Policy { tries: 4, first_pause: Duration::from_millis(50) };

/// Reads for pages. Tokens are not among what is read.
pub struct PageStore {
    client: Client,
    clock: Clock,
    retry: Retry,
    connections_table: String,
    sessions_table: String,
    limits: SessionLimits,
}

/// A signed-in person and what they have connected.
pub struct SignedIn {
    /// The live session.
    pub session: Session,
    /// The connections asked for that exist.
    pub connections: Vec<Connection>,
}

impl PageStore {
    /// The view of the configured tables.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(&platform.aws),
            clock: platform.clock.clone(),
            retry: Retry::new(platform, UNREAD_POLICY),
            connections_table: env.connections_table()?,
            sessions_table: env.sessions_table()?,
            limits: env.session_limits()?,
        })
    }

    /// Opens the connection to the table ahead of the first request.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.read(HashMap::from([(
            self.sessions_table.clone(),
            keys([rows::id_key(rows::NOBODY.to_owned())]).build()?,
        )]))
        .await
        .map(drop)
    }

    /// The session of a credential and its user's connections to `providers`, or `None` where no
    /// live session is found. Slides the idle limit when that is due, at the cost of one write.
    pub async fn load(
        &self,
        credential: &SessionCredential,
        providers: &[Provider],
    ) -> Result<Option<SignedIn>, StoreError> {
        let now = self.clock.now();
        let mut found = self.read(self.keys_of(credential, providers)?).await?;
        let session = found.remove(&self.sessions_table).unwrap_or_default().first().and_then(rows::session);
        let live =
            session.filter(|session| session.user == *credential.user() && session.is_live(now, self.limits));
        let Some(session) = live else { return Ok(None) };
        if session.needs_touch(now, self.limits) {
            self.touch(credential, now).await;
        }
        let items = found.remove(&self.connections_table).unwrap_or_default();
        Ok(Some(SignedIn { session, connections: items.iter().filter_map(rows::connection).collect() }))
    }

    fn keys_of(&self, credential: &SessionCredential, providers: &[Provider]) -> Result<Keys, StoreError> {
        let session = keys([rows::session_key(&credential.session_id())]);
        let mut wanted = HashMap::from([(self.sessions_table.clone(), session.build()?)]);
        // DynamoDB refuses a table of which nothing is asked.
        if !providers.is_empty() {
            let row = |provider: &Provider| rows::connection_key(credential.user(), *provider);
            let connections = keys(providers.iter().map(row)).projection_expression(connection_projection());
            wanted.insert(self.connections_table.clone(), connections.build()?);
        }
        Ok(wanted)
    }

    /// A session that could not be slid ends early, which is no reason to fail the page.
    async fn touch(&self, credential: &SessionCredential, now: Timestamp) {
        let update = self
            .client
            .update_item()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::session_key(&credential.session_id())))
            .update_expression(format!("SET {LAST_SEEN_AT} = :now"))
            .condition_expression(format!("attribute_exists({ID})"))
            .expression_attribute_values(":now", rows::seconds(now));
        if let Err(error) = update.send().await {
            let error = StoreError::of_sdk("touch session", &error);
            tracing::warn!(error = chain(&error), "the session's idle limit was not extended");
        }
    }

    /// Reads all keys, asking again for those that DynamoDB returns unprocessed.
    async fn read(&self, wanted: Keys) -> Result<HashMap<String, Vec<Item>>, StoreError> {
        let state = Mutex::new((wanted, HashMap::new()));
        let attempt = || async {
            let wanted = std::mem::take(&mut lock(&state).0);
            let answer = self.client.batch_get_item().set_request_items(Some(wanted)).send().await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => return Try::Settled(Err(StoreError::of_sdk("read page", &error))),
            };
            let (wanted, found) = &mut *lock(&state);
            for (table, items) in answer.responses.unwrap_or_default() {
                found.entry(table).or_insert_with(Vec::new).extend(items);
            }
            *wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                Try::Settled(Ok(()))
            } else {
                Try::Transient(Err(StoreError::new("read page", "keys stayed unprocessed")))
            }
        };
        self.retry.run(attempt).await?;
        Ok(state.into_inner().unwrap_or_else(PoisonError::into_inner).1)
    }
}

type Keys = HashMap<String, KeysAndAttributes>;

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keys(keys: impl IntoIterator<Item = Item>) -> aws_sdk_dynamodb::types::builders::KeysAndAttributesBuilder {
    KeysAndAttributes::builder().set_keys(Some(keys.into_iter().collect())).consistent_read(true)
}
