//! The sweep's store in memory, with DynamoDB's conditions, and faults to order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use evosync_connections::domain::{Account, Expiry, Provider, RenewalClaim};
use evosync_connections::store::sweep::{
    Answer, ConnectionStore, Cursor, Lease, MOST_UPDATES, Part, PartOf, Progress, Recorded, RowKey,
    RowUpdate, Run, ScanPage, Segment, StoredConnection, SweepStore,
};
use evosync_connections::store::{Counter, NewTokens, RenewalStore, StoreError};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::random::Random;

/// Rows of a page of the scan.
const PAGE: usize = 7;

/// How the store behaves.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// One call in so many fails; 0 for none.
    pub(crate) fails: u64,
    /// One call in so many works, and its answer is lost.
    pub(crate) loses: u64,
    /// One update in so many fails by itself.
    pub(crate) fails_partly: u64,
    /// The longest time that a call takes.
    pub(crate) latency: Duration,
    /// How much longer it takes to write progress down.
    pub(crate) checkpoint: Duration,
}

#[derive(Clone)]
pub(crate) struct Memory {
    tables: Arc<Mutex<Tables>>,
    random: Random,
}

#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) rows: BTreeMap<RowKey, StoredConnection>,
    run: Option<(Run, String)>,
    parts: BTreeMap<(String, String), PartRow>,
    pub(crate) faults: Faults,
    /// Calls that write rows, and the rows they were to write.
    pub(crate) writes: usize,
    pub(crate) rows_to_write: usize,
    counters: BTreeMap<String, u32>,
    /// What has turned red by a verdict.
    pub(crate) turned_red: Vec<(RowKey, String)>,
}

#[derive(Clone, Default)]
struct PartRow {
    progress: Progress,
    lease: Option<(String, Timestamp)>,
    worker: String,
}

enum Fate {
    Works,
    Fails,
    Loses,
}

impl Memory {
    pub(crate) fn new(random: Random) -> Self {
        Self { tables: Arc::default(), random }
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap()
    }

    /// An operator lets mass failures through, as `infra/ops/allow-broken` does.
    pub(crate) fn allow_until(&self, until: Timestamp) {
        self.tables().run.as_mut().unwrap().0.allow_until = Some(until);
    }

    pub(crate) fn door(&self) -> Box<dyn SweepStore> {
        Box::new(self.clone())
    }

    async fn take_time(&self, longest: Duration) {
        if !longest.is_zero() {
            tokio::time::sleep(self.random.up_to(longest)).await;
        }
    }

    /// A call that takes time before it reaches the table and on its way back.
    fn call<'a, T: Send + 'a>(
        &'a self,
        operation: impl FnOnce(&mut Tables) -> T + Send + 'a,
    ) -> Answer<'a, T> {
        async move {
            let faults = self.tables().faults;
            self.take_time(faults.latency).await;
            let fate = match faults {
                Faults { fails, .. } if self.random.one_in(fails) => Fate::Fails,
                Faults { loses, .. } if self.random.one_in(loses) => Fate::Loses,
                _ => Fate::Works,
            };
            if matches!(fate, Fate::Fails) {
                return Err(StoreError::new("call", "InternalServerError"));
            }
            let answer = operation(&mut self.tables());
            self.take_time(faults.latency).await;
            match fate {
                Fate::Loses => Err(StoreError::new("call", "the answer is lost")),
                _ => Ok(answer),
            }
        }
        .boxed()
    }
}

fn part_key(part: PartOf<'_>) -> (String, String) {
    let name = match part.part {
        Part::Segment(number) => number.to_string(),
        Part::Closing => "closing".to_owned(),
    };
    (part.run.to_owned(), name)
}

/// Some division of the keys that stays the same.
fn segment_of(key: &RowKey, of: u32) -> u32 {
    key.user.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))) % of
}

impl Tables {
    fn update(&mut self, update: &RowUpdate) -> Recorded {
        let Some(row) = self.rows.get_mut(&update.key) else { return Recorded::Superseded };
        let ours = update.attempt.as_ref().map(|attempt| attempt.id.clone());
        if row.generation != update.generation || row.last_attempt_by != update.seen_attempt {
            let is_written =
                ours.is_some() && row.generation == update.generation && row.last_attempt_by == ours;
            return if is_written { Recorded::Written } else { Recorded::Superseded };
        }
        if let Some(sealed) = &update.resealed {
            row.sealed_tokens.clone_from(sealed);
        }
        let Some(attempt) = &update.attempt else { return Recorded::Written };
        row.last_attempt_at = Some(attempt.at);
        row.last_attempt_by = Some(attempt.id.clone());
        row.last_attempt_result = Some(attempt.result.to_owned());
        if let Some(scopes) = &attempt.scopes {
            (row.connection.scopes, row.scopes_checked_at) = (Some(scopes.clone()), Some(attempt.at));
        }
        if let Some(Account { first_name, last_name, .. }) = attempt.account.clone() {
            let id = row.connection.account.id.clone();
            row.connection.account = Account { id, first_name, last_name };
        }
        if let Some(verdict) = &attempt.verdict {
            if row.connection.is_online && verdict.offline.is_some() {
                self.turned_red.push((update.key.clone(), row.generation.as_str().to_owned()));
            }
            row.connection.is_online = verdict.offline.is_none();
            row.connection.offline_reason = verdict.offline;
            row.connection.last_checked_at = Some(attempt.at);
            if verdict.changed_in.is_some() {
                row.connection.updated_at = Some(attempt.at);
            }
        }
        Recorded::Written
    }

