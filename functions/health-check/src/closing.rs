//! The end of a run: suspects are asked again, and a guard decides whether their deaths are believed. Only
//! here does a green connection turn red by a provider's word.

use std::collections::BTreeMap;

use evosync_connections::domain::Liveness;
use evosync_connections::store::StoreError;
use evosync_connections::store::sweep::{MOST_UPDATES, RowKey, RowUpdate, Run, StoredConnection, SweepStore};
use futures_util::{StreamExt as _, stream};

use crate::check::{Checked, Checker, HELD, Renewed, SUSPECTED, Verdict};
use crate::summary::Summary;

/// So many broken connections in one run are always believed.
const FEW: u64 = 5;

/// More than this part of the connections that work is a mass failure: one in twenty.
const ONE_IN: u64 = 20;

/// What decides about suspects.
pub(crate) struct Closing<'a> {
    pub(crate) store: &'a dyn SweepStore,
    pub(crate) checker: &'a Checker<'a>,
    pub(crate) run: &'a Run,
    pub(crate) concurrency: usize,
}

/// What was found about the suspects of one provider.
#[derive(Default)]
struct Found {
    /// Dead by two answers.
    candidates: Vec<(StoredConnection, Verdict)>,
    /// Held back before this closing was interrupted.
    held: u64,
    /// Suspects that no list has.
    left_out: u64,
}

/// What a suspect is by now.
enum Suspect {
    /// It was asked about again.
    Asked(Box<StoredConnection>, Checked),
    /// It was held back.
    Held(String),
    /// It has turned red.
    Broken,
    /// It was replaced, removed, or found alive.
    Gone,
}

impl Closing<'_> {
    /// Decides about all suspects. False if the deadline came first; then nothing is decided.
    pub(crate) async fn decide(
        &self,
        suspects: Vec<RowKey>,
        left_out: u64,
        summary: &mut Summary,
    ) -> Result<bool, StoreError> {
        let mut found = BTreeMap::<String, Found>::new();
        let mut settled = Vec::new();
        let answers = stream::iter(suspects).map(|key| self.ask_again(key));
        // All of them, whatever comes of one: a renewal under way must not be dropped.
        let answers: Vec<_> = answers.buffer_unordered(self.concurrency).collect().await;
        for answer in answers {
            let (stored, answer) = match answer? {
                Suspect::Asked(stored, answer) => (*stored, answer),
                Suspect::Held(provider) => {
                    found.entry(provider).or_default().held += 1;
                    continue;
                }
                Suspect::Broken => {
                    (summary.dead, summary.broken) = (summary.dead + 1, summary.broken + 1);
                    continue;
                }
                Suspect::Gone => {
                    summary.superseded += 1;
                    continue;
                }
            };
            let provider = stored.connection.provider.key().to_owned();
            match answer {
                Checked::Answered(verdict) if matches!(verdict.liveness, Liveness::Dead(_)) => {
                    found.entry(provider).or_default().candidates.push((stored, verdict));
                }
                Checked::Answered(verdict) => {
                    summary.count_renewal(&stored, &verdict);
                    settled.push((stored, verdict));
                }
                Checked::Superseded => summary.superseded += 1,
                Checked::Postponed { was_elsewhere } => summary.count_postponed(was_elsewhere),
                Checked::GivenUp { was_elsewhere } => summary.count_given_up(was_elsewhere),
                Checked::NotReached if self.checker.has_given_up(&stored) => summary.unreached += 1,
                Checked::NotReached => return Ok(false),
                Checked::NotCheckable => summary.malformed += 1,
            }
        }
        if left_out > 0 {
            // They are of some provider, and there is no telling of which: the guard must trip for each.
            for found in found.values_mut() {
                found.left_out = left_out;
            }
            summary.held += left_out;
        }
        let mut updates = Vec::new();
        for (stored, verdict) in settled {
            summary.count(&stored, verdict.liveness);
            updates.push(self.checker.verdict(&stored, &verdict));
        }
        self.record(updates, summary).await;
        for (provider, found) in found {
            self.decide_for(&provider, found, summary).await;
        }
        Ok(true)
    }

    /// Asks again about a suspect as its row is now, unless this closing has decided about it already and was
    /// interrupted then.
    async fn ask_again(&self, key: RowKey) -> Result<Suspect, StoreError> {
        let Some(mut stored) = self.store.read(key).await? else { return Ok(Suspect::Gone) };
        if !self.run.has_tried(&stored) {
            return Ok(Suspect::Gone);
        }
        Ok(match stored.last_attempt_result.as_deref() {
            Some(SUSPECTED) => {
                let answer = self.checker.check(&mut stored).await;
                Suspect::Asked(Box::new(stored), answer)
            }
            Some(HELD) => Suspect::Held(stored.connection.provider.key().to_owned()),
            _ if !stored.connection.is_online => Suspect::Broken,
            _ => Suspect::Gone,
        })
    }

    /// The guard against mass failures.
    async fn decide_for(&self, provider: &str, found: Found, summary: &mut Summary) {
        let count = u64::try_from(found.candidates.len()).unwrap_or(u64::MAX).saturating_add(found.left_out);
        let known = |counts: &BTreeMap<String, u64>| counts.get(provider).copied().unwrap_or_default();
        let (greens, count) = (known(&summary.greens), count.saturating_add(known(&summary.doubtful)));
        let goes_on = found.held > 0 || found.left_out > 0;
        let is_mass =
            goes_on || is_too_many(count, greens) || Self::refuses_to_renew(provider, &found, summary);
        let now = self.checker.platform.clock.now();
        let is_allowed = self.run.allow_until.is_some_and(|until| until > now);
        let holds = is_mass && !is_allowed;
        if holds {
            tracing::error!(provider, count, greens, "mass failure held back");
            summary.tripped = true;
        }
        summary.held += found.held;
        let mut updates = Vec::new();
        for (stored, verdict) in found.candidates {
            if holds {
                summary.held += 1;
                updates.push(self.checker.attempt(&stored, HELD, None));
            } else {
                summary.count(&stored, verdict.liveness);
                updates.push(self.checker.verdict(&stored, &verdict));
            }
        }
        self.record(updates, summary).await;
    }

    /// Whether the provider refuses renewals as a whole. Between two renewals a connection is green without an
    /// answer of this run, so that a mass of refusals is measured against the run's renewals.
    fn refuses_to_renew(provider: &str, found: &Found, summary: &Summary) -> bool {
        let refused = |(_, verdict): &&(StoredConnection, Verdict)| verdict.renewal == Some(Renewed::Refused);
        let refused = u64::try_from(found.candidates.iter().filter(refused).count()).unwrap_or(u64::MAX);
        let renewed = summary.renewed.get(provider).copied().unwrap_or_default();
        is_too_many(refused, renewed.saturating_add(refused))
    }

    async fn record(&self, updates: Vec<RowUpdate>, summary: &mut Summary) {
        for batch in updates.chunks(MOST_UPDATES) {
            for outcome in self.store.record(batch).await {
                summary.count_outcome(&outcome);
            }
        }
    }
}

fn is_too_many(dead: u64, alive: u64) -> bool {
    dead > FEW && dead.saturating_mul(ONE_IN) > alive
}
