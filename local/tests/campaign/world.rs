//! A product in small: a table, a provider, people, the sweep's function, its queue and its schedule.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use evosync_connections::config::Sweep;
use evosync_connections::domain::secret::AccessToken;
use evosync_connections::domain::{
    Account, Cadence, Connection, Expiry, Generation, Liveness, OfflineReason, Provider, TokenSet, Unknown,
    UserId,
};
use evosync_connections::platform::{Clock, Platform, Time};
use evosync_connections::providers::{Check, CheckAnswer, PerProvider, RateLimited, Renew, Subject};
use evosync_connections::sealing::{RowIdentity, TokenKeys};
use evosync_connections::secrets::SecretError;
use evosync_connections::store::sweep::{RowKey, StoredConnection};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use health_check::{Function, KeySource, PartMessage, Queue};
use jiff::{SignedDuration, Timestamp};
use lambda_http::Context;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::families::Families;
use crate::memory::Memory;
use crate::random::Random;

/// Checks in flight at once.
pub(crate) const CONCURRENCY: usize = 4;
pub(crate) const PERIOD: Duration = Duration::from_mins(15);
pub(crate) const RENEW_AFTER: Duration = Duration::from_mins(30);
/// Lambda's time-out.
const TIME_OUT: Duration = Duration::from_mins(14);

/// Virtual time: tokio's, which jumps to the next timer when nobody has anything to do.
struct Virtual(Instant);

impl Time for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        sleep(duration).boxed()
    }
}

/// What the provider answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// The truth.
    Truth,
    /// Nothing, after a while.
    Silent,
    /// A transient fault.
    Down,
    /// "Too many", to all or to most.
    TooMany,
    /// An answer that proves nothing.
    Odd,
    /// That our application is at fault.
    OurFault,
    /// That every token is dead, which is not true.
    AllDead,
}

impl Mode {
    pub(crate) const ALL: [Self; 7] =
        [Self::Truth, Self::Silent, Self::Down, Self::TooMany, Self::Odd, Self::OurFault, Self::AllDead];
}

/// The provider: which tokens are revoked, how it answers, what it was asked.
#[derive(Clone)]
pub(crate) struct Provided {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) random: Random,
    pub(crate) started: Instant,
}

pub(crate) struct State {
    pub(crate) families: Families,
    pub(crate) revoked: BTreeSet<String>,
    pub(crate) mode: Mode,
    /// How often it may be asked a second, where it has a bound of its own.
    pub(crate) max_rps: Option<NonZeroU32>,
    /// Tokens and when they were asked about, with the answer.
    pub(crate) asked: Vec<(String, Duration, Liveness)>,
}

impl Check for Provided {
    fn check(&self, subject: Subject) -> BoxFuture<'_, CheckAnswer> {
        async move {
            sleep(self.random.up_to(Duration::from_millis(300))).await;
            let mode = self.state.lock().unwrap().mode;
            if mode == Mode::Silent {
                sleep(Duration::from_secs(5)).await;
            }
            let answer = CheckAnswer::of;
            let token = subject.tokens.access.secret().to_owned();
            let mut state = self.state.lock().unwrap();
            let lives = match state.families.works(&token, self.started.elapsed()) {
                Some(works) => works && !state.revoked.contains(token.split('#').next().unwrap()),
                None => !state.revoked.contains(&token),
            };
            let truth = if lives { Liveness::Alive } else { Liveness::Dead(OfflineReason::TokenRejected) };
            let too_many = RateLimited { retry_after: Some(Duration::from_secs(self.random.below(90))) };
            let answer = match mode {
                Mode::Truth => answer(truth),
                Mode::Silent | Mode::Down => answer(Liveness::Unknown(Unknown::Transient)),
                Mode::TooMany if self.random.one_in(3) => answer(truth),
                Mode::TooMany => CheckAnswer {
                    rate_limited: Some(too_many),
                    ..answer(Liveness::Unknown(Unknown::Transient))
                },
                Mode::Odd => answer(Liveness::Unknown(Unknown::Inconclusive)),
                Mode::OurFault => answer(Liveness::Unknown(Unknown::OurFault)),
                Mode::AllDead => answer(Liveness::Dead(OfflineReason::TokenRejected)),
            };
            state.asked.push((token, self.started.elapsed(), answer.liveness));
            answer
        }
        .boxed()
    }

    fn check_scopes(&self, _: TokenSet) -> BoxFuture<'_, Option<CheckAnswer>> {
        std::future::ready(None).boxed()
    }

    fn max_rps(&self) -> Option<NonZeroU32> {
        self.state.lock().unwrap().max_rps
    }
}

/// The token keys, which may be rotated.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    are_rotated: Arc<AtomicBool>,
}

