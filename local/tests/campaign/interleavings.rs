//! Two renewers of one connection, a person who reconnects or disconnects, a lost answer, a kill: every order
//! of their steps.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use evosync_connections::domain::{Provider, RenewalClaim, TokenSet};
use evosync_connections::error_chain::Cause;
use evosync_connections::platform::{Clock, Platform, Time};
use evosync_connections::providers::{Budget, Renew, Renewal, Renewed};
use evosync_connections::renewal::Renewer;
use evosync_connections::sealing::{RowIdentity, TokenKeys};
use evosync_connections::secrets::SecretError;
use evosync_connections::store::sweep::{Answer, RowKey, StoredConnection};
use evosync_connections::store::{Counter, NewTokens, RenewalStore};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::families::{Families, Family};
use crate::memory::Memory;
use crate::world::{World, on_virtual_time, user};

/// Lets everybody else go first, once.
async fn step() {
    let mut has_waited = false;
    poll_fn(|_| if std::mem::replace(&mut has_waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// The table in memory, each of whose calls is a step.
struct Steps(Memory);

impl RenewalStore for Steps {
    fn claim<'a>(&'a self, stored: &'a StoredConnection, claim: &'a RenewalClaim) -> Answer<'a, bool> {
        step().then(|()| self.0.claim(stored, claim)).boxed()
    }

    fn release<'a>(&'a self, stored: &'a StoredConnection, claim: &'a RenewalClaim) -> Answer<'a, ()> {
        step().then(|()| self.0.release(stored, claim)).boxed()
    }

    fn note_refusal<'a>(&'a self, stored: &'a StoredConnection, claim: &'a RenewalClaim) -> Answer<'a, ()> {
        step().then(|()| self.0.note_refusal(stored, claim)).boxed()
    }

    fn save<'a>(
        &'a self,
        stored: &'a StoredConnection,
        claim: &'a RenewalClaim,
        tokens: &'a NewTokens,
    ) -> Answer<'a, bool> {
        step().then(|()| self.0.save(stored, claim, tokens)).boxed()
    }

    fn count(&self, counter: Counter, at: Timestamp, limit: u32) -> Answer<'_, bool> {
        self.0.count(counter, at, limit)
    }
}

/// VK ID, which takes a step to get a request and another to answer.
#[derive(Clone)]
struct Vk {
    families: Arc<Mutex<Families>>,
    given_back: Arc<Mutex<Vec<String>>>,
    loses: bool,
}

impl Renew for Vk {
    fn prepare(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        std::future::ready(Ok(())).boxed()
    }

    fn renew(&self, tokens: TokenSet) -> BoxFuture<'_, Renewal> {
        async move {
            let refresh = tokens.refresh.as_ref().unwrap().secret().to_owned();
            step().await;
            let renewed = self.families.lock().unwrap().rotate(&refresh, false, std::time::Duration::ZERO);
            step().await;
            if self.loses {
                return Renewal::Lost(Cause::new("the answer is lost"));
            }
            let Some(tokens) = renewed else { return Renewal::Refused(Cause::new("invalid_grant")) };
            self.families.lock().unwrap().arrive(&refresh);
            Renewal::Renewed(Box::new(Renewed { tokens, expires_at: None, scopes: None, is_anothers: false }))
        }
        .boxed()
    }

    fn discard(&self, tokens: TokenSet) -> BoxFuture<'_, ()> {
        self.given_back.lock().unwrap().push(tokens.access.secret().to_owned());
        std::future::ready(()).boxed()
    }

    fn budget(&self) -> Budget {
        Budget { sweep: u32::MAX, all: u32::MAX }
    }
}

/// What happens beside the renewers, as one step.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Person {
    Away,
    Reconnects,
    Disconnects,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    person: Person,
    loses: bool,
    /// The first renewer is killed after so many steps.
    killed_after: Option<usize>,
}

