//! The store in memory keeps the promises of the real one: the same cases on both.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evosync_connections::config::Env;
use evosync_connections::domain::{
    Account, Actor, Connection, Expiry, Generation, OfflineReason, Provider, RenewalClaim, Scopes,
};
use evosync_connections::platform::{Clock, Platform};
use evosync_connections::store::sweep::{
    Attempt, DynamoSweepStore, Lease, Part, PartOf, Progress, Recorded, RowKey, RowUpdate, RowVerdict, Run,
    Segment, StoredConnection, SweepStore,
};
use evosync_connections::store::{Counter, NewTokens};
use jiff::{SignedDuration, Timestamp};
use local::aws::Aws;
use local::cloudformation;

use crate::memory::Memory;
use crate::random::Random;
use crate::world::{World, user};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn run(id: &str) -> Run {
    Run {
        id: id.to_owned(),
        started_at: NOW,
        segments: 2,
        forced: false,
        catching_up: BTreeMap::new(),
        open: BTreeSet::from([0, 1]),
        given_up: BTreeSet::new(),
        finished_at: None,
        allow_until: None,
    }
}

async fn keeps_the_promises_of_a_run(store: &dyn SweepStore) {
    let begins = async |previous, run: Run| store.begin(previous, &run).await.unwrap().id == run.id;
    assert_eq!(store.run().await.unwrap(), None);
    assert!(begins(None, run("a")).await);
    assert!(begins(None, run("a")).await, "a repetition");
    assert!(!begins(None, run("b")).await, "another worker's");
    assert!(!begins(Some("a"), run("b")).await, "unfinished");
    assert_eq!(store.run().await.unwrap(), Some(run("a")));

    store.give_up("a", Provider::Vk).await.unwrap();
    store.give_up("another", Provider::Vk).await.unwrap();
    assert_eq!(store.run().await.unwrap().unwrap().given_up, BTreeSet::from(["vk".to_owned()]));
    assert_eq!(store.complete("a", 1).await.unwrap().unwrap().open, BTreeSet::from([0]));
    assert_eq!(store.complete("a", 1).await.unwrap().unwrap().open, BTreeSet::from([0]), "a repetition");
    assert_eq!(store.complete("another", 0).await.unwrap(), None);
    assert!(store.complete("a", 0).await.unwrap().unwrap().open.is_empty());

    assert!(!store.finish("another", NOW, "{}").await.unwrap());
    assert!(store.finish("a", NOW, "{}").await.unwrap());
    assert!(store.finish("a", NOW, "{}").await.unwrap(), "a repetition");
    assert!(!store.finish("a", NOW, "another worker's").await.unwrap());
    assert_eq!(store.run().await.unwrap().unwrap().finished_at, Some(NOW));
    assert!(begins(Some("a"), run("b")).await);
    assert_eq!(store.run().await.unwrap(), Some(run("b")), "nothing of the run before is left");
}

async fn keeps_the_promises_of_a_lease(store: &dyn SweepStore) {
    let part = PartOf { run: "a", part: Part::Segment(1) };
    let at = |minutes| NOW + SignedDuration::from_mins(minutes);
    let lease = |worker, now| Lease { worker, now: at(now), until: at(now + 14) };
    assert_eq!(store.progress(part).await.unwrap(), None);
    assert_eq!(store.lease(part, lease("one", 0)).await.unwrap(), Some(Progress::default()));
    assert_eq!(store.lease(part, lease("one", 0)).await.unwrap(), Some(Progress::default()), "a repetition");
    assert_eq!(store.lease(part, lease("two", 14)).await.unwrap(), None, "it lasts");
    let cursor = Some(RowKey { user: "u".to_owned(), provider: "vk".to_owned() });
    let progress = Progress { cursor, suspects_left_out: 3, ..Progress::default() };
    assert!(store.checkpoint(part, "one", &progress, false).await.unwrap());
    assert_eq!(store.lease(part, lease("two", 15)).await.unwrap(), Some(progress.clone()), "it is over");
    assert!(
        !store.checkpoint(part, "one", &Progress::default(), true).await.unwrap(),
        "another worker's by now"
    );
    assert!(store.checkpoint(part, "two", &progress, true).await.unwrap());
    assert_eq!(store.progress(part).await.unwrap(), Some(progress.clone()));
    assert_eq!(store.lease(part, lease("three", 15)).await.unwrap(), Some(progress), "it was ended");
    let other = PartOf { run: "a", part: Part::Closing };
    assert_eq!(store.lease(other, lease("three", 15)).await.unwrap(), Some(Progress::default()));
}