const FIRST_KEY: &str = r#"{"current":"1","1":"the first key of thirty-two characters."}"#;
const SECOND_KEY: &str = r#"{"current":"2","1":"the first key of thirty-two characters.","2":"the second key of thirty-two characters"}"#;

impl Keys {
    pub(crate) fn rotate(&self) {
        self.are_rotated.store(true, Ordering::Relaxed);
    }

    /// The keys as they are now, derived once for all schedules.
    pub(crate) fn now(&self) -> &'static TokenKeys {
        static FIRST: LazyLock<TokenKeys> = LazyLock::new(|| TokenKeys::parse(FIRST_KEY).unwrap());
        static SECOND: LazyLock<TokenKeys> = LazyLock::new(|| TokenKeys::parse(SECOND_KEY).unwrap());
        if self.are_rotated.load(Ordering::Relaxed) { &SECOND } else { &FIRST }
    }
}

impl KeySource for Keys {
    fn reread(&self) -> BoxFuture<'_, Result<TokenKeys, SecretError>> {
        let text = if self.are_rotated.load(Ordering::Relaxed) { SECOND_KEY } else { FIRST_KEY };
        std::future::ready(Ok(TokenKeys::parse(text).unwrap())).boxed()
    }
}

/// Messages that wait to be delivered.
#[derive(Clone, Default)]
pub(crate) struct Messages {
    waiting: Arc<Mutex<Vec<PartMessage>>>,
    sent: Arc<Notify>,
}

impl Queue for Messages {
    fn send(&self, message: PartMessage) -> BoxFuture<'_, ()> {
        self.waiting.lock().unwrap().push(message);
        self.sent.notify_one();
        std::future::ready(()).boxed()
    }
}

impl Messages {
    /// Waits until there is a message.
    pub(crate) async fn next(&self, random: &Random) -> PartMessage {
        loop {
            if let Some(message) = self.take(random) {
                return message;
            }
            self.sent.notified().await;
        }
    }

    pub(crate) fn take(&self, random: &Random) -> Option<PartMessage> {
        let mut messages = self.waiting.lock().unwrap();
        let count = u64::try_from(messages.len()).unwrap();
        (count > 0).then(|| messages.remove(usize::try_from(random.below(count)).unwrap()))
    }
}

/// Everything.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) store: Memory,
    pub(crate) provider: Provided,
    pub(crate) keys: Keys,
    pub(crate) messages: Messages,
    pub(crate) clock: Clock,
    function: Arc<Function>,
    /// Whether people connect under tokens that lapse and are renewed.
    renews: bool,
    /// Invocations that were killed.
    pub(crate) kills: Arc<Mutex<usize>>,
}

impl World {
    /// A world of as many green connections, with workers by segments; without a queue for none.
    pub(crate) fn new(seed: u64, rows: usize, segments: u32) -> Self {
        Self::of(seed, rows, segments, false)
    }

    /// The same, of connections whose tokens lapse and are renewed.
    pub(crate) fn renewing(seed: u64, rows: usize, segments: u32) -> Self {
        Self::of(seed, rows, segments, true)
    }

    pub(crate) fn of(seed: u64, rows: usize, segments: u32, renews: bool) -> Self {
        let random = Random::of(seed);
        let store = Memory::new(random.clone());
        let started = Instant::now();
        let state = State {
            families: Families::default(),
            revoked: BTreeSet::new(),
            mode: Mode::Truth,
            max_rps: None,
            asked: Vec::new(),
        };
        let provider = Provided { state: Arc::new(Mutex::new(state)), random: random.clone(), started };
        let (keys, messages) = (Keys::default(), Messages::default());
        let clock = Clock::new(Virtual(started));
        let platform = Platform {
            clock: clock.clone(),
            entropy: random.entropy(),
            aws: aws_types::SdkConfig::builder().build(),
        };
        let bounds = Sweep {
            concurrency: NonZeroU32::new(CONCURRENCY.try_into().unwrap()).unwrap(),
            max_rps: NonZeroU32::new(50).unwrap(),
            segments: segments.max(1),
            cadence: Cadence {
                sweep: SignedDuration::try_from(PERIOD).unwrap(),
                renewal: SignedDuration::try_from(RENEW_AFTER).unwrap(),
            },
        };
        let queue: Option<Box<dyn Queue>> = match segments {
            0 => None,
            _ => Some(Box::new(messages.clone())),
        };
        let check: Box<dyn Check> = Box::new(provider.clone());
        let check = Mutex::new(Some(check));
        let providers =
            PerProvider::build(&[Provider::Vk], |_| Ok::<_, ()>(check.lock().unwrap().take())).unwrap();
        let renew: Box<dyn Renew> = Box::new(provider.clone());
        let renew = Mutex::new(Some(renew));
        let renewers =
            PerProvider::build(&[Provider::Vk], |_| Ok::<_, ()>(renew.lock().unwrap().take())).unwrap();
        let function =
            Function::new(store.door(), queue, providers, renewers, Box::new(keys.clone()), bounds, platform);
        let world = Self {
            random,
            store,
            provider,
            keys,
            messages,
            clock,
            function: Arc::new(function),
            renews,
            kills: Arc::default(),
        };
        for index in 0..rows {
            world.connect(&user(index));
        }
        world
    }

