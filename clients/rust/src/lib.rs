//! Live tokens of merchants' accounts, for EvoSync's sync workers. What the function promises is in
//! `docs/workers.md`.
//!
//! ```no_run
//! # async fn work(config: &aws_sdk_lambda::Config) -> Result<(), evosync_tokens::TokenError> {
//! let lambda = aws_sdk_lambda::Client::from_conf(config.clone());
//! let tokens = evosync_tokens::Tokens::new(lambda, "evosync-TokenFunction-1A2B3C");
//! let token = tokens.get("merchant", "vk").await?;
//! // Call VK with `token.access_token()`. If VK refuses it:
//! let token = tokens.rejected(&token).await?;
//! # Ok(())
//! # }
//! ```

mod answer;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::iter::successors;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use answer::Answer;
pub use answer::{Token, TokenError};

/// The longest that a token is used without asking again: a merchant may have disconnected meanwhile.
const LONGEST: SignedDuration = SignedDuration::from_mins(15);

/// Asks for tokens, and keeps each until its time is short.
pub struct Tokens {
    lambda: Client,
    function: String,
    min_ttl: SignedDuration,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Tokens by merchant and provider, each with the time until which it is given out again.
    kept: Mutex<HashMap<(String, String), (Token, Timestamp)>>,
}

impl Tokens {
    /// Asks a function by its name or ARN, which is the deployment's output `TokenFunction`.
    pub fn new(lambda: Client, function: impl Into<String>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the worker's clock, unless it gives another")]
        let now = Box::new(Timestamp::now);
        let (function, min_ttl) = (function.into(), SignedDuration::from_secs(300));
        Self { lambda, function, min_ttl, now, kept: Mutex::default() }
    }

    /// Asks for tokens that live as long as this at least, up to half an hour. Five minutes, unless said.
    #[must_use]
    pub fn living_for(self, min_ttl: SignedDuration) -> Self {
        Self { min_ttl, ..self }
    }

    /// Tells the time by another clock.
    #[must_use]
    pub fn by_clock(self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Box::new(now), ..self }
    }

    /// A token that lives: the one kept, or a new one.
    pub async fn get(&self, user: &str, provider: &str) -> Result<Token, TokenError> {
        let key = (user.to_owned(), provider.to_owned());
        let kept = self.kept().get(&key).filter(|(_, until)| (self.now)() < *until).cloned();
        match kept {
            Some((token, _)) => Ok(token),
            None => self.ask(key, None).await,
        }
    }

    /// Says that the provider has refused a token, once, and forgets it; the token to go on with. If that is
    /// of the same version, the provider has said that it lives.
    pub async fn rejected(&self, token: &Token) -> Result<Token, TokenError> {
        let (user, provider) = token.owner.clone();
        self.forget(&user, &provider);
        self.ask((user, provider), Some(&token.version)).await
    }

    /// Forgets a connection's token, as an event says that it is broken, replaced or removed.
    pub fn forget(&self, user: &str, provider: &str) {
        self.kept().remove(&(user.to_owned(), provider.to_owned()));
    }

    async fn ask(&self, owner: (String, String), rejected: Option<&str>) -> Result<Token, TokenError> {
        let (user, provider) = &owner;
        let asked = json!({
            "user_id": user,
            "provider": provider,
            "min_ttl_seconds": self.min_ttl.as_secs(),
            "rejected_version": rejected,
        });
        let call = self.lambda.invoke().function_name(&self.function).payload(Blob::new(asked.to_string()));
        let output = call.send().await.map_err(|error| TokenError::Unavailable(chain(&error)))?;
        if let Some(kind) = output.function_error() {
            return Err(TokenError::Unavailable(format!("the function failed: {kind}")));
        }
        let payload = output.payload.map(Blob::into_inner).unwrap_or_default();
        let token = Answer::read(&payload)?.into_token(owner.clone())?;
        self.kept().insert(owner, (token.clone(), self.until(&token)));
        Ok(token)
    }

    /// How long a token is given out again.
    fn until(&self, token: &Token) -> Timestamp {
        let longest = (self.now)().saturating_add(LONGEST).unwrap_or(Timestamp::MAX);
        let short = token.expires_at.and_then(|end| end.checked_sub(self.min_ttl).ok());
        short.map_or(longest, |short| short.min(longest))
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<(String, String), (Token, Timestamp)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tokens are in no log, nor is who has one.
impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tokens").field("function", &self.function).finish_non_exhaustive()
    }
}

fn chain(error: &dyn Error) -> String {
    let causes = successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
