//! What the pages read: the session and the connections, in one call.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use jiff::Timestamp;

use super::StoreError;
use super::attributes::session::{ID, LAST_SEEN_AT};
use super::batch_read::{BatchRead, Keys, keys};
use super::rows::{self, connection_projection};
use crate::config::{ConfigError, Env};
use crate::domain::{Connection, Provider, Session, SessionCredential, SessionLimits};
use crate::error_chain::chain;
use crate::platform::{Clock, Platform};

/// Reads for pages. Tokens are not among what is read.
pub struct PageStore {
    client: Client,
    clock: Clock,
    batch: BatchRead,
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
        let client = Client::new(&platform.aws);
        Ok(Self {
            batch: BatchRead::new(platform, client.clone(), "read page"),
            client,
            clock: platform.clock.clone(),
            connections_table: env.connections_table()?,
            sessions_table: env.sessions_table()?,
            limits: env.session_limits()?,
        })
    }

    /// Opens the connection to the table ahead of the first request.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.batch
            .read(HashMap::from([(
                self.sessions_table.clone(),
                keys([rows::id_key(rows::NOBODY.to_owned())]).build()?,
            )]))
            .await
            .map(drop)
    }

    /// The session of a credential and its user's connections to `providers`, or `None` where no
    /// live session is found. Extends the idle limit when that is due, at the cost of one write.
    pub async fn load(
        &self,
        credential: &SessionCredential,
        providers: &[Provider],
    ) -> Result<Option<SignedIn>, StoreError> {
        let now = self.clock.now();
        let mut found = self.batch.read(self.keys_of(credential, providers)?).await?;
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

    /// A session whose idle limit could not be extended ends early, which is no reason to fail the page.
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
}
