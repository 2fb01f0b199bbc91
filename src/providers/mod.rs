//! Providers: the places a merchant connects an account of, a folder each.
//!
//! What a provider can do comes in capabilities, because a function is given only what it may do
//! and its IAM policy says the same: [`Authorize`] for connect, which knows no secret; [`Redeem`]
//! for callback; [`Check`] and [`Renew`] for the sweep; [`Revoke`] for what follows a disconnection; [`Words`]
//! for the pages. Each is built by one constructor of the provider's folder, which answers `None` where the
//! provider is not configured.
//!
//! A new provider is a folder beside [`vk`], a variant of [`Provider`], and a line in the
//! registration below.

pub mod evotor;
mod lenient;
pub mod oauth;
pub mod vk;
mod words;

pub use words::{COMMON, Message, Spoken, Words, by_name};

use std::error::Error;
use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::config::{BaseUrl, ConfigError, Env};
use crate::domain::{Account, ErrorCode, Liveness, Provider, Scopes, TokenSet, Unknown};
use crate::error_chain::{Cause, chain};
use crate::http_client::{ClientError, HttpClient, HttpError, Limits};
use crate::params::Params;
use crate::platform::Platform;
use crate::secrets::SecretError;
use oauth::{AuthorizationRequest, AuthorizationResponse, Exchange};

/// Sends a person to the provider. Knows no secret.
pub trait Authorize: Send + Sync {
    /// The address for one attempt.
    fn url(&self, request: &AuthorizationRequest<'_>) -> String;

    /// Whether the provider may bring back no state, so that the browser is to keep it too.
    fn may_lose_state(&self) -> bool {
        false
    }
}

/// Makes tokens and an account of what a person comes back with. Proves the application, so it
/// knows its secret.
pub trait Redeem: Send + Sync {
    /// Reads a callback; `None` for anything that is not one answer to one attempt.
    fn read(&self, params: &Params) -> Option<AuthorizationResponse>;

    /// Whether an answer that brings back no state is one to the state that the browser has kept.
    fn may_lose_state(&self) -> bool {
        false
    }

    /// Gets ready what could fail on our side, so that it fails before the code is used up.
    fn prepare(&self) -> BoxFuture<'_, Result<(), SecretError>>;

    /// Exchanges a code and reads whose the tokens are. Several calls to the provider, each within
    /// bounds of its own.
    fn redeem(&self, exchange: Exchange) -> BoxFuture<'_, Result<Grant, Refusal>>;

    /// Gives back tokens that could not be saved, as far as the provider lets us. Best effort: whoever
    /// calls it goes on whatever comes of it.
    fn discard(&self, tokens: TokenSet) -> BoxFuture<'_, ()>;
}

/// What a code was good for.
#[derive(Debug)]
pub struct Grant {
    /// The tokens.
    pub tokens: TokenSet,
    /// Whose they are.
    pub account: Account,
    /// When the access token lapses; `None` for one that does not.
    pub expires_at: Option<Timestamp>,
    /// What was granted; `None` where the provider did not say.
    pub scopes: Option<Scopes>,
}

/// Why there is no connection: what the person reads, and what the log says.
#[derive(Debug)]
pub struct Refusal {
    /// The error code of the page.
    pub code: ErrorCode,
    /// The cause, for operators: no secret, no URL, no body.
    pub cause: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self { code, cause: cause.into() }
    }
}

/// Asks whether tokens still live.
pub trait Check: Send + Sync {
    /// Asks once, and says what the answer means for an account's connection. An answer about
    /// another account proves nothing.
    fn check(&self, subject: Subject) -> BoxFuture<'_, CheckAnswer>;

    /// Asks once what tokens are granted, and says what that means; `None` without asking where the
    /// provider says so only when it hands tokens out.
    fn check_scopes(&self, tokens: TokenSet) -> BoxFuture<'_, Option<CheckAnswer>>;

    /// How often the provider may be asked, in calls a second; `None` for no other bound than what holds for each.
    fn max_rps(&self) -> Option<NonZeroU32> {
        None
    }

    /// Whether the provider answers tokens only from the address that obtained them.
    fn is_bound_to_address(&self, _tokens: &TokenSet) -> bool {
        false
    }
}

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The tokens.
    pub tokens: TokenSet,
    /// The account they must be of.
    pub account_id: String,
    /// What they were granted last, as far as is known.
    pub scopes: Option<Scopes>,
}

