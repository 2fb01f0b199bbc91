//! Load for the sweep: a connections table of any number of rows that are made page by page and never held,
//! and a VK that finds every token alive. All else is the local stack's AWS. Counts calls.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use evosync_connections::domain::secret::AccessToken;
use evosync_connections::domain::{Generation, Provider, TokenSet, UserId};
use evosync_connections::platform::{Clock, Entropy};
use evosync_connections::sealing::{RowIdentity, TokenKeys};
use local::aws::{Aws, answer, forward};
use local::console::{exit_code, say};
use local::{cloudformation, random_secret};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Rows of a page: about a megabyte, as DynamoDB's are.
const PAGE: u64 = 1_500;
const TABLE: &str = "ConnectionsTable";
const GENERATION: &str = "00000000000000000000000000000000";

/// A table of connections and a VK, for a sweep under load.
#[derive(Parser)]
struct Arguments {
    /// Rows of the table
    #[arg(long)]
    rows: u64,
}

struct Load {
    rows: u64,
    keys: TokenKeys,
    aws: Aws,
    http: reqwest::Client,
    scans: AtomicU64,
    writes: AtomicU64,
    rows_written: AtomicU64,
    others: AtomicU64,
    checks: AtomicU64,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let aws = Aws::start(None, &cloudformation::tables()?, Clock::system()).await?;
    let secret = json!({ "current": "1", "1": random_secret(&Entropy::system()) }).to_string();
    aws.put_secret("token-keys", &secret);
    let load = Arc::new(Load {
        rows: arguments.rows,
        keys: TokenKeys::parse(&secret)?,
        aws,
        http: reqwest::Client::new(),
        scans: AtomicU64::default(),
        writes: AtomicU64::default(),
        rows_written: AtomicU64::default(),
        others: AtomicU64::default(),
        checks: AtomicU64::default(),
    });
    let router = Router::new()
        .route("/", post(dispatch))
        .route("/method/users.get", post(users_get))
        .route("/counts", get(counts))
        .with_state(load);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    say(&format!("load http://{}", listener.local_addr()?));
    Ok(axum::serve(listener, router).await?)
}

async fn dispatch(State(load): State<Arc<Load>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    match target.split_once('.').unwrap_or_default().1 {
        "Scan" => {
            load.scans.fetch_add(1, Ordering::Relaxed);
            answer(StatusCode::OK, &load.scan(&request).to_string())
        }
        "BatchExecuteStatement" => {
            let statements = request["Statements"].as_array().map_or(0, Vec::len);
            load.writes.fetch_add(1, Ordering::Relaxed);
            load.rows_written.fetch_add(u64::try_from(statements).unwrap_or_default(), Ordering::Relaxed);
            answer(StatusCode::OK, &json!({ "Responses": vec![json!({}); statements] }).to_string())
        }
        _ => {
            load.others.fetch_add(1, Ordering::Relaxed);
            let answered = forward(&load.http, &load.aws.url(), &headers, body).await;
            answered.unwrap_or_else(|_| answer(StatusCode::BAD_GATEWAY, "{}"))
        }
    }
}

async fn users_get(State(load): State<Arc<Load>>, headers: HeaderMap) -> Json<Value> {
    load.checks.fetch_add(1, Ordering::Relaxed);
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id: u64 = bearer.rsplit('-').next().and_then(|id| id.parse().ok()).unwrap_or_default();
    Json(json!({ "response": [{ "id": id, "first_name": "Anna", "last_name": "Smirnova" }] }))
}

async fn counts(State(load): State<Arc<Load>>) -> Json<Value> {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Json(json!({
        "scans": count(&load.scans),
        "writes": count(&load.writes),
        "rows_written": count(&load.rows_written),
        "other_calls": count(&load.others),
        "checks": count(&load.checks),
    }))
}

impl Load {
    fn scan(&self, request: &Value) -> Value {
        let segments = request["TotalSegments"].as_u64().unwrap_or(1);
        let segment = request["Segment"].as_u64().unwrap_or_default();
        let (first, end) = (segment * self.rows / segments, (segment + 1) * self.rows / segments);
        let after = request["ExclusiveStartKey"]["user_id"]["S"].as_str();
        let after = after.and_then(|user| user.rsplit('-').next()?.parse::<u64>().ok());
        let first = after.map_or(first, |after| after + 1);
        let last = end.min(first + PAGE);
        let items: Vec<_> = (first..last).map(|number| self.row(number)).collect();
        let mut page = json!({ "Count": items.len(), "Items": items });
        if last < end {
            page["LastEvaluatedKey"] =
                json!({ "user_id": { "S": user(last - 1) }, "provider": { "S": "vk" } });
        }
        page
    }

    fn row(&self, number: u64) -> Value {
        let name = user(number);
        let (user, generation) = (UserId::parse(&name), Generation::from_stored(GENERATION));
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        let sealed = user.and_then(|user| {
            let row =
                RowIdentity { table: TABLE, user: &user, provider: Provider::Vk, generation: &generation };
            let tokens = TokenSet::of_access(AccessToken::new(format!("token-{number}")));
            self.keys.seal(&tokens, row, nonce).ok()
        });
        json!({
            "user_id": { "S": name },
            "provider": { "S": "vk" },
            "vk_user_id": { "S": number.to_string() },
            "first_name": { "S": "Anna" },
            "last_name": { "S": "Smirnova" },
            "generation": { "S": GENERATION },
            "is_online": { "BOOL": true },
            "connected_at": { "S": "2026-01-01T00:00:00Z" },
            "last_checked_at": { "S": "2026-01-01T00:00:00Z" },
            "updated_at": { "S": "2026-01-01T00:00:00Z" },
            "access_token": { "B": STANDARD.encode(sealed.unwrap_or_default()) },
        })
    }
}

fn user(number: u64) -> String {
    format!("user-{number:09}")
}
