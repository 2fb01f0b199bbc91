//! How hard the sweep may work, and how often.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use jiff::SignedDuration;

use super::{ConfigError, Env};
use crate::domain::Cadence;

/// A parallel scan may have a million segments; the run's row names those that are open.
const SEGMENTS: RangeInclusive<u32> = 1..=100;

/// From a minute to an hour.
const MINUTES: RangeInclusive<i64> = 1..=60;

/// From an hour to thirty days, which no refresh token is too young for.
const RENEWAL_HOURS: RangeInclusive<i64> = 1..=720;

/// The sweep's bounds.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Checks in flight at once, for each worker.
    pub concurrency: NonZeroU32,
    /// Calls to each provider per second, retries included, for all workers together.
    pub max_rps: NonZeroU32,
    /// The segments that the table is divided into, from 1 to 100. No more workers are busy at once.
    pub segments: u32,
    /// How often it is begun, and connections are checked.
    pub cadence: Cadence,
}

impl Env {
    /// `SWEEP_CONCURRENCY`, `SWEEP_MAX_RPS`, `SWEEP_SEGMENTS`, and the [cadence](Self::cadence).
    pub fn sweep(&self) -> Result<Sweep, ConfigError> {
        Ok(Sweep {
            concurrency: self.positive("SWEEP_CONCURRENCY", "16")?,
            max_rps: self.positive("SWEEP_MAX_RPS", "20")?,
            segments: self.within("SWEEP_SEGMENTS", "2", "a whole number from 1 to 100", &SEGMENTS)?,
            cadence: self.cadence()?,
        })
    }

    /// `SWEEP_EVERY`, in minutes: the period of the schedule, in which each connection is checked once; and
    /// `RENEW_AFTER`, in hours: the age of a last proof at which lapsed tokens are renewed.
    pub fn cadence(&self) -> Result<Cadence, ConfigError> {
        let minutes =
            self.within("SWEEP_EVERY", "15", "a whole number of minutes, from 1 to 60", &MINUTES)?;
        let expected = "a whole number of hours, from 1 to 720";
        let hours = self.within("RENEW_AFTER", "12", expected, &RENEWAL_HOURS)?;
        Ok(Cadence { sweep: SignedDuration::from_mins(minutes), renewal: SignedDuration::from_hours(hours) })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::config::env::tests::env;

    #[test]
    fn the_sweep_has_bounds_unless_configured() {
        let sweep = env(&[("SWEEP_MAX_RPS", "3")]).sweep().unwrap();
        assert_eq!((sweep.concurrency.get(), sweep.max_rps.get()), (16, 3));
        assert_eq!((sweep.segments, sweep.cadence.sweep), (2, SignedDuration::from_mins(15)));
        assert_eq!(sweep.cadence.renewal, SignedDuration::from_hours(12));
    }

    #[test]
    fn bounds_outside_their_range_stop_the_boot() {
        for (name, value) in [
            ("SWEEP_CONCURRENCY", "0"),
            ("SWEEP_SEGMENTS", "0"),
            ("SWEEP_SEGMENTS", "101"),
            ("SWEEP_EVERY", "0"),
            ("SWEEP_EVERY", "61"),
            ("SWEEP_EVERY", "rate(15 minutes)"),
            ("RENEW_AFTER", "0"),
            ("RENEW_AFTER", "721"),
        ] {
            let error = env(&[(name, value)]).sweep().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
