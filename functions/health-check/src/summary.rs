//! What a sweep found: counts that add up over the parts of a run, and one line for the whole.

use std::collections::BTreeMap;

use evosync_connections::domain::{Liveness, OfflineReason, Unknown};
use evosync_connections::error_chain::chain;
use evosync_connections::store::StoreError;
use evosync_connections::store::sweep::{Recorded, StoredConnection};
use evosync_connections::telemetry::METRICS;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::check::{HELD, Renewed, SUSPECTED, Verdict};

/// The counts of a run, or of a part of one.
#[derive(Serialize, Deserialize, Clone, Default, Debug, PartialEq)]
#[serde(default)]
pub struct Summary {
    /// The run's id.
    pub run: String,
    /// Whether an operator asked for it: then it asked about every connection.
    pub forced: bool,
    /// Whether the whole table is done. All else is then about the whole, otherwise about what was seen.
    pub finished: bool,
    /// Connections whose token works.
    pub alive: u64,
    /// Connections whose token does not.
    pub dead: u64,
    /// Of the dead, those that worked at the previous check.
    pub broken: u64,
    /// Of the broken, those whose stored token does not open in its row.
    pub unreadable: u64,
    /// Of the alive, those that did not work at the previous check.
    pub recovered: u64,
    /// Green connections found dead that stay green, since they are too many to be believed.
    pub held: u64,
    /// Whether a mass failure was held back.
    pub tripped: bool,
    /// Checks that proved nothing because of a transient fault.
    pub transient: u64,
    /// Checks that proved nothing for another reason.
    pub inconclusive: u64,
    /// Checks that failed because of our configuration, such as a missing key or a rejected app.
    pub our_fault: u64,
    /// Checks that the provider refused since we call from another address than the tokens are bound to, also
    /// where a renewal from here has put that right.
    pub another_address: u64,
    /// Connections whose renewal waits for another day, since the budget is spent.
    pub postponed: u64,
    /// Verdicts dropped because the connection changed during the check (optimistic lock).
    pub superseded: u64,
    /// Verdicts that could not be recorded.
    pub unrecorded: u64,
    /// Connections that were due and not asked about: their provider was given up.
    pub unreached: u64,
    /// Connections that were not due.
    pub not_due: u64,
    /// Tokens re-encrypted with the current key.
    pub resealed: u64,
    /// Rows that this build cannot check.
    pub malformed: u64,
    /// Of those, damaged rows of a provider it knows.
    pub damaged: u64,
    /// Green connections whose last answer says that they are alive, by provider: what a mass failure is
    /// measured against.
    pub greens: BTreeMap<String, u64>,
    /// Green connections whose last answer says that they are dead, and which are not asked about in this
    /// run, by provider.
    pub doubtful: BTreeMap<String, u64>,
    /// Renewals that succeeded, by provider: what a mass of refused ones is measured against.
    pub renewed: BTreeMap<String, u64>,
    /// The oldest last conclusive check among connections that were due and still have no newer one.
    pub oldest_check: Option<Timestamp>,
    /// The age of the last conclusive check, in the connection's own check periods: the highest of all.
    pub oldest_check_periods: f64,
}

impl Summary {
    /// Adds the counts of another part.
    pub(crate) fn add(&mut self, other: &Self) {
        self.alive += other.alive;
        self.dead += other.dead;
        self.broken += other.broken;
        self.unreadable += other.unreadable;
        self.recovered += other.recovered;
        self.held += other.held;
        self.tripped |= other.tripped;
        self.transient += other.transient;
        self.inconclusive += other.inconclusive;
        self.our_fault += other.our_fault;
        self.another_address += other.another_address;
        self.postponed += other.postponed;
        self.superseded += other.superseded;
        self.unrecorded += other.unrecorded;
        self.unreached += other.unreached;
        self.not_due += other.not_due;
        self.resealed += other.resealed;
        self.malformed += other.malformed;
        self.damaged += other.damaged;
        for (counts, others) in [
            (&mut self.greens, &other.greens),
            (&mut self.doubtful, &other.doubtful),
            (&mut self.renewed, &other.renewed),
        ] {
            for (provider, count) in others {
                add_to(counts, provider, *count);
            }
        }
        self.oldest_check = [self.oldest_check, other.oldest_check].into_iter().flatten().min();
        self.oldest_check_periods = self.oldest_check_periods.max(other.oldest_check_periods);
    }

    /// Counts a conclusive or inconclusive answer that is in the row.
    pub(crate) fn count(&mut self, stored: &StoredConnection, liveness: Liveness) {
        let was_online = stored.connection.is_online;
        match liveness {
            Liveness::Alive if was_online => {
                self.alive += 1;
                add_to(&mut self.greens, stored.connection.provider.key(), 1);
            }
            Liveness::Alive => {
                self.alive += 1;
                self.recovered += 1;
            }
            Liveness::Dead(reason) => {
                self.dead += 1;
                self.broken += u64::from(was_online);
                self.unreadable += u64::from(was_online && reason == OfflineReason::Unreadable);
            }
            Liveness::Unknown(Unknown::Transient) => self.transient += 1,
            Liveness::Unknown(Unknown::Inconclusive) => self.inconclusive += 1,
            Liveness::Unknown(Unknown::OurFault) => self.our_fault += 1,
            Liveness::Unknown(Unknown::AnotherAddress) => self.another_address += 1,
        }
    }

