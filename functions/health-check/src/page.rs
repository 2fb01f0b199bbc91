//! Checks the connections of one page of the scan and records what was found.

use std::collections::BTreeSet;

use evosync_connections::domain::{Cadence, Liveness, OfflineReason};
use evosync_connections::store::StoreError;
use evosync_connections::store::sweep::{
    Cursor, MOST_UPDATES, Recorded, RowKey, RowUpdate, Run, ScanPage, StoredConnection, SweepStore,
};
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt as _, select_biased, stream};

use crate::check::{Checked, Checker, SUSPECTED};
use crate::summary::Summary;

/// What checks pages.
pub(crate) struct PageChecker<'a> {
    pub(crate) store: &'a dyn SweepStore,
    pub(crate) checker: &'a Checker<'a>,
    pub(crate) run: &'a Run,
    /// How often connections are due.
    pub(crate) cadence: Cadence,
    /// Checks in flight.
    pub(crate) concurrency: usize,
}

/// A page that was checked.
#[derive(Default)]
pub(crate) struct CheckedPage {
    pub(crate) summary: Summary,
    pub(crate) suspects: BTreeSet<RowKey>,
    /// Suspects whose rows could not be updated, so that nobody will ask again.
    pub(crate) suspects_left_out: u64,
    /// Where the next page begins; `None` after the last.
    pub(crate) next: Option<Cursor>,
    /// Connections that the deadline left no time for.
    pub(crate) out_of_time: u64,
}

/// An update to be written, and what it counts for once it is.
type Pending = (RowUpdate, Meaning);

struct Meaning {
    stored: StoredConnection,
    /// The answer; `None` for a row that is only re-encrypted.
    liveness: Option<Liveness>,
    /// Whether the answer is only noted, to be asked for again.
    is_suspicion: bool,
    re_encrypts: bool,
}

