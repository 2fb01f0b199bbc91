//! The store's contract, against DynamoDB itself: what each capability promises when several act at
//! once, and what the rows look like from outside.

use std::collections::BTreeMap;

use evosync_connections::config::Env;
use evosync_connections::domain::{
    Account, Actor, AnswerDigest, AttemptId, ChangedBy, Generation, OfflineReason, Provider, ReturnTo,
    SessionCredential, State, UserId,
};
use evosync_connections::platform::{Clock, Platform};
use evosync_connections::store::sweep::{
    Attempt, ConnectionStore, DynamoSweepStore, Recorded, RowKey, RowUpdate, RowVerdict, Segment,
    StoredConnection, SweepStore as _,
};
use evosync_connections::store::{
    Begin, CallbackStore, ConnectStore, DisconnectStore, Earlier, NewConnection, NewSession, PageStore,
    PendingSignIn, Removed, Saved, Seen, SignInEnd, SignInStore, Spend, SpentSignIn,
};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use local::testing::repeatable_entropy;

use crate::support::{TestStack, text};

/// The store of a test stack, every capability of it.
struct Store {
    page: PageStore,
    connect: ConnectStore,
    callback: CallbackStore,
    disconnect: DisconnectStore,
    sign_in: SignInStore,
    sweep: DynamoSweepStore,
}

fn store(test: &TestStack) -> Store {
    let clock = Clock::new(test.clock.clone());
    let platform = &Platform { clock, entropy: repeatable_entropy(), aws: test.stack.aws().sdk_config() };
    let env = &Env::of_map(
        [("CONNECTIONS_TABLE", "ConnectionsTable"), ("SESSIONS_TABLE", "SessionsTable")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    );
    Store {
        page: PageStore::new(platform, env).unwrap(),
        connect: ConnectStore::new(platform, env).unwrap(),
        callback: CallbackStore::new(platform, env).unwrap(),
        disconnect: DisconnectStore::new(platform, env).unwrap(),
        sign_in: SignInStore::new(platform, env).unwrap(),
        sweep: DynamoSweepStore::new(platform, env).unwrap(),
    }
}

fn user() -> UserId {
    UserId::parse("shop|7").unwrap()
}

fn credential(byte: u8) -> SessionCredential {
    SessionCredential::new(user(), [byte; 32])
}

fn attempt(byte: u8) -> AttemptId {
    State::new([byte; 32]).attempt_id()
}

impl Store {
    async fn sign_in(&self, credential: &SessionCredential) {
        let session = NewSession { credential, display_name: "Магазин", zone: None, replaces: None };
        let pending = PendingSignIn {
            browser: "own".into(),
            nonce: "nonce".into(),
            pkce_verifier: "verifier".into(),
            return_to: ReturnTo::Connections,
        };
        self.sign_in.begin(&attempt(0), &pending).await.unwrap();
        self.sign_in.sign_in(&attempt(0), session).await.unwrap();
    }

    async fn begin(&self, credential: &SessionCredential, attempt: &AttemptId) -> Begin {
        self.connect.begin(credential, Provider::Vk, attempt).await.unwrap()
    }

    async fn spend(&self, credential: &SessionCredential, attempt: &AttemptId) -> Spend {
        let answer = AnswerDigest::new("code", "c");
        self.callback.spend(credential, Provider::Vk, attempt, &answer).await.unwrap()
    }

    async fn save(&self, generation: u8) -> Saved {
        if !self.sign_in.is_live(&credential(7)).await.unwrap() {
            self.sign_in(&credential(7)).await;
        }
        let seen = self.callback.seen(&user(), Provider::Vk).await.unwrap();
        self.save_over(&seen, generation).await
    }

    async fn save_over(&self, seen: &Seen, generation: u8) -> Saved {
        let connection = NewConnection {
            credential: &credential(7),
            by: ChangedBy { actor: Actor::Person, correlation_id: "request" },
            seen,
            provider: Provider::Vk,
            generation: &Generation::new([generation; 16]),
            sealed_tokens: vec![1, 2, 3],
            account: &Account::new("42", "Анна", "Смирнова"),
            expiry: None,
            scopes: None,
        };
        self.callback.save(connection).await.unwrap()
    }
}

#[tokio::test]
async fn an_attempt_is_spent_by_one_of_many() {
    let test = TestStack::start().await;
    let store = store(&test);
    store.sign_in(&credential(1)).await;
    assert_eq!(store.begin(&credential(1), &attempt(1)).await, Begin::Started);
    let (own, id) = (credential(1), attempt(1));
    let outcomes = join_all((0..50).map(|_| store.spend(&own, &id))).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Spend::Spent).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Spend::Used(Earlier::UnderWay)).count(), 49);
}