    /// The row of a claim that stands.
    fn of_claim(&mut self, stored: &StoredConnection, claim: &RenewalClaim) -> Option<&mut StoredConnection> {
        let row = self.rows.get_mut(&RowKey::of(&stored.connection))?;
        let stands = row.renewal.as_ref().is_some_and(|found| found.id == claim.id);
        (row.generation == stored.generation && stands).then_some(row)
    }

    fn claim(&mut self, stored: &StoredConnection, claim: &RenewalClaim) -> bool {
        let Some(row) = self.rows.get_mut(&RowKey::of(&stored.connection)) else { return false };
        let id = |claim: &Option<RenewalClaim>| claim.as_ref().map(|claim| claim.id.clone());
        if id(&row.renewal).as_ref() == Some(&claim.id) {
            return true;
        }
        let is_seen = row.generation == stored.generation
            && row.token_seq == stored.token_seq
            && id(&row.renewal) == id(&stored.renewal);
        if is_seen {
            row.renewal = Some(claim.clone());
        }
        is_seen
    }

    fn save(&mut self, stored: &StoredConnection, claim: &RenewalClaim, tokens: &NewTokens) -> bool {
        let Some(row) = self.of_claim(stored, claim) else {
            let row = self.rows.get(&RowKey::of(&stored.connection));
            return row.is_some_and(|row| row.last_attempt_by.as_ref() == Some(&tokens.attempt_id));
        };
        row.sealed_tokens.clone_from(&tokens.sealed);
        row.connection.expiry = tokens.expires_at.map(|at| Expiry { at, renewable: true });
        row.connection.last_checked_at = Some(tokens.at);
        row.token_seq += 1;
        row.renewal = None;
        row.last_attempt_by = Some(tokens.attempt_id.clone());
        if tokens.scopes.is_some() {
            (row.connection.scopes, row.scopes_checked_at) = (tokens.scopes.clone(), Some(tokens.at));
        }
        true
    }

    fn of_run(&mut self, run: &str) -> Option<&mut (Run, String)> {
        self.run.as_mut().filter(|(current, _)| current.id == run)
    }
}

impl ConnectionStore for Memory {
    fn table(&self) -> &'static str {
        "connections"
    }

    fn read(&self, key: RowKey) -> Answer<'_, Option<StoredConnection>> {
        self.call(move |tables| tables.rows.get(&key).cloned())
    }

    fn record<'a>(&'a self, updates: &'a [RowUpdate]) -> BoxFuture<'a, Vec<Result<Recorded, StoreError>>> {
        async move {
            assert!(updates.len() <= MOST_UPDATES);
            let partly = self.tables().faults.fails_partly;
            let written = self
                .call(|tables| {
                    tables.writes += 1;
                    tables.rows_to_write += updates.len();
                    let mut write = |update| {
                        let fails = self.random.one_in(partly);
                        if fails {
                            Err(StoreError::new("write", "ThrottlingError"))
                        } else {
                            Ok(tables.update(update))
                        }
                    };
                    updates.iter().map(&mut write).collect::<Vec<_>>()
                })
                .await;
            written.unwrap_or_else(|error| updates.iter().map(|_| Err(error.clone())).collect())
        }
        .boxed()
    }
}

