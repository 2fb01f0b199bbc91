//! What the sweep reads and writes. [`SweepStore`] is the door: in production [`DynamoSweepStore`] stands
//! behind it, in the fault campaign a table in memory.
//!
//! A sweep of the whole table is a [`Run`]. Its parts, the segments of a parallel scan and the closing, are
//! leased to one worker each. What is written here is the truth about how far it is; messages and the
//! schedule only wake workers.

mod dynamo;
mod state;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RenewalStore, StoreError};
use crate::domain::{
    Account, Actor, Connection, Generation, OfflineReason, Provider, RenewalClaim, Scopes, UserId,
};

pub use dynamo::DynamoSweepStore;

/// The answer of a store.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// What one connection's row is asked for by whoever checks its tokens.
pub trait ConnectionStore: RenewalStore {
    /// The connections table, which tokens are sealed for.
    fn table(&self) -> &str;

    /// One connection, read consistently; `None` where there is none that can be checked.
    fn read(&self, key: RowKey) -> Answer<'_, Option<StoredConnection>>;

    /// Updates rows, each only if it is still what was read (optimistic locking). At most
    /// [`MOST_UPDATES`], of different rows; the outcomes come in the same order. A row that is gone stays gone.
    fn record<'a>(&'a self, updates: &'a [RowUpdate]) -> BoxFuture<'a, Vec<Result<Recorded, StoreError>>>;
}

/// Everything that the sweep asks of the two tables.
pub trait SweepStore: ConnectionStore {
    /// The page of a segment after a cursor, or its first.
    fn scan(&self, segment: Segment, after: Option<Cursor>) -> Answer<'_, ScanPage>;

    /// The current run, or the last one.
    fn run(&self) -> Answer<'_, Option<Run>>;

    /// Begins a run, if the current one is still `previous` and finished. The run that is current then.
    fn begin<'a>(&'a self, previous: Option<&'a str>, run: &'a Run) -> Answer<'a, Run>;

    /// Leases a part of a run to a worker; `None` while another worker's lease lasts.
    fn lease<'a>(&'a self, part: PartOf<'a>, lease: Lease<'a>) -> Answer<'a, Option<Progress>>;

    /// Saves a part's progress, and ends the lease if asked to. False if the lease is another worker's by
    /// now, and nothing was saved.
    fn checkpoint<'a>(
        &'a self,
        part: PartOf<'a>,
        worker: &'a str,
        progress: &'a Progress,
        ends_lease: bool,
    ) -> Answer<'a, bool>;

    /// How far a part is; `None` before its first lease.
    fn progress<'a>(&'a self, part: PartOf<'a>) -> Answer<'a, Option<Progress>>;

    /// Notes that a segment is complete. The run after that; `None` if another run is current.
    fn complete<'a>(&'a self, run: &'a str, segment: u32) -> Answer<'a, Option<Run>>;

    /// Notes that the provider is asked no more in this run.
    fn give_up<'a>(&'a self, run: &'a str, provider: Provider) -> Answer<'a, ()>;

    /// Ends a run, with the summary for operators. False if it has ended already.
    fn finish<'a>(&'a self, run: &'a str, at: Timestamp, summary: &'a str) -> Answer<'a, bool>;
}

/// The most rows that one call updates (`BatchExecuteStatement` in DynamoDB's API reference).
pub const MOST_UPDATES: usize = 25;

/// A connection with its sealed token, as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredConnection {
    /// The connection.
    pub connection: Connection,
    /// The generation the token is sealed for and verdicts are recorded against.
    pub generation: Generation,
    /// The sealed tokens.
    pub sealed_tokens: Vec<u8>,
    /// When it was last tried.
    pub last_attempt_at: Option<Timestamp>,
    /// The id of that attempt; `None` since the (re)connection.
    pub last_attempt_by: Option<String>,
    /// What it found, as a verdict's or a class's name.
    pub last_attempt_result: Option<String>,
    /// When the provider last said what is granted.
    pub scopes_checked_at: Option<Timestamp>,
    /// How often the tokens of this generation were renewed.
    pub token_seq: i64,
    /// A renewal that was begun and brought no new tokens so far.
    pub renewal: Option<RenewalClaim>,
}

/// The key of a connection's row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct RowKey {
    /// The partition key.
    pub user: String,
    /// The sort key.
    pub provider: String,
}

impl RowKey {
    /// The key of a connection.
    pub fn of(connection: &Connection) -> Self {
        Self::new(&connection.user, connection.provider)
    }