#[tokio::test]
async fn an_attempt_needs_a_live_session() {
    let test = TestStack::start().await;
    let store = store(&test);
    assert_eq!(store.begin(&credential(1), &attempt(1)).await, Begin::NotSignedIn);
    assert_eq!(store.spend(&credential(1), &attempt(1)).await, Spend::NotSignedIn);
    store.sign_in(&credential(1)).await;
    test.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(store.begin(&credential(1), &attempt(1)).await, Begin::NotSignedIn);
    assert!(test.sessions().rows().await.iter().all(|row| !text(row, "id").starts_with("attempt:")));
}

#[tokio::test]
async fn an_attempt_belongs_to_its_session() {
    let test = TestStack::start().await;
    let store = store(&test);
    store.sign_in(&credential(1)).await;
    store.sign_in(&credential(2)).await;
    store.begin(&credential(1), &attempt(1)).await;
    assert_eq!(store.spend(&credential(2), &attempt(1)).await, Spend::Unknown);
    assert_eq!(store.spend(&credential(1), &attempt(2)).await, Spend::Unknown);
    assert_eq!(store.spend(&credential(1), &attempt(1)).await, Spend::Spent);
}

#[tokio::test]
async fn many_attempts_begun_at_once_leave_ten_at_the_most() {
    let test = TestStack::start().await;
    let store = store(&test);
    store.sign_in(&credential(1)).await;
    let own = credential(1);
    let ids: Vec<_> = (0..25).map(attempt).collect();
    let begun = join_all(ids.iter().map(|id| store.begin(&own, id))).await;
    assert!(begun.iter().filter(|begin| **begin == Begin::Started).count() >= 10, "{begun:?}");
    let rows = test.sessions().rows().await;
    let session = rows.iter().find(|row| text(row, "id").starts_with("session:")).unwrap();
    assert_eq!(session["attempts"].as_m().unwrap().len(), 10);
}

#[tokio::test]
async fn a_saved_connection_has_the_contracts_attributes() {
    let test = TestStack::start().await;
    let store = store(&test);
    assert_eq!(store.save(1).await, Saved::Saved);
    assert_eq!(store.save(2).await, Saved::Saved);
    let row = test.connections().row().await;
    let attributes: BTreeMap<_, _> = row
        .iter()
        .map(|(name, value)| (name.as_str(), format!("{value:?}").split('(').next().unwrap().to_owned()))
        .collect();
    let expected = [
        ("access_token", "B"),
        ("changed_by", "S"),
        ("changed_in", "S"),
        ("connected_at", "S"),
        ("first_name", "S"),
        ("generation", "S"),
        ("is_online", "Bool"),
        ("last_attempt_at", "S"),
        ("last_attempt_result", "S"),
        ("last_checked_at", "S"),
        ("last_name", "S"),
        ("provider", "S"),
        ("updated_at", "S"),
        ("user_id", "S"),
        ("vk_user_id", "S"),
    ];
    assert_eq!(attributes, expected.map(|(name, kind)| (name, kind.to_owned())).into());
    for name in ["connected_at", "last_checked_at", "updated_at"] {
        assert_eq!(text(&row, name), "2026-11-22T04:16:00Z");
    }
}

#[tokio::test]
async fn sessions_and_attempts_leave_by_ttl_and_not_before_their_time() {
    let test = TestStack::start().await;
    let store = store(&test);
    store.sign_in(&credential(1)).await;
    store.begin(&credential(1), &attempt(1)).await;
    let now = 1_795_320_960;
    for row in test.sessions().rows().await {
        let kept = row["expires_at"].as_n().unwrap().parse::<i64>().unwrap() - now;
        let expected = match text(&row, "id").split(':').next().unwrap() {
            "session" => 25 * 3_600,
            "attempt" | "sign-in" => 10 * 60 + 3_600,
            _ => 2 * 60,
        };
        assert_eq!(kept, expected, "{}", text(&row, "id"));
    }
}