/// What a provider answered to a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckAnswer {
    /// What it means for the tokens.
    pub liveness: Liveness,
    /// The provider's own error code, where it gave one; for the log.
    pub code: Option<i64>,
    /// What happened, unless the token works; for the log.
    pub cause: Option<Cause>,
    /// Set where the provider asks for fewer calls.
    pub rate_limited: Option<RateLimited>,
    /// What is granted, where that was asked.
    pub scopes: Option<Scopes>,
    /// The account as the provider names it now, where the answer says so.
    pub account: Option<Account>,
}

/// Renews tokens. Proves the application, so it knows its secret.
pub trait Renew: Send + Sync {
    /// Gets ready what could fail on our side, so that it fails before anything is spent.
    fn prepare(&self) -> BoxFuture<'_, Result<(), SecretError>>;

    /// Asks for new tokens in exchange for the refresh token (RFC 6749, section 6), once. What
    /// that may have spent, the answer says.
    fn renew(&self, tokens: TokenSet) -> BoxFuture<'_, Renewal>;

    /// Gives back tokens that could not be saved. Best effort.
    fn discard(&self, tokens: TokenSet) -> BoxFuture<'_, ()>;

    /// How many renewals the provider is asked for.
    fn budget(&self) -> Budget;
}

/// Renewals in a day (UTC).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// So many are left to the sweep. The rest is for those who need a token now.
    pub sweep: u32,
    /// In all.
    pub all: u32,
}

/// What became of a renewal.
#[derive(Debug)]
pub enum Renewal {
    /// There are new tokens, and the refresh token is spent.
    Renewed(Box<Renewed>),
    /// The refresh token is not spent: the provider knows nothing of the request, or has not looked at it.
    Unspent {
        /// Why there are no tokens; never [`Liveness::Alive`].
        answer: CheckAnswer,
    },
    /// The provider refuses the refresh token.
    Refused(Cause),
    /// Nobody knows whether the refresh token is spent: the answer was lost, or is none.
    Lost(Cause),
}

impl Renewal {
    /// A renewal that did not come to the refresh token.
    pub fn unspent(class: Unknown, rate_limited: Option<RateLimited>, error: &dyn Error) -> Self {
        let answer = CheckAnswer::because(Liveness::Unknown(class), format!("not renewed: {}", chain(error)));
        Self::Unspent { answer: CheckAnswer { rate_limited, ..answer } }
    }
}

/// New tokens.
#[derive(Debug)]
pub struct Renewed {
    /// The tokens, refresh token included.
    pub tokens: TokenSet,
    /// When the access token lapses.
    pub expires_at: Option<Timestamp>,
    /// What is granted; `None` where the provider did not say.
    pub scopes: Option<Scopes>,
    /// Whether the answer repeats another state than was sent.
    pub is_anothers: bool,
}

/// Ends what tokens are good for, once nobody here needs them (RFC 7009 is the standard for it). Best effort:
/// whoever calls it has let go of the tokens already.
pub trait Revoke: Send + Sync {
    /// Asks once. To ask again about tokens that have ended does no harm.
    fn revoke(&self, tokens: TokenSet) -> BoxFuture<'_, Revoked>;
}

/// What became of a revocation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Revoked {
    /// The provider has ended what was asked for.
    Ended,
    /// Nothing can be ended with these tokens: they have lapsed or ended before, or the provider has no way to.
    NothingToEnd,
    /// The provider cannot be asked now; it may be later.
    Transient(Cause),
    /// The provider refuses. Asking again would not help.
    Refused(Cause),
}

impl CheckAnswer {
    /// An answer that needs no explanation.
    pub fn of(liveness: Liveness) -> Self {
        Self { liveness, code: None, cause: None, rate_limited: None, scopes: None, account: None }
    }

    /// An answer, and why.
    pub fn because(liveness: Liveness, cause: impl Into<String>) -> Self {
        Self { cause: Some(Cause::new(cause)), ..Self::of(liveness) }
    }
}

/// A client for a provider's hosts, which trusts the roots that a variable holds beside the system's.
fn http_client(env: &Env, extra_ca: &'static str, limits: Limits) -> Result<HttpClient, ConfigError> {
    HttpClient::new(limits, env.pem(extra_ca)?.as_deref()).map_err(|error| match error {
        ClientError::Certificate => ConfigError::bad_pem(extra_ca),
        ClientError::Tls => ConfigError::Tls(error),
    })
}

/// What a call that got no answer proves of a token: nothing, and whether trying again may help.
fn unanswered(error: &HttpError) -> Unknown {
    match error {
        HttpError::Tls(_) => Unknown::OurFault,
        _ => Unknown::Transient,
    }
}

