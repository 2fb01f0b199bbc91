//! What a function stands on: time, randomness and AWS, all passed in.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::aws::sdk_config;
use crate::config::Env;
use crate::error_chain::chain;

/// Everything outside a function that its behaviour depends on, apart from the environment.
#[derive(Clone)]
pub struct Platform {
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// Region, credentials, endpoints and time-outs of every AWS client.
    pub aws: SdkConfig,
}

impl Platform {
    /// The platform of a deployed function, with AWS as the environment says.
    pub fn of_lambda() -> Self {
        let aws = sdk_config(Env::of_process());
        Self { clock: Clock::system(), entropy: Entropy::system(), aws }
    }
}

/// A source of time.
pub trait Time: Send + Sync {
    /// The current instant.
    fn now(&self) -> Timestamp;
    /// Resolves once the duration has passed.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// A shared [`Time`].
#[derive(Clone)]
pub struct Clock(Arc<dyn Time>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::new(SystemTime)
    }

    /// A clock of one's own, for tests.
    pub fn new(time: impl Time + 'static) -> Self {
        Self(Arc::new(time))
    }

    /// The current instant.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// Resolves once the duration has passed.
    pub async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

struct SystemTime;

impl Time for SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock everything else is given")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the Clock everything else is given")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A shared source of random bytes.
#[derive(Clone)]
pub struct Entropy(Arc<dyn Fn(&mut [u8]) + Send + Sync>);

impl Entropy {
    /// The TLS stack's cryptographic generator, seeded by the operating system.
    pub fn system() -> Self {
        Self::new(fill_from_system)
    }

    /// A source of one's own, for tests.
    pub fn new(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// A random part of a duration: whoever retries at once should not retry at the same moment.
    pub fn jitter(&self, longest: Duration) -> Duration {
        let [part] = self.bytes();
        longest * u32::from(part) / u32::from(u8::MAX)
    }

    /// Fresh random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the Entropy everything else is given")]
#[expect(
    clippy::expect_used,
    reason = "AWS-LC aborts rather than run without entropy; the error is never built"
)]
fn fill_from_system(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("the system's random generator works");
}

/// How long a boot waits for each of its preparations. Lambda gives a function's init ten seconds.
const WARM_UP_FOR: Duration = Duration::from_secs(3);

/// Prepares for the first request: opens a connection, reads a secret. A dependency that is down at
/// boot is no reason not to boot; requests will say what they miss.
pub async fn warm_up<E: Error>(preparation: impl Future<Output = Result<(), E>>) {
    match tokio::time::timeout(WARM_UP_FOR, preparation).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = chain(&error), "warm-up failed"),
        Err(_) => tracing::warn!("warm-up took too long"),
    }
}

#[cfg(test)]
mod tests {
    /// Cargo gives the same variables to the build of the cryptographic library as to this one.
    #[test]
    fn the_cryptographic_library_is_built_without_jitter_entropy() {
        assert_eq!(option_env!("AWS_LC_SYS_NO_JITTER_ENTROPY"), Some("1"));
    }
}