#[tokio::test]
async fn a_view_has_no_token() {
    let test = TestStack::start().await;
    let store = store(&test);
    store.sign_in(&credential(1)).await;
    store.save(1).await;
    let seen = store.page.load(&credential(1), Provider::ALL).await.unwrap().unwrap();
    assert_eq!(seen.session.display_name, "Магазин");
    assert_eq!(seen.connections.len(), 1);
    assert_eq!(seen.connections[0].account.display_name(), "Анна Смирнова");
    assert!(store.page.load(&credential(2), Provider::ALL).await.unwrap().is_none());
}

#[tokio::test]
async fn removal_needs_a_live_session_and_is_idempotent() {
    let test = TestStack::start().await;
    let store = store(&test);
    store.save(1).await;
    assert_eq!(
        store.disconnect.remove(&credential(1), Provider::Vk, "request").await.unwrap(),
        Removed::NotSignedIn
    );
    store.sign_in(&credential(1)).await;
    assert_eq!(
        store.disconnect.remove(&credential(1), Provider::Vk, "request").await.unwrap(),
        Removed::Removed
    );
    assert_eq!(
        store.disconnect.remove(&credential(1), Provider::Vk, "request").await.unwrap(),
        Removed::Removed
    );
    assert!(test.connections().rows().await.is_empty());
}

#[tokio::test]
async fn a_save_is_fenced_by_what_was_seen_before() {
    let test = TestStack::start().await;
    let store = store(&test);
    assert_eq!(store.save(1).await, Saved::Saved);
    let seen = store.callback.seen(&user(), Provider::Vk).await.unwrap();
    assert_eq!(store.save_over(&seen, 2).await, Saved::Saved);
    assert_eq!(store.save_over(&seen, 3).await, Saved::Overtaken, "another attempt came first");
    let seen = store.callback.seen(&user(), Provider::Vk).await.unwrap();
    store.disconnect.remove(&credential(7), Provider::Vk, "request").await.unwrap();
    assert_eq!(store.save_over(&seen, 4).await, Saved::Overtaken, "disconnected since");
    assert_eq!(store.save(5).await, Saved::Saved, "a later attempt is not held up");
    let seen = store.callback.seen(&user(), Provider::Vk).await.unwrap();
    store.sign_in.sign_out(&credential(7).session_id()).await.unwrap();
    assert_eq!(store.save_over(&seen, 6).await, Saved::NotSignedIn);
    assert_eq!(text(&test.connections().row().await, "generation"), format!("{:02x}", 5).repeat(16));
}

#[tokio::test]
async fn disconnecting_nothing_stops_a_callback_under_way() {
    let test = TestStack::start().await;
    let store = store(&test);
    store.sign_in(&credential(7)).await;
    let seen = store.callback.seen(&user(), Provider::Vk).await.unwrap();
    store.disconnect.remove(&credential(7), Provider::Vk, "request").await.unwrap();
    assert_eq!(store.save_over(&seen, 1).await, Saved::Overtaken);
    assert!(test.connections().rows().await.is_empty());
}

#[tokio::test]
async fn a_save_whose_answer_is_lost_is_looked_up() {
    let test = TestStack::start().await;
    let store = store(&test);
    store.save(1).await;
    // Lost once, it is repeated; lost for good, it is looked up.
    test.stack.aws().calls().lose_answer("TransactWriteItems");
    assert_eq!(store.save(2).await, Saved::Saved);
    let seen = store.callback.seen(&user(), Provider::Vk).await.unwrap();
    test.stack.aws().calls().lose_answer("TransactWriteItems");
    test.stack.aws().calls().break_operation("TransactWriteItems");
    assert_eq!(store.save_over(&seen, 3).await, Saved::Saved);
    assert_eq!(text(&test.connections().row().await, "generation"), format!("{:02x}", 3).repeat(16));
}

#[tokio::test]
async fn a_disconnection_whose_answer_is_lost_is_looked_up() {
    let test = TestStack::start().await;
    let store = store(&test);
    store.save(1).await;
    test.stack.aws().calls().break_operation("TransactWriteItems");
    assert!(store.disconnect.remove(&credential(7), Provider::Vk, "request").await.is_err());
    assert_eq!(test.connections().rows().await.len(), 1);
    test.stack.aws().calls().lose_answer("TransactWriteItems");
    assert_eq!(
        store.disconnect.remove(&credential(7), Provider::Vk, "request").await.unwrap(),
        Removed::Removed
    );
    assert!(test.connections().rows().await.is_empty());
}

