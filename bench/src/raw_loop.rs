//! What a sweep costs at the least: a loop that scans the table, opens each seal, asks VK about each token and writes
//! what it heard, 25 rows in a call. It signs nothing, retries nothing, bounds nothing and judges nothing.

use std::error::Error;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evosync_connections::domain::{Generation, Provider, UserId};
use evosync_connections::sealing::{RowIdentity, TokenKeys};
use futures_util::stream::{self, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::stub::{KEYS, TABLE};

/// Rows in a call.
const BATCH: usize = 25;

/// Sweeps a stub's table with nothing but an HTTP client
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The client
    client: Name,
    /// The stub's address, plain HTTP
    #[arg(long)]
    stub: String,
    /// Checks in flight
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Name {
    Hyper,
    Reqwest,
}

/// Where requests go.
enum Client {
    /// A connection for each call in flight, and one for the table.
    Hyper {
        host: String,
        idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    },
    Reqwest {
        stub: String,
        client: reqwest::Client,
    },
}

type Anything<T> = Result<T, Box<dyn Error>>;

pub(crate) async fn run(arguments: Arguments) -> Anything<()> {
    let client = Client::new(arguments.client, &arguments.stub);
    let keys = TokenKeys::parse(KEYS)?;
    let (wall, cpu) = (Instant::now(), cpu()?);
    let mut checks = 0;
    let mut after = Value::Null;
    loop {
        let page = client.scan(&after).await?;
        checks += check(&client, &keys, &page.items, arguments.concurrency).await?;
        match page.last {
            Some(last) => after = last,
            None => break,
        }
    }
    let cpu = self::cpu()?.saturating_sub(cpu);
    crate::say(
        &json!({
            "checks": checks,
            "cpu_us": cpu.as_secs_f64() * 1e6,
            "wall_us": wall.elapsed().as_secs_f64() * 1e6,
        })
        .to_string(),
    );
    Ok(())
}

async fn check(client: &Client, keys: &TokenKeys, rows: &[Row], concurrency: usize) -> Anything<usize> {
    let mut asked =
        stream::iter(rows).map(|row| ask(client, keys, row)).buffer_unordered(concurrency).chunks(BATCH);
    let mut checks = 0;
    while let Some(batch) = asked.next().await {
        let statements = batch.into_iter().collect::<Anything<Vec<_>>>()?;
        checks += statements.len();
        client.write(statements).await?;
    }
    Ok(checks)
}

/// Asks about a row; the statement that notes the answer.
async fn ask(client: &Client, keys: &TokenKeys, row: &Row) -> Anything<Value> {
    let user = UserId::parse(&row.user.s).ok_or("no user")?;
    let generation = Generation::from_stored(&row.generation.s);
    let identity = RowIdentity { table: TABLE, user: &user, provider: Provider::Vk, generation: &generation };
    let tokens = keys.open(&STANDARD.decode(&row.token.b)?, identity)?;
    let bearer = format!("Bearer {}", tokens.access.secret());
    let body = client.call("/method/users.get", [("authorization", &bearer)], "v=5.131".into()).await?;
    let answer: Users = serde_json::from_slice(&body)?;
    let alive = answer.response.first().is_some_and(|user| user.id.to_string() == row.account.s);
    Ok(json!({
        "Statement": format!("UPDATE \"{TABLE}\" SET \"is_online\" = ? WHERE \"user_id\" = ? AND \"generation\" = ?"),
        "Parameters": [{ "BOOL": alive }, { "S": row.user.s }, { "S": row.generation.s }],
    }))
}

impl Client {
    fn new(name: Name, stub: &str) -> Self {
        match name {
            Name::Hyper => {
                let host = stub.trim_start_matches("http://").to_owned();
                Self::Hyper { host, idle: Mutex::default() }
            }
            Name::Reqwest => Self::Reqwest { stub: stub.to_owned(), client: reqwest::Client::new() },
        }
    }

    async fn scan(&self, after: &Value) -> Anything<Page> {
        let mut request = json!({ "TableName": TABLE });
        if !after.is_null() {
            request["ExclusiveStartKey"] = after.clone();
        }
        let target = [("x-amz-target", "DynamoDB_20120810.Scan")];
        Ok(serde_json::from_slice(&self.call("/", target, request.to_string()).await?)?)
    }

    async fn write(&self, statements: Vec<Value>) -> Anything<()> {
        let target = [("x-amz-target", "DynamoDB_20120810.BatchExecuteStatement")];
        let answer = self.call("/", target, json!({ "Statements": statements }).to_string()).await?;
        serde_json::from_slice::<Value>(&answer)?;
        Ok(())
    }

    async fn call(&self, path: &str, [(name, value)]: [(&str, &str); 1], body: String) -> Anything<Bytes> {
        match self {
            Self::Hyper { host, idle } => {
                let request =
                    Request::post(path).header("host", host).header(name, value).body(Full::from(body))?;
                let free = idle.lock().await.pop();
                let mut connection = match free {
                    Some(connection) => connection,
                    None => connect(host).await?,
                };
                let answer = connection.send_request(request).await?.into_body().collect().await?.to_bytes();
                idle.lock().await.push(connection);
                Ok(answer)
            }
            Self::Reqwest { stub, client } => {
                let request = client.post(format!("{stub}{path}")).header(name, value).body(body);
                Ok(send(request).await?.bytes().await?)
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the bounds are what this does without")]
async fn send(request: reqwest::RequestBuilder) -> reqwest::Result<reqwest::Response> {
    request.send().await
}

async fn connect(host: &str) -> Anything<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// A JSON document of the stub's.
pub(crate) async fn get(url: &str) -> Anything<Value> {
    let host = url.trim_start_matches("http://");
    let request = Request::get("/").header("host", host).body(Full::default())?;
    let answer = connect(host).await?.send_request(request).await?.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice(&answer)?)
}

/// Processor time of this process so far.
fn cpu() -> Anything<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = |time: TimeVal| i128::from(time.tv_sec()) * 1_000_000 + i128::from(time.tv_usec());
    Ok(Duration::from_micros(u64::try_from(micros(usage.user_time()) + micros(usage.system_time()))?))
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "Items")]
    items: Vec<Row>,
    #[serde(rename = "LastEvaluatedKey")]
    last: Option<Value>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "user_id")]
    user: Text,
    generation: Text,
    #[serde(rename = "vk_user_id")]
    account: Text,
    #[serde(rename = "access_token")]
    token: Binary,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "S")]
    s: String,
}

#[derive(Deserialize)]
struct Binary {
    #[serde(rename = "B")]
    b: String,
}

#[derive(Deserialize)]
struct Users {
    response: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    id: u64,
}
