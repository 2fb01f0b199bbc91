//! The sweep's store in DynamoDB.

use aws_sdk_dynamodb::Client;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::super::batch_write::BatchWrite;
use super::super::renewal::{Counter, NewTokens, RenewalStore, Tables};
use super::{
    Answer, ConnectionStore, Cursor, Lease, PartOf, Progress, Recorded, RowKey, RowUpdate, Run, ScanPage,
    Segment, StoredConnection, SweepStore, state, table,
};
use crate::config::{ConfigError, Env};
use crate::domain::{Provider, RenewalClaim};
use crate::platform::Platform;

/// The two tables as the sweep sees them.
pub struct DynamoSweepStore {
    pub(super) client: Client,
    pub(super) writes: BatchWrite,
    pub(super) connections: String,
    pub(super) sessions: String,
    platform: Platform,
}

impl DynamoSweepStore {
    /// The store of the configured tables.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        let client = Client::new(&platform.aws);
        Ok(Self {
            writes: BatchWrite::new(platform, client.clone()),
            client,
            connections: env.connections_table()?,
            sessions: env.sessions_table()?,
            platform: platform.clone(),
        })
    }

    fn tables(&self) -> Tables<'_> {
        Tables { client: &self.client, connections: &self.connections, sessions: &self.sessions }
    }
}

impl ConnectionStore for DynamoSweepStore {
    fn table(&self) -> &str {
        &self.connections
    }

    fn read(&self, key: RowKey) -> Answer<'_, Option<StoredConnection>> {
        table::read(self, key).boxed()
    }

    fn record<'a>(
        &'a self,
        updates: &'a [RowUpdate],
    ) -> BoxFuture<'a, Vec<Result<Recorded, super::StoreError>>> {
        table::record(self, updates).boxed()
    }
}

impl SweepStore for DynamoSweepStore {
    fn scan(&self, segment: Segment, after: Option<Cursor>) -> Answer<'_, ScanPage> {
        table::scan(self, segment, after).boxed()
    }

    fn run(&self) -> Answer<'_, Option<Run>> {
        state::run(self).boxed()
    }

    fn begin<'a>(&'a self, previous: Option<&'a str>, run: &'a Run) -> Answer<'a, Run> {
        state::begin(self, previous, run).boxed()
    }

    fn lease<'a>(&'a self, part: PartOf<'a>, lease: Lease<'a>) -> Answer<'a, Option<Progress>> {
        state::lease(self, part, lease).boxed()
    }

    fn checkpoint<'a>(
        &'a self,
        part: PartOf<'a>,
        worker: &'a str,
        progress: &'a Progress,
        ends_lease: bool,
    ) -> Answer<'a, bool> {
        state::checkpoint(self, part, worker, progress, ends_lease).boxed()
    }

    fn progress<'a>(&'a self, part: PartOf<'a>) -> Answer<'a, Option<Progress>> {
        state::progress(self, part).boxed()
    }

    fn complete<'a>(&'a self, run: &'a str, segment: u32) -> Answer<'a, Option<Run>> {
        state::complete(self, run, segment).boxed()
    }

    fn give_up<'a>(&'a self, run: &'a str, provider: Provider) -> Answer<'a, ()> {
        state::give_up(self, run, provider).boxed()
    }

    fn finish<'a>(&'a self, run: &'a str, at: Timestamp, summary: &'a str) -> Answer<'a, bool> {
        state::finish(self, run, at, summary).boxed()
    }
}

impl RenewalStore for DynamoSweepStore {
    fn claim<'a>(&'a self, stored: &'a StoredConnection, claim: &'a RenewalClaim) -> Answer<'a, bool> {
        async move { self.tables().claim(stored, claim).await }.boxed()
    }

    fn release<'a>(&'a self, stored: &'a StoredConnection, claim: &'a RenewalClaim) -> Answer<'a, ()> {
        async move { self.tables().release(stored, claim).await }.boxed()
    }

    fn note_refusal<'a>(&'a self, stored: &'a StoredConnection, claim: &'a RenewalClaim) -> Answer<'a, ()> {
        async move { self.tables().note_refusal(stored, claim).await }.boxed()
    }

    fn save<'a>(
        &'a self,
        stored: &'a StoredConnection,
        claim: &'a RenewalClaim,
        tokens: &'a NewTokens,
    ) -> Answer<'a, bool> {
        async move { self.tables().save(&self.platform, stored, claim, tokens).await }.boxed()
    }

    fn count(&self, counter: Counter, at: Timestamp, limit: u32) -> Answer<'_, bool> {
        async move { self.tables().count(counter, at, limit).await }.boxed()
    }
}