    /// The key of a user's connection to a provider.
    pub fn new(user: &UserId, provider: Provider) -> Self {
        Self { user: user.as_str().to_owned(), provider: provider.key().to_owned() }
    }
}

/// A place in a segment: after this row.
pub type Cursor = RowKey;

/// One of the segments that a parallel scan divides the table into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// From 0.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

/// One answer to a scan.
#[derive(Default)]
pub struct ScanPage {
    /// Its connections.
    pub connections: Vec<StoredConnection>,
    /// Rows that are no connection this build can check.
    pub malformed: u64,
    /// Of those, damaged rows of a provider it knows, whoever wrote them.
    pub damaged: u64,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// One change of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowUpdate {
    /// The row.
    pub key: RowKey,
    /// The fence: the row is still of this generation …
    pub generation: Generation,
    /// … and nobody has tried since this attempt.
    pub seen_attempt: Option<String>,
    /// What was tried; `None` for a row that is only re-encrypted.
    pub attempt: Option<Attempt>,
    /// The tokens re-encrypted with the current key, where another key sealed them.
    pub resealed: Option<Vec<u8>>,
}

/// An attempt to check a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// Its id, random and never used twice for a row.
    pub id: String,
    /// When it was made.
    pub at: Timestamp,
    /// The name of the verdict or of the class.
    pub result: &'static str,
    /// What it says about the connection; `None` keeps the state.
    pub verdict: Option<RowVerdict>,
    /// What is granted, where that was asked.
    pub scopes: Option<Scopes>,
    /// The account, where its names are others than the row has. Its number stays.
    pub account: Option<Account>,
}

/// A conclusive verdict on a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowVerdict {
    /// Why it is offline; `None` for one that works.
    pub offline: Option<OfflineReason>,
    /// The invocation that changed the state, as log lines have it; `None` where the state stays.
    pub changed_in: Option<String>,
    /// Who found it out.
    pub actor: Actor,
}

/// What became of an update.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recorded {
    /// It is in the row.
    Written,
    /// The connection was replaced, removed or tried by somebody else in the meantime: the update says
    /// nothing of what is there now.
    Superseded,
}

/// One sweep of the whole table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Random.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// The segments that the table is divided into.
    pub segments: u32,
    /// Whether an operator asked for it: then every connection is due.
    pub forced: bool,
    /// The instant by which a connection must be due, for each provider that was given up in the run
    /// before: connections that it did not reach come first. For all others it is the run's start.
    #[serde(default)]
    pub catching_up: BTreeMap<String, Timestamp>,
    /// Segments that are not complete.
    #[serde(skip)]
    pub open: BTreeSet<u32>,
    /// Providers that are asked no more in this run, by key.
    #[serde(skip)]
    pub given_up: BTreeSet<String>,
    /// When it ended.
    #[serde(skip)]
    pub finished_at: Option<Timestamp>,
    /// Until when an operator lets a mass failure through.
    #[serde(skip)]
    pub allow_until: Option<Timestamp>,
}

impl Run {
    /// The id of a worker's attempts in this run.
    pub fn attempt_id(&self, worker: &str) -> String {
        format!("{}.{worker}", self.id)
    }

    /// Whether a connection was tried in this run.
    pub fn has_tried(&self, stored: &StoredConnection) -> bool {
        let by = stored.last_attempt_by.as_deref().and_then(|by| by.strip_prefix(&self.id));
        by.is_some_and(|rest| rest.starts_with('.'))
    }

    /// The instant by which a provider's connection must be due.
    pub fn due_by(&self, provider: Provider) -> Timestamp {
        self.catching_up.get(provider.key()).copied().unwrap_or(self.started_at)
    }
}

/// A part of a run, which one worker at a time does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A segment of the table.
    Segment(u32),
    /// Deciding what the segments leave open, once they are complete.
    Closing,
}

/// A part of a certain run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartOf<'a> {
    /// The run's id.
    pub run: &'a str,
    /// The part.
    pub part: Part,
}

/// A worker's claim to a part.
#[derive(Clone, Copy, Debug)]
pub struct Lease<'a> {
    /// The worker, by an id of its own.
    pub worker: &'a str,
    /// The time now.
    pub now: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// How far a part is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// After the last page that is complete.
    pub cursor: Option<Cursor>,
    /// Whether the part is complete.
    pub done: bool,
    /// Green connections of which a first answer says that they are dead, to be asked again.
    pub suspects: BTreeSet<RowKey>,
    /// Suspects that are too many to be remembered.
    pub suspects_left_out: u64,
    /// What the pages up to the cursor held, as the sweep counts it.
    pub counts: serde_json::Value,
}
