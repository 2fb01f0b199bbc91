//! What the pages read: the session and the connections, in one call.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use jiff::Timestamp;

use super::StoreError;
use super::rows::{self, CONNECTION_PROJECTION, Item};
use crate::config::{ConfigError, Env};
use crate::domain::{Connection, Provider, Session, SessionCredential, SessionLimits};
use crate::platform::{Clock, Platform};

/// How often keys that DynamoDB left unread are asked for again.
const TRIES: u32 = 4;

/// Reads for pages. Tokens are not among what is read.
pub struct View {
    client: Client,
    clock: Clock,
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

impl View {
    /// The view of the configured tables.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(&platform.aws),
            clock: platform.clock.clone(),
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
    pub async fn open(
        &self,
        credential: &SessionCredential,
        providers: &[Provider],
    ) -> Result<Option<SignedIn>, StoreError> {
        let now = self.clock.now();
        let session_keys = keys([rows::session_key(&credential.session_id())]);
        let connection_keys =
            keys(providers.iter().map(|provider| rows::connection_key(credential.user(), *provider)));
        let mut found = self
            .read(HashMap::from([
                (self.sessions_table.clone(), session_keys.build()?),
                (
                    self.connections_table.clone(),
                    connection_keys.projection_expression(CONNECTION_PROJECTION).build()?,
                ),
            ]))
            .await?;
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

    /// A session that could not be slid ends early, which is no reason to fail the page.
    async fn touch(&self, credential: &SessionCredential, now: Timestamp) {
        let update = self
            .client
            .update_item()
            .table_name(&self.sessions_table)
            .set_key(Some(rows::session_key(&credential.session_id())))
            .update_expression("SET last_seen_at = :now")
            .condition_expression("attribute_exists(id)")
            .expression_attribute_values(":now", rows::seconds(now));
        if let Err(error) = update.send().await {
            let error = StoreError::of_sdk("touch session", &error);
            tracing::warn!(%error, "the session's idle limit was not slid");
        }
    }

    /// Reads all keys, asking again for those that DynamoDB returns unprocessed.
    async fn read(
        &self,
        mut wanted: HashMap<String, KeysAndAttributes>,
    ) -> Result<HashMap<String, Vec<Item>>, StoreError> {
        let mut found: HashMap<String, Vec<Item>> = HashMap::new();
        for attempt in 1..=TRIES {
            let answer = self.client.batch_get_item().set_request_items(Some(wanted)).send().await;
            let answer = answer.map_err(|error| StoreError::of_sdk("read page", &error))?;
            for (table, items) in answer.responses.unwrap_or_default() {
                found.entry(table).or_default().extend(items);
            }
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(found);
            }
            self.clock.sleep(std::time::Duration::from_millis(25) * 2_u32.pow(attempt)).await;
        }
        Err(StoreError::new("read page", "keys stayed unprocessed"))
    }
}

fn keys(keys: impl IntoIterator<Item = Item>) -> aws_sdk_dynamodb::types::builders::KeysAndAttributesBuilder {
    KeysAndAttributes::builder().set_keys(Some(keys.into_iter().collect())).consistent_read(true)
}
