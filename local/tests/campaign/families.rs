//! Tokens that lapse and are renewed, as VK ID gives them: refresh tokens are used once, and a second use ends
//! the session.

use std::collections::BTreeMap;
use std::time::Duration;

use evosync_connections::domain::secret::{AccessToken, RefreshToken};
use evosync_connections::domain::{Liveness, TokenSet, Unknown};
use evosync_connections::error_chain::Cause;
use evosync_connections::providers::{Budget, CheckAnswer, RateLimited, Renew, Renewal, Renewed};
use evosync_connections::secrets::SecretError;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use crate::world::{Mode, Provided, State};

/// How long an access token lives: it lapses between two sweeps.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// Renewals that a day has room for.
const PER_DAY: u32 = 10_000;

/// The tokens of one connection since it was connected.
#[derive(Default)]
pub(crate) struct Family {
    /// The number of the newest tokens.
    newest: u32,
    /// When each access token lapses.
    lapses: BTreeMap<u32, Duration>,
    /// Whether a refresh token was used twice.
    compromised: bool,
    /// Whether the newest tokens never reached whoever asked for them.
    pub(crate) lost: bool,
    /// When tokens were renewed.
    pub(crate) renewed_at: Vec<Duration>,
}

impl Family {
    pub(crate) fn is_compromised(&self) -> bool {
        self.compromised
    }
}

/// The families of tokens, by the name that their tokens begin with.
#[derive(Default)]
pub(crate) struct Families {
    pub(crate) by_name: BTreeMap<String, Family>,
    /// Refresh tokens that were used twice although the first answer had arrived.
    pub(crate) needless_reuses: Vec<String>,
}

impl Families {
    /// The first tokens of a new connection, and when they lapse.
    pub(crate) fn begin(&mut self, name: &str, now: Timestamp) -> (TokenSet, Timestamp) {
        let mut family = Family::default();
        family.lapses.insert(0, elapsed(now) + lifetime());
        self.by_name.insert(name.to_owned(), family);
        (tokens(name, 0), now + LIFETIME)
    }

    /// Whether an access token works; `None` for one that is of no family.
    pub(crate) fn works(&self, token: &str, now: Duration) -> Option<bool> {
        let (name, number) = parts(token)?;
        let family = self.by_name.get(&name)?;
        Some(!family.compromised && family.lapses.get(&number).is_some_and(|lapses| now < *lapses))
    }

    /// Whether whoever holds the connection has lost its tokens for good.
    pub(crate) fn is_lost(&self, name: &str) -> bool {
        self.by_name.get(name).is_some_and(|family| family.lost || family.compromised)
    }

    /// Spends a refresh token for the next pair.
    pub(crate) fn rotate(&mut self, refresh: &str, is_revoked: bool, now: Duration) -> Option<TokenSet> {
        let (name, number) = parts(refresh)?;
        let family = self.by_name.get_mut(&name)?;
        if is_revoked || family.compromised {
            return None;
        }
        if number != family.newest {
            family.compromised = true;
            if !family.lost {
                self.needless_reuses.push(refresh.to_owned());
            }
            return None;
        }
        family.newest += 1;
        family.lost = true;
        family.lapses.insert(family.newest, now + lifetime());
        family.renewed_at.push(now);
        Some(tokens(&name, family.newest))
    }

    /// The answer to the last rotation has arrived.
    pub(crate) fn arrive(&mut self, refresh: &str) {
        if let Some(family) = parts(refresh).and_then(|(name, _)| self.by_name.get_mut(&name)) {
            family.lost = false;
        }
    }
}

fn lifetime() -> Duration {
    Duration::try_from(LIFETIME).unwrap()
}

fn elapsed(now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(Timestamp::UNIX_EPOCH)).unwrap()
}

fn tokens(name: &str, number: u32) -> TokenSet {
    let access = AccessToken::new(format!("{name}#{number}"));
    TokenSet::renewable(access, RefreshToken::new(format!("{name}#{number}")), None)
}

fn parts(token: &str) -> Option<(String, u32)> {
    let (name, number) = token.split_once('#')?;
    Some((name.to_owned(), number.parse().ok()?))
}

/// How far the provider gets with a renewal.
enum Fate {
    Answers,
    /// It does as asked, and its answer is lost.
    Loses,
    Limits,
    Refuses,
    Fails(Unknown),
    Breaks,
}

impl Provided {
    fn fate(&self, mode: Mode) -> Fate {
        match mode {
            Mode::Truth => Fate::Answers,
            Mode::Silent | Mode::Down | Mode::Odd if self.random.one_in(8) => Fate::Loses,
            Mode::Silent | Mode::Odd => Fate::Breaks,
            Mode::Down => Fate::Fails(Unknown::Transient),
            Mode::TooMany if self.random.one_in(3) => Fate::Answers,
            Mode::TooMany => Fate::Limits,
            Mode::OurFault => Fate::Fails(Unknown::OurFault),
            Mode::AllDead => Fate::Refuses,
        }
    }

    fn rotate(&self, refresh: &str) -> Option<TokenSet> {
        let State { families, revoked, .. } = &mut *self.state.lock().unwrap();
        let is_revoked = parts(refresh).is_some_and(|(name, _)| revoked.contains(&name));
        families.rotate(refresh, is_revoked, self.started.elapsed())
    }

    async fn spend(&self, before: TokenSet) -> Renewal {
        sleep(self.random.up_to(Duration::from_millis(300))).await;
        let mode = self.state.lock().unwrap().mode;
        let refresh = before.refresh.as_ref().unwrap().secret().to_owned();
        let unspent = |class, rate_limited| {
            let answer = CheckAnswer { rate_limited, ..CheckAnswer::of(Liveness::Unknown(class)) };
            Renewal::Unspent { answer }
        };
        match self.fate(mode) {
            Fate::Answers => {
                let Some(tokens) = self.rotate(&refresh) else { return refused() };
                // A worker that is killed here loses them.
                sleep(self.random.up_to(Duration::from_millis(300))).await;
                self.state.lock().unwrap().families.arrive(&refresh);
                let expires_at = Some(self.now() + LIFETIME);
                Renewal::Renewed(Box::new(Renewed { tokens, expires_at, scopes: None, is_anothers: false }))
            }
            Fate::Loses => {
                let _ = self.rotate(&refresh);
                sleep(Duration::from_secs(20)).await;
                Renewal::Lost(Cause::new("the answer is lost"))
            }
            Fate::Breaks => {
                sleep(Duration::from_secs(20)).await;
                Renewal::Lost(Cause::new("no answer"))
            }
            Fate::Limits => {
                unspent(Unknown::Transient, Some(RateLimited { retry_after: Some(Duration::from_secs(5)) }))
            }
            Fate::Fails(class) => unspent(class, None),
            Fate::Refuses => refused(),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::try_from(self.started.elapsed()).unwrap()
    }
}

fn refused() -> Renewal {
    Renewal::Refused(Cause::new("invalid_grant"))
}

impl Renew for Provided {
    fn prepare(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        std::future::ready(Ok(())).boxed()
    }

    fn renew(&self, tokens: TokenSet) -> BoxFuture<'_, Renewal> {
        self.spend(tokens).boxed()
    }

    fn discard(&self, _: TokenSet) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    fn budget(&self) -> Budget {
        Budget { sweep: PER_DAY, all: PER_DAY }
    }
}