/// Runs one order. Each number says who takes the next step: a renewer, or the person.
fn run(case: Case, order: &[usize]) -> bool {
    let world = World::renewing(1, 1, 0);
    let families = std::mem::take(&mut world.provider.state.lock().unwrap().families);
    let vk = Vk { families: Arc::new(Mutex::new(families)), given_back: Arc::default(), loses: case.loses };
    let keys = world.keys.now();
    let store = Steps(world.store.clone());
    let platform = platform(&world);
    let renewer = Renewer { store: &store, keys, table: "connections", platform: &platform };
    let key = RowKey::new(&user(0), Provider::Vk);
    let before = world.store.tables().rows[&key].clone();
    let tokens = open(keys, &before);
    let mut rows = [before.clone(), before.clone()];
    let renew = async |row: &mut StoredConnection| {
        let permit = renewer.permit(&vk, row, false, u32::MAX).await.unwrap();
        renewer.renew(&vk, row, tokens.clone(), &permit).await;
    };
    let renewals = rows.iter_mut().map(|row| Some(renew(row).boxed_local()));
    let mut renewals: Vec<_> = renewals.collect();
    let (mut taken, mut has_acted, mut was_saved) = (0, false, false);
    for actor in order {
        if *actor == 2 {
            was_saved = world.store.tables().rows[&key].token_seq == 1;
            match case.person {
                Person::Away => {}
                Person::Reconnects => {
                    world.provider.state.lock().unwrap().families = Families::default();
                    world.connect(&user(0));
                }
                Person::Disconnects => world.disconnect(&user(0)),
            }
            has_acted = true;
            continue;
        }
        if *actor == 0 {
            taken += 1;
            if case.killed_after.is_some_and(|steps| taken > steps) {
                renewals[0] = None;
            }
        }
        let Some(renewal) = &mut renewals[*actor] else { continue };
        if renewal.poll_unpin(&mut Context::from_waker(Waker::noop())).is_ready() {
            renewals[*actor] = None;
        }
    }
    let is_over = renewals.iter().all(Option::is_none);
    drop(renewals);
    let families = vk.families.lock().unwrap();
    assert_eq!(families.needless_reuses, [""; 0], "{case:?} {order:?}");
    assert!(!families.by_name.values().any(Family::is_compromised), "{case:?} {order:?}");
    let tables = world.store.tables();
    let row = tables.rows.get(&key);
    if has_acted && case.person == Person::Disconnects {
        assert!(row.is_none(), "nothing comes back: {case:?} {order:?}");
    }
    if has_acted && case.person == Person::Reconnects {
        let row = row.unwrap();
        assert_ne!(row.generation, before.generation);
        assert!(row.renewal.is_none() && row.token_seq == 0, "{case:?} {order:?}");
        assert!(open(keys, row).access.secret().ends_with("#0"), "its own tokens: {case:?} {order:?}");
    }
    if is_over && !case.loses && case.killed_after.is_none() {
        let rotated = families.by_name.values().any(|family| !family.renewed_at.is_empty());
        let is_given_back = !vk.given_back.lock().unwrap().is_empty();
        if case.person == Person::Away {
            let row = row.unwrap();
            assert_eq!((row.token_seq, &row.renewal), (1, &None), "renewed once: {order:?}");
            assert!(open(keys, row).access.secret().ends_with("#1"));
        } else {
            assert_eq!(
                is_given_back,
                rotated && !was_saved,
                "what nobody uses is given back: {case:?} {order:?}"
            );
        }
    }
    is_over
}

fn open(keys: &TokenKeys, row: &StoredConnection) -> TokenSet {
    let user = user(0);
    let identity = RowIdentity {
        table: "connections",
        user: &user,
        provider: Provider::Vk,
        generation: &row.generation,
    };
    keys.open(&row.sealed_tokens, identity).unwrap()
}

struct Frozen;

impl Time for Frozen {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(2)
    }

    fn sleep(&self, _: std::time::Duration) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

fn platform(world: &World) -> Platform {
    Platform {
        clock: Clock::new(Frozen),
        entropy: world.random.entropy(),
        aws: aws_types::SdkConfig::builder().build(),
    }
}

/// A renewal's steps, and the poll that ends it: the claim, VK's two, the save.
const STEPS: usize = 5;

/// All orders of so many steps of the two renewers and one of the person's.
fn orders(left: [usize; 3], order: &mut Vec<usize>, visit: &mut impl FnMut(&[usize])) {
    if left.iter().sum::<usize>() == 0 {
        return visit(order);
    }
    for actor in 0..3 {
        if left[actor] > 0 {
            let mut left = left;
            left[actor] -= 1;
            order.push(actor);
            orders(left, order, visit);
            order.pop();
        }
    }
}

#[test]
fn in_every_order_a_refresh_token_is_spent_once_and_nothing_of_the_person_is_undone() {
    let mut cases = Vec::new();
    for person in [Person::Away, Person::Reconnects, Person::Disconnects] {
        for loses in [false, true] {
            for killed_after in [None, Some(0), Some(1), Some(2), Some(3), Some(4)] {
                cases.push(Case { person, loses, killed_after });
            }
        }
    }
    on_virtual_time(async {
        let (mut tried, mut ended) = (0, 0);
        for case in cases {
            orders([STEPS, STEPS, 1], &mut Vec::new(), &mut |order| {
                tried += 1;
                ended += usize::from(run(case, order));
            });
        }
        assert!(tried > 90_000 && ended > 50_000, "{tried} {ended}");
    });
}