impl PageChecker<'_> {
    /// Checks what is due. Interrupted and done again, it asks about no connection twice: the rows say which
    /// were tried in this run.
    pub(crate) async fn check(&self, page: ScanPage) -> CheckedPage {
        let mut checked = CheckedPage { next: page.next, ..CheckedPage::default() };
        checked.summary.malformed = page.malformed;
        checked.summary.damaged = page.damaged;
        let (mut due, mut batch) = (Vec::new(), Vec::new());
        for stored in page.connections {
            if self.is_to_be_asked(&stored, &mut checked) {
                due.push(stored);
            } else if let Some(update) = self.checker.re_encryption(&stored) {
                batch.push(pending(update, stored, None, false));
            }
        }
        self.ask_and_record(due, batch, &mut checked).await;
        checked
    }

    /// Writes in full batches while checks go on.
    async fn ask_and_record(
        &self,
        due: Vec<StoredConnection>,
        mut batch: Vec<Pending>,
        page: &mut CheckedPage,
    ) {
        let ask = async |mut stored: StoredConnection| (self.checker.check(&mut stored).await, stored);
        let mut answers = stream::iter(due).map(ask).buffer_unordered(self.concurrency).fuse();
        let mut writes = FuturesUnordered::new();
        loop {
            while batch.len() >= MOST_UPDATES {
                writes.push(self.record(batch.drain(..MOST_UPDATES).collect()));
            }
            select_biased! {
                written = writes.select_next_some() => self.count(written, page),
                (answer, stored) = answers.select_next_some() => {
                    batch.extend(self.judge(answer, stored, page));
                }
                complete => break,
            }
        }
        if !batch.is_empty() {
            self.count(self.record(batch).await, page);
        }
    }

    /// Whether a connection is due and can be asked about; counts it otherwise.
    fn is_to_be_asked(&self, stored: &StoredConnection, page: &mut CheckedPage) -> bool {
        if self.run.has_tried(stored) {
            match stored.last_attempt_result.as_deref() {
                Some(SUSPECTED) => drop(page.suspects.insert(RowKey::of(&stored.connection))),
                _ => page.summary.count_again(stored),
            }
            return false;
        }
        if !self.is_due(stored) {
            page.summary.not_due += 1;
            page.summary.count_known(stored);
            let periods = self.age_in_periods(stored);
            page.summary.oldest_check_periods = page.summary.oldest_check_periods.max(periods);
            return false;
        }
        if self.checker.has_given_up(stored) {
            page.summary.unreached += 1;
            page.summary.count_known(stored);
            self.note_waiting(stored, page);
            return false;
        }
        true
    }

    /// A fifth of the period is allowed for sweeps that do not begin to the second. A renewal is due when the
    /// last proof is old enough, for operators too, since it spends a refresh token; then in each sweep, until
    /// it succeeds.
    fn is_due(&self, stored: &StoredConnection) -> bool {
        let (connection, Cadence { sweep, renewal }) = (&stored.connection, self.cadence);
        let by = self.run.due_by(connection.provider);
        let now = self.checker.platform.clock.now();
        let awaits_renewal = self.checker.renews(stored) && connection.awaits_renewal(now);
        if awaits_renewal && connection.last_checked_at.is_some_and(|at| by.duration_since(at) < renewal) {
            return false;
        }
        let Some(tried) = stored.last_attempt_at.filter(|_| !self.run.forced) else { return true };
        let usual = || connection.check_period(by, self.cadence);
        let period = if awaits_renewal { sweep } else { usual() };
        by.duration_since(tried) >= period * 4 / 5
    }

    /// How long a connection has waited since its last check. Between two renewals there is none, so that what
    /// counts then is how late the renewal is.
    fn age_in_periods(&self, stored: &StoredConnection) -> f64 {
        let now = self.checker.platform.clock.now();
        let Some(checked) = stored.connection.last_checked_at else { return f64::from(u32::MAX) };
        let (age, Cadence { sweep, renewal }) = (now.duration_since(checked), self.cadence);
        if stored.connection.awaits_renewal(now) && self.checker.renews(stored) {
            let late = age.checked_sub(renewal).unwrap_or_default().as_secs_f64();
            return age.as_secs_f64() / renewal.as_secs_f64() + late.max(0.0) / sweep.as_secs_f64();
        }
        let period = stored.connection.check_period(now, self.cadence);
        age.as_secs_f64() / period.as_secs_f64()
    }

    fn note_waiting(&self, stored: &StoredConnection, page: &mut CheckedPage) {
        page.summary.note_waiting(stored.connection.last_checked_at, self.age_in_periods(stored));
    }

    /// The update for an answer; counts where there is none. A first final answer about a green connection
    /// is only noted, unless the row itself says that the token's time has run out.
    fn judge(&self, answer: Checked, stored: StoredConnection, page: &mut CheckedPage) -> Option<Pending> {
        let verdict = match answer {
            Checked::Answered(verdict) => verdict,
            Checked::Superseded => {
                page.summary.superseded += 1;
                return None;
            }
            Checked::GivenUp { was_elsewhere } => {
                page.summary.count_given_up(was_elsewhere);
                self.note_waiting(&stored, page);
                return None;
            }
            Checked::Postponed { was_elsewhere } => {
                page.summary.count_postponed(was_elsewhere);
                self.note_waiting(&stored, page);
                return None;
            }
            Checked::NotCheckable => {
                page.summary.malformed += 1;
                return None;
            }
            Checked::NotReached => {
                page.summary.unreached += 1;
                page.out_of_time += u64::from(!self.checker.has_given_up(&stored));
                self.note_waiting(&stored, page);
                return None;
            }
        };
        let liveness = verdict.liveness;
        page.summary.count_renewal(&stored, &verdict);
        let is_suspicious = stored.connection.is_online
            && matches!(liveness, Liveness::Dead(reason) if reason != OfflineReason::TokenExpired);
        let update = if is_suspicious {
            self.checker.attempt(&stored, SUSPECTED, None)
        } else {
            self.checker.verdict(&stored, &verdict)
        };
        Some(pending(update, stored, Some(liveness), is_suspicious))
    }

    async fn record(&self, batch: Vec<Pending>) -> Vec<(Meaning, Result<Recorded, StoreError>)> {
        let (updates, meanings): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let outcomes = self.store.record(&updates).await;
        meanings.into_iter().zip(outcomes).collect()
    }

    fn count(&self, written: Vec<(Meaning, Result<Recorded, StoreError>)>, page: &mut CheckedPage) {
        for (Meaning { stored, liveness, is_suspicion, re_encrypts }, outcome) in written {
            page.summary.count_outcome(&outcome);
            if outcome.is_err() {
                self.note_waiting(&stored, page);
            }
            let is_written = matches!(outcome, Ok(Recorded::Written));
            page.summary.resealed += u64::from(is_written && re_encrypts);
            if is_suspicion {
                page.suspects_left_out += u64::from(outcome.is_err());
                if is_written {
                    page.suspects.insert(RowKey::of(&stored.connection));
                }
            } else if let Some(liveness) = liveness {
                page.summary.count(&stored, liveness);
                if matches!(liveness, Liveness::Unknown(_)) {
                    self.note_waiting(&stored, page);
                }
            }
        }
    }
}

fn pending(
    update: RowUpdate,
    stored: StoredConnection,
    liveness: Option<Liveness>,
    is_suspicion: bool,
) -> Pending {
    let re_encrypts = update.resealed.is_some();
    (update, Meaning { stored, liveness, is_suspicion, re_encrypts })
}
