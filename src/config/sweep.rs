//! How hard the sweep may work.

use std::num::NonZeroU32;

use super::{ConfigError, Env};

/// The sweep's bounds.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Checks in flight at once.
    pub concurrency: NonZeroU32,
    /// Calls to each provider per second, retries included.
    pub max_rps: NonZeroU32,
}

impl Env {
    /// `SWEEP_CONCURRENCY` and `SWEEP_MAX_RPS`.
    pub fn sweep(&self) -> Result<Sweep, ConfigError> {
        Ok(Sweep {
            concurrency: self.positive("SWEEP_CONCURRENCY", "16")?,
            max_rps: self.positive("SWEEP_MAX_RPS", "20")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::env::tests::env;

    #[test]
    fn the_sweep_has_bounds_unless_configured() {
        let sweep = env(&[("SWEEP_MAX_RPS", "3")]).sweep().unwrap();
        assert_eq!((sweep.concurrency.get(), sweep.max_rps.get()), (16, 3));
        assert!(env(&[("SWEEP_CONCURRENCY", "0")]).sweep().is_err());
    }
}