#[tokio::test]
async fn a_tombstone_outlives_what_a_table_can_be_restored_from() {
    let test = TestStack::start().await;
    let store = store(&test);
    store.save(1).await;
    store.disconnect.remove(&credential(7), Provider::Vk, "request").await.unwrap();
    let rows = test.sessions().rows().await;
    let tombstone = rows.iter().find(|row| text(row, "id") == "gone:shop|7:vk").unwrap();
    assert_eq!(text(tombstone, "gone_at"), "2026-11-22T04:16:00Z");
    let kept = tombstone["expires_at"].as_n().unwrap().parse::<i64>().unwrap() - 1_795_320_960;
    assert!(kept > 35 * 24 * 3_600, "{kept}");
}

const WHOLE_TABLE: Segment = Segment { number: 0, of: 1 };

fn update(stored: &StoredConnection, attempt: &str, offline: Option<OfflineReason>) -> RowUpdate {
    let verdict =
        RowVerdict { offline, changed_in: offline.map(|_| "request".to_owned()), actor: Actor::Sweep };
    RowUpdate {
        key: RowKey::of(&stored.connection),
        generation: stored.generation.clone(),
        seen_attempt: stored.last_attempt_by.clone(),
        attempt: Some(Attempt {
            id: attempt.to_owned(),
            at: Timestamp::UNIX_EPOCH,
            result: offline.map_or("alive", OfflineReason::code),
            verdict: Some(verdict),
            scopes: None,
            account: None,
        }),
        resealed: None,
    }
}

#[tokio::test]
async fn a_verdict_is_recorded_for_the_generation_it_was_reached_on() {
    let test = TestStack::start().await;
    let store = store(&test);
    store.save(1).await;
    let read = async || store.sweep.scan(WHOLE_TABLE, None).await.unwrap().connections.remove(0);
    let record = async |update| store.sweep.record(&[update]).await.remove(0).unwrap();
    let stored = read().await;
    store.save(2).await;
    for offline in [Some(OfflineReason::TokenRejected), None] {
        assert_eq!(record(update(&stored, "a", offline)).await, Recorded::Superseded);
    }
    let dead = update(&read().await, "a", Some(OfflineReason::TokenRejected));
    assert_eq!(record(dead.clone()).await, Recorded::Written);
    assert_eq!(text(&test.connections().row().await, "offline_reason"), "token_rejected");
    assert_eq!(record(dead).await, Recorded::Written, "the same attempt, repeated");
    let overtaken = RowUpdate { seen_attempt: None, ..update(&read().await, "b", None) };
    assert_eq!(record(overtaken).await, Recorded::Superseded, "somebody has tried in the meantime");
}

#[tokio::test]
async fn a_pending_sign_in_is_taken_back_once_by_its_browser() {
    let test = TestStack::start().await;
    let store = store(&test);
    let pending = PendingSignIn {
        browser: "own".into(),
        nonce: "nonce".into(),
        pkce_verifier: "verifier".into(),
        return_to: ReturnTo::Provider(Provider::Vk),
    };
    store.sign_in.begin(&attempt(1), &pending).await.unwrap();
    let (code, other) = (AnswerDigest::new("code", "c"), AnswerDigest::new("code", "d"));
    let spend = async |browser, answer| store.sign_in.spend(&attempt(1), browser, answer).await.unwrap();
    assert!(matches!(spend("other", &code).await, SpentSignIn::Unknown));
    let SpentSignIn::Begun(taken) = spend("own", &code).await else { panic!("not taken back") };
    assert_eq!((taken.nonce.as_str(), taken.return_to), ("nonce", ReturnTo::Provider(Provider::Vk)));
    assert!(matches!(spend("own", &code).await, SpentSignIn::Repeated(SignInEnd::UnderWay)));
    assert!(matches!(spend("own", &other).await, SpentSignIn::AnsweredBefore));
    assert!(matches!(spend("other", &code).await, SpentSignIn::Unknown));
}