/// The provider limits our rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimited {
    /// How long it wants to be left alone (`Retry-After`, RFC 9110, section 10.2.3), where it says so.
    pub retry_after: Option<Duration>,
}

/// One provider's implementation of a capability, or `None` where the provider is not configured.
pub type Built<T> = Result<Option<Box<T>>, ConfigError>;

/// Where functions get providers from. There is one in production, [`Registered`]; tests put a
/// provider of their own in its place.
///
/// Functions are generic over it rather than given an object, so that a binary holds only the
/// capability that it uses.
pub trait Registry: Send + Sync {
    /// What pages say of the provider.
    fn words(&self, provider: Provider) -> Option<&'static Words>;
    /// Sending people there, and back to `base`.
    fn authorize(&self, provider: Provider, env: &Env, base: &BaseUrl) -> Built<dyn Authorize>;
    /// Redeeming what they come back to `base` with.
    fn redeem(&self, provider: Provider, env: &Env, platform: &Platform, base: &BaseUrl)
    -> Built<dyn Redeem>;
    /// Checking tokens.
    fn check(&self, provider: Provider, env: &Env, platform: &Platform) -> Built<dyn Check>;
    /// Renewing tokens; `None` also for a provider that has nothing to renew.
    fn renew(&self, provider: Provider, env: &Env, platform: &Platform) -> Built<dyn Renew>;
    /// Ending what tokens are good for.
    fn revoke(&self, provider: Provider, env: &Env, platform: &Platform) -> Built<dyn Revoke>;
}

/// The registration: calls a constructor of the provider's folder. A provider is one line here.
macro_rules! of_provider {
    ($provider:expr, $constructor:ident($($argument:expr),*)) => {
        match $provider {
            Provider::Evotor => evotor::$constructor($($argument),*),
            Provider::Vk => vk::$constructor($($argument),*),
        }
    };
}

/// The providers of this product.
#[derive(Clone, Copy, Debug)]
pub struct Registered;

impl Registry for Registered {
    fn words(&self, provider: Provider) -> Option<&'static Words> {
        of_provider!(provider, words())
    }

    fn authorize(&self, provider: Provider, env: &Env, base: &BaseUrl) -> Built<dyn Authorize> {
        of_provider!(provider, authorize(env, base))
    }

    fn redeem(
        &self,
        provider: Provider,
        env: &Env,
        platform: &Platform,
        base: &BaseUrl,
    ) -> Built<dyn Redeem> {
        of_provider!(provider, redeem(env, platform, base))
    }

    fn check(&self, provider: Provider, env: &Env, platform: &Platform) -> Built<dyn Check> {
        of_provider!(provider, check(env, platform))
    }

    fn renew(&self, provider: Provider, env: &Env, platform: &Platform) -> Built<dyn Renew> {
        of_provider!(provider, renew(env, platform))
    }

    fn revoke(&self, provider: Provider, env: &Env, platform: &Platform) -> Built<dyn Revoke> {
        of_provider!(provider, revoke(env, platform))
    }
}

/// What each configured provider has of one kind.
pub struct PerProvider<T>(Vec<(Provider, T)>);

impl<T> PerProvider<T> {
    /// Asks a constructor for each of the providers that there are ([`Env::providers`]), and leaves out those that
    /// have none of the kind.
    pub fn build<E>(
        providers: &[Provider],
        constructor: impl Fn(Provider) -> Result<Option<T>, E>,
    ) -> Result<Self, E> {
        let mut built = Vec::new();
        for provider in Provider::ALL.iter().copied().filter(|provider| providers.contains(provider)) {
            built.extend(constructor(provider)?.map(|value| (provider, value)));
        }
        Ok(Self(built))
    }

    /// What a request's provider has, with the provider; `None` where it is none, or not configured.
    pub fn of(&self, provider: Option<Provider>) -> Option<(Provider, &T)> {
        let provider = provider?;
        Some((provider, self.get(provider)?))
    }

    /// A configured provider's.
    pub fn get(&self, provider: Provider) -> Option<&T> {
        self.iter().find(|(candidate, _)| *candidate == provider).map(|(_, value)| value)
    }

    /// Converts what each configured provider has.
    pub fn map<'a, U>(&'a self, make: impl Fn(Provider, &'a T) -> U) -> PerProvider<U> {
        PerProvider(self.0.iter().map(|(provider, value)| (*provider, make(*provider, value))).collect())
    }

    /// What each configured provider has, in the order of [`Provider::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Provider, &T)> {
        self.0.iter().map(|(provider, value)| (*provider, value))
    }
}