    /// Counts a renewal that succeeded, and an address that it has put right.
    pub(crate) fn count_renewal(&mut self, stored: &StoredConnection, verdict: &Verdict) {
        if verdict.renewal == Some(Renewed::Yes) {
            add_to(&mut self.renewed, stored.connection.provider.key(), 1);
            self.another_address += u64::from(verdict.was_elsewhere);
        }
    }

    /// Counts a renewal that the budget leaves for another day, and that the provider wants another address.
    pub(crate) fn count_postponed(&mut self, was_elsewhere: bool) {
        self.postponed += 1;
        self.another_address += u64::from(was_elsewhere);
    }

    /// The same, where the provider does not renew now.
    pub(crate) fn count_given_up(&mut self, was_elsewhere: bool) {
        self.unreached += 1;
        self.another_address += u64::from(was_elsewhere);
    }

    /// Counts what is known of a connection that is not asked about in this run.
    pub(crate) fn count_known(&mut self, stored: &StoredConnection) {
        let known = match stored.last_attempt_result.as_deref() {
            Some(SUSPECTED | HELD) => &mut self.doubtful,
            Some(result) if Liveness::from_code(result) == Some(Liveness::Alive) => &mut self.greens,
            _ => return,
        };
        if stored.connection.is_online {
            add_to(known, stored.connection.provider.key(), 1);
        }
    }

    /// Counts a row that an interrupted worker of this run has updated already.
    pub(crate) fn count_again(&mut self, stored: &StoredConnection) {
        if let Some(liveness) = stored.last_attempt_result.as_deref().and_then(Liveness::from_code) {
            self.count(stored, liveness);
        }
    }

    /// Counts what became of an update, and logs one that failed.
    pub(crate) fn count_outcome(&mut self, outcome: &Result<Recorded, StoreError>) {
        match outcome {
            Ok(Recorded::Written) => {}
            Ok(Recorded::Superseded) => self.superseded += 1,
            Err(error) => {
                tracing::error!(error = chain(error), "cannot record the verdict");
                self.unrecorded += 1;
            }
        }
    }

    /// Notes a connection that still has no newer conclusive check.
    pub(crate) fn note_waiting(&mut self, last_checked_at: Option<Timestamp>, periods: f64) {
        let last = last_checked_at.unwrap_or(Timestamp::UNIX_EPOCH);
        self.oldest_check = Some(self.oldest_check.map_or(last, |oldest| oldest.min(last)));
        self.oldest_check_periods = self.oldest_check_periods.max(periods);
    }

    /// Writes the metrics and the line of a finished run, at level `ERROR` if an operator must act.
    pub(crate) fn report(&self, duration: SignedDuration) {
        self.measure(duration);
        self.log(duration);
    }

    fn measure(&self, duration: SignedDuration) {
        tracing::info!(
            target: METRICS,
            SweepFinished = 1,
            SweepSeconds = duration.as_secs_f64(),
            ChecksAlive = self.alive,
            ChecksDead = self.dead,
            ChecksTransient = self.transient,
            ChecksInconclusive = self.inconclusive,
            ChecksOurFault = self.our_fault,
            ChecksAnotherAddress = self.another_address,
            RenewalsPostponed = self.postponed,
            Broken = self.broken,
            Held = self.held,
            MassFailureHeld = u64::from(self.tripped),
            Unreadable = self.unreadable,
            Recovered = self.recovered,
            Unrecorded = self.unrecorded,
            Unreached = self.unreached,
            Damaged = self.damaged,
            Uncheckable = self.malformed,
            OldestCheckPeriods = self.oldest_check_periods,
        );
    }

    fn log(&self, duration: SignedDuration) {
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    run = self.run,
                    seconds = duration.as_secs_f64(),
                    alive = self.alive,
                    dead = self.dead,
                    broken = self.broken,
                    held = self.held,
                    tripped = self.tripped,
                    unreadable = self.unreadable,
                    recovered = self.recovered,
                    transient = self.transient,
                    inconclusive = self.inconclusive,
                    our_fault = self.our_fault,
                    another_address = self.another_address,
                    postponed = self.postponed,
                    superseded = self.superseded,
                    unrecorded = self.unrecorded,
                    unreached = self.unreached,
                    not_due = self.not_due,
                    resealed = self.resealed,
                    malformed = self.malformed,
                    damaged = self.damaged,
                    oldest_check = self.oldest_check.map(tracing::field::display),
                    oldest_check_periods = self.oldest_check_periods,
                    "sweep finished"
                )
            };
        }
        if self.our_fault > 0
            || self.another_address > 0
            || self.unreadable > 0
            || self.damaged > 0
            || self.tripped
        {
            line!(error);
        } else if self.malformed > 0 || self.unreached > 0 {
            line!(warn);
        } else {
            line!(info);
        }
    }
}

/// Adds to a provider's count.
fn add_to(counts: &mut BTreeMap<String, u64>, provider: &str, count: u64) {
    match counts.get_mut(provider) {
        Some(known) => *known += count,
        None => drop(counts.insert(provider.to_owned(), count)),
    }
}
