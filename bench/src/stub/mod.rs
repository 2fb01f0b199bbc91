//! Everything outside a function: DynamoDB, Secrets Manager, VK and an OpenID Connect issuer at one address, over
//! plain HTTP and over TLS. It answers as they do when all goes well, as late as it is told to, and counts.
//!
//! | file | what it is |
//! | --- | --- |
//! | `server` | connections, TLS, bytes |
//! | `dynamo` | the two tables |
//! | `rows` | connections with sealed tokens, made when they are asked for and never held |
//! | `outside` | secrets, VK, the issuer |
//! | `counts` | what was asked |

mod counts;
mod dynamo;
mod outside;
mod rows;
mod server;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evosync_connections::platform::Clock;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use serde_json::json;

pub(crate) use rows::{KEYS, TABLE};

use counts::Counts;
use dynamo::Tables;
use rows::Rows;

/// Answers in the place of everything outside a function, and counts
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Rows of the connections table
    #[arg(long, default_value_t = 1)]
    rows: u64,
    /// How long the store and the secrets take to answer, in milliseconds
    #[arg(long, default_value_t = 0)]
    latency: u64,
    /// How long VK takes to answer, in milliseconds
    #[arg(long, default_value_t = 0)]
    vk_latency: u64,
    /// Whether VK answers 503 to everything
    #[arg(long)]
    vk_down: bool,
}

struct Stub {
    tables: Tables,
    counts: Counts,
    clock: Clock,
    latency: Duration,
    vk_latency: Duration,
    vk_down: bool,
}

/// An answer's status and body.
struct Reply {
    status: StatusCode,
    body: Bytes,
}

impl Reply {
    fn ok(body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, body: body.into() }
    }

    fn of(status: StatusCode, body: &serde_json::Value) -> Self {
        Self { status, body: body.to_string().into() }
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let clock = Clock::system();
    let stub = Arc::new(Stub {
        tables: Tables::new(Rows::new(arguments.rows)?, clock.clone()),
        counts: Counts::default(),
        clock,
        latency: Duration::from_millis(arguments.latency),
        vk_latency: Duration::from_millis(arguments.vk_latency),
        vk_down: arguments.vk_down,
    });
    let listening = server::listen(stub).await?;
    crate::say(
        &json!({
            "plain": listening.plain,
            "tls": listening.tls,
            "counts": listening.counts,
            "root": listening.root,
        })
        .to_string(),
    );
    std::future::pending().await
}

impl Stub {
    /// Answers a request that came to `origin`, the server's own address.
    async fn answer(&self, request: &Request<()>, body: &[u8], origin: &str) -> Reply {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        if let Some((service, operation)) = target.and_then(|target| target.split_once('.')) {
            self.counts.request(operation);
            self.wait(self.latency).await;
            return match service {
                "secretsmanager" => outside::secret(body),
                _ => self.tables.answer(operation, body, &self.counts),
            };
        }
        let path = request.uri().path();
        self.counts.request(path);
        let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let is_vk = outside::is_vk(path);
        let (asked, _flight) = (Instant::now(), is_vk.then(|| self.counts.in_flight()));
        self.wait(if is_vk { self.vk_latency } else { self.latency }).await;
        let reply = if is_vk && self.vk_down {
            Reply::of(StatusCode::SERVICE_UNAVAILABLE, &json!({}))
        } else {
            outside::answer(path, bearer, origin)
        };
        if is_vk {
            let micros = usize::try_from(asked.elapsed().as_micros()).unwrap_or_default();
            Counts::add(&self.counts.vk_micros, micros);
        }
        reply
    }

    async fn wait(&self, latency: Duration) {
        if !latency.is_zero() {
            self.clock.sleep(latency).await;
        }
    }
}