/// The table holds the connection of user 0.
async fn keeps_the_promises_of_an_update(store: &dyn SweepStore) {
    let key = RowKey::new(&user(0), Provider::Vk);
    let read = async || store.read(key.clone()).await.unwrap().unwrap();
    let record =
        async |update: &RowUpdate| store.record(std::slice::from_ref(update)).await.remove(0).unwrap();
    let before = read().await;
    let update = |id: &str, seen: Option<&str>, offline| RowUpdate {
        key: key.clone(),
        generation: before.generation.clone(),
        seen_attempt: seen.map(str::to_owned),
        attempt: Some(Attempt {
            id: id.to_owned(),
            at: NOW + SignedDuration::from_mins(1),
            result: "result",
            verdict: Some(RowVerdict {
                offline,
                changed_in: Some("request".to_owned()),
                actor: Actor::Sweep,
            }),
            scopes: None,
            account: Some(Account::new("another number", id, "Петрова")),
        }),
        resealed: None,
    };
    let broken = update("first", before.last_attempt_by.as_deref(), Some(OfflineReason::TokenRejected));
    assert_eq!(record(&broken).await, Recorded::Written);
    assert_eq!(record(&broken).await, Recorded::Written, "a repetition");
    let row = read().await;
    assert_eq!(
        (row.connection.is_online, row.connection.offline_reason),
        (false, Some(OfflineReason::TokenRejected))
    );
    assert_eq!(
        (row.connection.updated_at, row.last_attempt_by.as_deref()),
        (Some(NOW + SignedDuration::from_mins(1)), Some("first"))
    );
    let account = Account::new(before.connection.account.id.clone(), "first", "Петрова");
    assert_eq!(row.connection.account, account, "new names, and the number that it had");
    assert_eq!(record(&update("second", None, None)).await, Recorded::Superseded, "somebody tried since");
    let other = RowUpdate { generation: Generation::new([9; 16]), ..update("second", Some("first"), None) };
    assert_eq!(record(&other).await, Recorded::Superseded, "of another generation");
    assert_eq!(record(&update("second", Some("first"), None)).await, Recorded::Written);
    let row = read().await;
    assert_eq!((row.connection.is_online, row.connection.offline_reason), (true, None));
    let resealed =
        RowUpdate { attempt: None, resealed: Some(vec![7]), ..update("third", Some("second"), None) };
    for stale in [
        RowUpdate { generation: Generation::new([9; 16]), ..resealed.clone() },
        RowUpdate { seen_attempt: Some("first".to_owned()), ..resealed.clone() },
    ] {
        assert_eq!(record(&stale).await, Recorded::Superseded, "tokens that were replaced meanwhile");
        assert_ne!(read().await.sealed_tokens, vec![7]);
    }
    assert_eq!(record(&resealed).await, Recorded::Written);
    assert_eq!(
        (read().await.sealed_tokens, read().await.last_attempt_by.as_deref()),
        (vec![7], Some("second"))
    );
    let gone = RowUpdate { key: RowKey::new(&user(99), Provider::Vk), ..update("fourth", None, None) };
    assert_eq!(record(&gone).await, Recorded::Superseded);
    assert_eq!(store.read(gone.key).await.unwrap(), None, "no update brings a row back");
    let page = store.scan(Segment { number: 0, of: 1 }, None).await.unwrap();
    assert_eq!((page.connections.len(), page.next), (1, None));
    assert!(
        store.scan(Segment { number: 0, of: 1 }, Some(key.clone())).await.unwrap().connections.is_empty()
    );
}