    /// A person connects or reconnects: another generation, another token.
    pub(crate) fn connect(&self, user: &UserId) {
        let mut tables = self.store.tables();
        let now = self.clock.now();
        let generation = Generation::new(self.random.entropy().bytes());
        let key = RowKey::new(user, Provider::Vk);
        let name = token_of(&key, generation.as_str());
        let (token, expiry) = if self.renews {
            let (token, at) = self.provider.state.lock().unwrap().families.begin(&name, now);
            (token, Some(Expiry { at, renewable: true }))
        } else {
            (TokenSet::of_access(AccessToken::new(name)), None)
        };
        let identity =
            RowIdentity { table: "connections", user, provider: Provider::Vk, generation: &generation };
        let sealed = self.keys.now().seal(&token, identity, self.random.entropy().bytes()).unwrap();
        let connection = Connection {
            user: user.clone(),
            provider: Provider::Vk,
            account: Account::new("1", "Анна", ""),
            is_online: true,
            offline_reason: None,
            connected_at: Some(now),
            updated_at: Some(now),
            last_checked_at: Some(now),
            expiry,
            scopes: None,
        };
        let row = StoredConnection {
            connection,
            generation,
            sealed_tokens: sealed,
            last_attempt_at: Some(now),
            last_attempt_by: None,
            last_attempt_result: Some("alive".to_owned()),
            scopes_checked_at: Some(now),
            token_seq: 0,
            renewal: None,
        };
        tables.rows.insert(key, row);
    }

    pub(crate) fn disconnect(&self, user: &UserId) {
        self.store.tables().rows.remove(&RowKey::new(user, Provider::Vk));
    }

    /// The person revokes the access of their connection at the provider.
    pub(crate) fn revoke(&self, user: &UserId) {
        let key = RowKey::new(user, Provider::Vk);
        let tables = self.store.tables();
        let Some(row) = tables.rows.get(&key) else { return };
        self.provider.state.lock().unwrap().revoked.insert(token_of(&key, row.generation.as_str()));
    }

    /// Whether the row's access was revoked, or its tokens are lost.
    pub(crate) fn is_over(&self, row: &StoredConnection) -> bool {
        let name = token_of(&RowKey::of(&row.connection), row.generation.as_str());
        let state = self.provider.state.lock().unwrap();
        state.revoked.contains(&name) || state.families.is_lost(&name)
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.provider.state.lock().unwrap().mode = mode;
    }

    /// Invokes the function, which Lambda kills at its time-out, or somebody earlier.
    pub(crate) async fn invoke(&self, event: &Value, killed_after: Option<Duration>) -> Option<Value> {
        let mut context = Context::default();
        let end = self.clock.now() + SignedDuration::try_from(TIME_OUT).unwrap();
        context.deadline = end.as_millisecond().unsigned_abs();
        "request".clone_into(&mut context.request_id);
        let answer = timeout(killed_after.unwrap_or(TIME_OUT), self.function.handle(event, &context)).await;
        if answer.is_err() {
            *self.kills.lock().unwrap() += 1;
        }
        Some(serde_json::to_value(answer.ok()?.ok()?).unwrap())
    }

    pub(crate) async fn tick(&self) {
        self.invoke(&tick(), None).await;
    }

    /// A tick, and the delivery of all messages that follow from it, one after the other.
    pub(crate) async fn sweep(&self) {
        self.tick().await;
        while let Some(message) = self.messages.take(&self.random) {
            self.invoke(&delivery(&message), None).await;
        }
    }

    /// How many times each token was asked about.
    pub(crate) fn asked(&self) -> BTreeMap<String, Vec<(Duration, Liveness)>> {
        let mut asked = BTreeMap::<_, Vec<_>>::new();
        for (token, at, answer) in &self.provider.state.lock().unwrap().asked {
            asked.entry(token.clone()).or_default().push((*at, *answer));
        }
        asked
    }
}

pub(crate) fn tick() -> Value {
    json!({ "source": "aws.scheduler" })
}

pub(crate) fn delivery(message: &PartMessage) -> Value {
    json!({ "Records": [{ "body": serde_json::to_string(message).unwrap() }] })
}

pub(crate) fn user(index: usize) -> UserId {
    UserId::parse(&format!("user-{index:03}")).unwrap()
}

fn token_of(key: &RowKey, generation: &str) -> String {
    format!("{}/{generation}", key.user)
}

/// Runs on virtual time.
pub(crate) fn on_virtual_time<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(run)
}