impl SweepStore for Memory {
    fn scan(&self, segment: Segment, after: Option<Cursor>) -> Answer<'_, ScanPage> {
        self.call(move |tables| {
            let in_segment = tables.rows.values().filter(|row| {
                let key = RowKey::of(&row.connection);
                segment_of(&key, segment.of) == segment.number
                    && after.as_ref().is_none_or(|after| key > *after)
            });
            let connections: Vec<_> = in_segment.take(PAGE).cloned().collect();
            let next = (connections.len() == PAGE).then(|| RowKey::of(&connections[PAGE - 1].connection));
            ScanPage { connections, next, ..ScanPage::default() }
        })
    }

    fn run(&self) -> Answer<'_, Option<Run>> {
        self.call(|tables| tables.run.as_ref().map(|(run, _)| run.clone()))
    }

    fn begin<'a>(&'a self, previous: Option<&'a str>, run: &'a Run) -> Answer<'a, Run> {
        self.call(move |tables| {
            let allow_until = match &tables.run {
                None => None,
                Some((current, _)) if previous == Some(&current.id) && current.finished_at.is_some() => {
                    current.allow_until
                }
                Some((current, _)) => return current.clone(),
            };
            let begun = Run { allow_until, ..run.clone() };
            tables.run = Some((begun.clone(), String::new()));
            begun
        })
    }

    fn lease<'a>(&'a self, part: PartOf<'a>, lease: Lease<'a>) -> Answer<'a, Option<Progress>> {
        self.call(move |tables| {
            let row = tables.parts.entry(part_key(part)).or_default();
            let is_free =
                row.lease.as_ref().is_none_or(|(worker, until)| *until < lease.now || worker == lease.worker);
            is_free.then(|| {
                row.lease = Some((lease.worker.to_owned(), lease.until));
                lease.worker.clone_into(&mut row.worker);
                row.progress.clone()
            })
        })
    }

    fn checkpoint<'a>(
        &'a self,
        part: PartOf<'a>,
        worker: &'a str,
        progress: &'a Progress,
        ends_lease: bool,
    ) -> Answer<'a, bool> {
        let longer = self.tables().faults.checkpoint;
        let written = self.call(move |tables| {
            let row = tables.parts.entry(part_key(part)).or_default();
            if row.worker != worker {
                return false;
            }
            row.progress = progress.clone();
            row.lease = row.lease.take().filter(|_| !ends_lease);
            true
        });
        tokio::time::sleep(longer).then(|()| written).boxed()
    }

    fn progress<'a>(&'a self, part: PartOf<'a>) -> Answer<'a, Option<Progress>> {
        self.call(move |tables| tables.parts.get(&part_key(part)).map(|row| row.progress.clone()))
    }

    fn complete<'a>(&'a self, run: &'a str, segment: u32) -> Answer<'a, Option<Run>> {
        self.call(move |tables| {
            let (run, _) = tables.of_run(run)?;
            run.open.remove(&segment);
            Some(run.clone())
        })
    }

    fn give_up<'a>(&'a self, run: &'a str, provider: Provider) -> Answer<'a, ()> {
        self.call(move |tables| {
            if let Some((run, _)) = tables.of_run(run) {
                run.given_up.insert(provider.key().to_owned());
            }
        })
    }

    fn finish<'a>(&'a self, run: &'a str, at: Timestamp, summary: &'a str) -> Answer<'a, bool> {
        self.call(move |tables| {
            let Some((run, kept)) = tables.of_run(run) else { return false };
            if run.finished_at.is_none() {
                run.finished_at = Some(at);
                summary.clone_into(kept);
            }
            kept == summary
        })
    }
}

/// How often a write of new tokens is tried.
const SAVES: usize = 8;

impl RenewalStore for Memory {
    fn claim<'a>(&'a self, stored: &'a StoredConnection, claim: &'a RenewalClaim) -> Answer<'a, bool> {
        async move {
            match self.call(|tables| tables.claim(stored, claim)).await {
                Ok(claimed) => Ok(claimed),
                // An answer that was lost is looked up.
                Err(error) => self
                    .call(|tables| tables.of_claim(stored, claim).is_some())
                    .await
                    .and_then(|is_there| if is_there { Ok(true) } else { Err(error) }),
            }
        }
        .boxed()
    }

    fn release<'a>(&'a self, stored: &'a StoredConnection, claim: &'a RenewalClaim) -> Answer<'a, ()> {
        self.call(|tables| {
            if let Some(row) = tables.of_claim(stored, claim) {
                row.renewal = None;
            }
        })
    }

    fn note_refusal<'a>(&'a self, stored: &'a StoredConnection, claim: &'a RenewalClaim) -> Answer<'a, ()> {
        self.call(|tables| {
            let row = tables.of_claim(stored, claim);
            if let Some(found) = row.and_then(|row| row.renewal.as_mut()) {
                found.refusals = claim.refusals;
            }
        })
    }

    fn save<'a>(
        &'a self,
        stored: &'a StoredConnection,
        claim: &'a RenewalClaim,
        tokens: &'a NewTokens,
    ) -> Answer<'a, bool> {
        async move {
            let mut outcome = self.call(|tables| tables.save(stored, claim, tokens)).await;
            for _ in 1..SAVES {
                if outcome.is_ok() {
                    break;
                }
                outcome = self.call(|tables| tables.save(stored, claim, tokens)).await;
            }
            outcome
        }
        .boxed()
    }

    fn count(&self, counter: Counter, at: Timestamp, limit: u32) -> Answer<'_, bool> {
        self.call(move |tables| {
            let so_far = tables.counters.entry(counter.row(at)).or_default();
            let is_left = *so_far < limit;
            *so_far += u32::from(is_left);
            is_left
        })
    }
}