/// The table holds the connection of user 0.
async fn keeps_the_promises_of_a_renewal(store: &dyn SweepStore) {
    let key = RowKey::new(&user(0), Provider::Vk);
    let read = async || store.read(key.clone()).await.unwrap().unwrap();
    let at = |minutes| NOW + SignedDuration::from_mins(minutes);
    let claim = |number, after_loss| RenewalClaim::new([number; 16], at(1), after_loss);
    let tokens = |sealed, attempt_id: &str| NewTokens {
        sealed: vec![sealed],
        expires_at: Some(at(60)),
        scopes: Some(Scopes::parse("market groups")),
        at: at(2),
        attempt_id: attempt_id.to_owned(),
    };
    let (first, second) = (claim(1, false), claim(2, true));
    let before = read().await;
    assert!(store.claim(&before, &first).await.unwrap());
    assert!(store.claim(&before, &first).await.unwrap(), "a repetition");
    assert!(!store.claim(&before, &second).await.unwrap(), "somebody else's");
    assert_eq!(read().await.renewal, Some(first.clone()));
    store.note_refusal(&before, &second).await.unwrap();
    store.release(&before, &second).await.unwrap();
    assert_eq!(read().await.renewal, Some(first.clone()), "not theirs to change");
    store.note_refusal(&before, &first.clone().refused()).await.unwrap();
    let refused = read().await;
    assert_eq!(refused.renewal.as_ref().unwrap().refusals, 1);
    assert!(store.claim(&refused, &second).await.unwrap(), "taken over by whoever has seen it");
    store.release(&refused, &second).await.unwrap();
    let free = read().await;
    assert_eq!(free.renewal, None);

    assert!(!store.save(&free, &first, &tokens(8, "one")).await.unwrap(), "without a claim");
    assert!(store.claim(&free, &second).await.unwrap());
    let other = StoredConnection { generation: Generation::new([9; 16]), ..free.clone() };
    assert!(!store.save(&other, &second, &tokens(8, "one")).await.unwrap(), "of another generation");
    assert!(store.save(&free, &second, &tokens(8, "one")).await.unwrap());
    assert!(store.save(&free, &second, &tokens(8, "one")).await.unwrap(), "a repetition");
    assert!(!store.save(&free, &second, &tokens(9, "two")).await.unwrap(), "the claim is gone");
    let row = read().await;
    assert_eq!((row.sealed_tokens.as_slice(), row.token_seq, &row.renewal), (&[8][..], 1, &None));
    assert_eq!(row.connection.expiry, Some(Expiry { at: at(60), renewable: true }));
    assert_eq!((row.connection.last_checked_at, row.scopes_checked_at), (Some(at(2)), Some(at(2))));
    assert_eq!(row.connection.scopes, Some(Scopes::parse("groups market")));
    assert_eq!(row.last_attempt_by.as_deref(), Some("one"), "so that nobody writes over it");
    assert!(!store.claim(&free, &first).await.unwrap(), "the tokens are others by now");

    let gone = StoredConnection {
        connection: Connection { user: user(99), ..row.connection.clone() },
        ..row.clone()
    };
    assert!(!store.claim(&gone, &first).await.unwrap());
    assert!(!store.save(&gone, &first, &tokens(8, "one")).await.unwrap());
    assert_eq!(store.read(RowKey::new(&user(99), Provider::Vk)).await.unwrap(), None);

    let counts = async |counter, hour: i64| store.count(counter, at(hour * 60), 2).await.unwrap();
    let (renewals, broken) = (Counter::Renewals(Provider::Vk), Counter::Broken(Provider::Vk));
    assert!(counts(renewals, 0).await && counts(renewals, 23).await);
    assert!(!counts(renewals, 23).await, "the day's budget is spent");
    assert!(counts(renewals, 24).await, "another day has its own");
    assert!(counts(broken, 0).await && counts(broken, 0).await && !counts(broken, 0).await);
    assert!(counts(broken, 1).await, "another hour has its own");
}

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_conforms() {
    keeps_the_promises_of_a_run(&Memory::new(Random::of(1))).await;
    keeps_the_promises_of_a_lease(&Memory::new(Random::of(1))).await;
    keeps_the_promises_of_an_update(&World::new(1, 1, 0).store).await;
    keeps_the_promises_of_a_renewal(&World::new(1, 1, 0).store).await;
}

#[tokio::test]
async fn the_store_in_dynamodb_conforms() {
    let aws = Aws::start(None, &cloudformation::tables().unwrap(), Clock::system()).await.unwrap();
    let platform =
        Platform { clock: Clock::system(), entropy: Random::of(1).entropy(), aws: aws.sdk_config() };
    let tables =
        ["CONNECTIONS_TABLE", "SESSIONS_TABLE"].into_iter().zip(["ConnectionsTable", "SessionsTable"]);
    let env = Env::of_map(
        tables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<HashMap<_, _>>(),
    );
    let store = DynamoSweepStore::new(&platform, &env).unwrap();
    keeps_the_promises_of_a_run(&store).await;
    keeps_the_promises_of_a_lease(&store).await;
    put_connection(&aws).await;
    keeps_the_promises_of_an_update(&store).await;
    put_connection(&aws).await;
    keeps_the_promises_of_a_renewal(&store).await;
}

async fn put_connection(aws: &Aws) {
    use aws_sdk_dynamodb::types::AttributeValue::{B, Bool, S};
    let put = aws_sdk_dynamodb::Client::new(&aws.sdk_config())
        .put_item()
        .table_name("ConnectionsTable")
        .item("user_id", S(user(0).as_str().to_owned()))
        .item("provider", S("vk".to_owned()))
        .item("vk_user_id", S("1".to_owned()))
        .item("generation", S("00".repeat(16)))
        .item("is_online", Bool(true))
        .item("connected_at", S("1970-01-01T00:00:00Z".to_owned()))
        .item("access_token", B(vec![1].into()));
    put.send().await.unwrap();
}
