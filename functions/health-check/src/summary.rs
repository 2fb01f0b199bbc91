//! What a sweep found, in one line.

use evosync_connections::domain::{Liveness, OfflineReason, Unknown};
use evosync_connections::store::Recorded;
use evosync_connections::telemetry::METRICS;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::check::{Checked, Outcome};

/// The counts of one sweep.
#[derive(Serialize, Default, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Whether the sweep reached the end of the table before the deadline. It may have begun in the middle.
    pub finished: bool,
    /// Connections whose token works.
    pub alive: usize,
    /// Connections whose token does not.
    pub dead: usize,
    /// Of the dead, those that worked at the previous check.
    pub broken: usize,
    /// Of the broken, those whose stored token does not open in its row.
    pub unreadable: usize,
    /// Of the alive, those that did not work at the previous check.
    pub recovered: usize,
    /// Checks that proved nothing because of a transient fault.
    pub transient: usize,
    /// Checks that proved nothing for another reason.
    pub inconclusive: usize,
    /// Checks that failed because of our configuration, such as a missing key or a rejected app.
    pub our_fault: usize,
    /// Verdicts dropped because the connection changed during the check (optimistic lock).
    pub superseded: usize,
    /// Verdicts that could not be recorded.
    pub unrecorded: usize,
    /// Connections that were read but not checked before the deadline.
    pub unreached: usize,
    /// Tokens re-encrypted with the current key.
    pub resealed: usize,
    /// Rows that this build cannot check.
    pub malformed: usize,
    /// Of those, damaged rows of a provider it knows.
    pub damaged: usize,
    /// The oldest last conclusive check among connections still without a conclusive answer after this
    /// sweep; `None` if there are none.
    pub oldest_check: Option<Timestamp>,
}

impl Summary {
    pub(crate) fn count(&mut self, checked: &Checked) {
        let (liveness, recorded) = match &checked.outcome {
            Outcome::Made(liveness, recorded) => (liveness, recorded),
            Outcome::NotReached => {
                self.unreached += 1;
                return self.note_waiting(checked.last_checked_at);
            }
            Outcome::NotCheckable => {
                self.malformed += 1;
                return;
            }
        };
        match liveness {
            Liveness::Alive => self.alive += 1,
            Liveness::Dead(_) => self.dead += 1,
            Liveness::Unknown(Unknown::Transient) => self.transient += 1,
            Liveness::Unknown(Unknown::Inconclusive) => self.inconclusive += 1,
            Liveness::Unknown(Unknown::OurFault) => self.our_fault += 1,
        }
        self.resealed += usize::from(checked.resealed && matches!(recorded, Ok(Recorded::Written)));
        match (recorded, liveness) {
            (Ok(Recorded::Superseded), _) => self.superseded += 1,
            (Err(_), _) => {
                self.unrecorded += 1;
                self.note_waiting(checked.last_checked_at);
            }
            (Ok(Recorded::Written), Liveness::Unknown(_)) => self.note_waiting(checked.last_checked_at),
            (Ok(Recorded::Written), Liveness::Alive) => self.recovered += usize::from(!checked.was_online),
            (Ok(Recorded::Written), Liveness::Dead(reason)) if checked.was_online => {
                self.broken += 1;
                self.unreadable += usize::from(*reason == OfflineReason::Unreadable);
            }
            (Ok(Recorded::Written), Liveness::Dead(_)) => {}
        }
    }

    fn note_waiting(&mut self, last_checked_at: Option<Timestamp>) {
        let last = last_checked_at.unwrap_or(Timestamp::UNIX_EPOCH);
        self.oldest_check = Some(self.oldest_check.map_or(last, |oldest| oldest.min(last)));
    }

    /// Writes the metrics as of `now` and the summary line, at level `ERROR` if an operator must act.
    pub(crate) fn report(&self, duration: SignedDuration, now: Timestamp) {
        self.measure(duration, now);
        self.log(duration);
    }

    fn measure(&self, duration: SignedDuration, now: Timestamp) {
        tracing::info!(
            target: METRICS,
            SweepFinished = u64::from(self.finished),
            SweepSeconds = duration.as_secs_f64(),
            ChecksAlive = self.alive,
            ChecksDead = self.dead,
            ChecksTransient = self.transient,
            ChecksInconclusive = self.inconclusive,
            ChecksOurFault = self.our_fault,
            Broken = self.broken,
            Unreadable = self.unreadable,
            Recovered = self.recovered,
            Unrecorded = self.unrecorded,
            Damaged = self.damaged,
        );
        // An unfinished sweep has not seen every waiting connection.
        if self.finished {
            let age = now.duration_since(self.oldest_check.unwrap_or(now));
            tracing::info!(target: METRICS, OldestCheckAge = age.as_secs_f64());
        }
    }

    fn log(&self, duration: SignedDuration) {
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    seconds = duration.as_secs_f64(),
                    finished = self.finished,
                    alive = self.alive,
                    dead = self.dead,
                    broken = self.broken,
                    unreadable = self.unreadable,
                    recovered = self.recovered,
                    transient = self.transient,
                    inconclusive = self.inconclusive,
                    our_fault = self.our_fault,
                    superseded = self.superseded,
                    unrecorded = self.unrecorded,
                    unreached = self.unreached,
                    resealed = self.resealed,
                    malformed = self.malformed,
                    damaged = self.damaged,
                    oldest_check = self.oldest_check.map(tracing::field::display),
                    "sweep finished"
                )
            };
        }
        let is_ill = self.our_fault > 0 || self.unreadable > 0 || self.damaged > 0 || !self.finished;
        if is_ill { line!(error) } else { line!(info) }
    }
}
