//! AWS behind one endpoint: DynamoDB, embedded and kept in a file, Secrets Manager, EventBridge, SQS, and
//! Lambda, which invokes the functions of this process.
//!
//! Every call is counted by its operation, and operations can be broken, so that tests can tell how
//! often a function calls and what it does when nobody answers.

mod calls;
mod event_bus;
mod front;
mod lambda;
mod secrets_manager;
mod stream;
mod tables;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_types::SdkConfig;
use axum::Router;
use axum::routing::post;
use dynoxide::Database;
use evosync_connections::platform::{Clock, Entropy};
use futures_util::future::pending;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::cloudformation::TableSpec;
use crate::functions::Function;
use crate::net::{Server, listen};
pub use calls::Calls;
use event_bus::EventBus;
use front::{Front, dispatch, invoke};
use lambda::Lambda;
use secrets_manager::SecretsManager;
pub use stream::ChangeStream;

/// The running endpoint.
pub struct Aws {
    server: Server,
    dynamodb: JoinHandle<()>,
    database: Database,
    front: Arc<Front>,
}

/// AWS could not be started.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// The database or the secrets file could not be opened.
    #[error("local data: {0}")]
    Data(String),
    /// No port could be listened on.
    #[error("listening: {0}")]
    Listen(#[from] io::Error),
}

/// The time that the records of a stream are stamped with.
struct StreamTime(Clock);

impl dynoxide::storage_backend::Clock for StreamTime {
    fn now_unix_secs(&self) -> u64 {
        self.0.now().as_second().unsigned_abs()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now().as_duration().as_secs_f64()
    }
}

impl Aws {
    /// Starts AWS with the template's tables, keeping its data in a folder, or in memory. What is kept in
    /// memory has the given time; a folder, the machine's.
    pub async fn start(folder: Option<&Path>, tables: &[TableSpec], clock: Clock) -> Result<Self, AwsError> {
        let data = |error: &dyn std::fmt::Display| AwsError::Data(error.to_string());
        let database = match folder.map(|folder| folder.join("dynamodb.sqlite")) {
            Some(file) => Database::new(&file.to_string_lossy()),
            None => Database::memory_with_clock(Arc::new(StreamTime(clock))),
        };
        let database = database.map_err(|error| data(&error))?;
        tables::create(&database, tables).map_err(|error| data(&error))?;
        let secrets = SecretsManager::open(folder.map(|folder| folder.join("secrets.json")));
        let secrets = secrets.map_err(|error| data(&error))?;

        let listener = listen(0).await?;
        let dynamodb_url = format!("http://{}", listener.local_addr()?);
        let dynamodb = tokio::spawn(serve_dynamodb(listener, database.clone()));
        let http = reqwest::Client::new();
        let front = Arc::new(Front {
            dynamodb_url,
            http,
            secrets,
            bus: EventBus::default(),
            lambda: Lambda::default(),
            calls: Calls::default(),
        });
        let router = Router::new()
            .route("/", post(dispatch))
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            .with_state(Arc::clone(&front));
        Ok(Self { server: Server::start(listen(0).await?, router)?, dynamodb, database, front })
    }

    /// Lets Lambda invoke these functions, which had to wait for AWS before they could boot.
    pub fn serve_functions(&self, functions: HashMap<String, Function>, entropy: Entropy) {
        self.front.lambda.serve(functions, entropy);
    }

    /// The endpoint, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The configuration of AWS clients for this endpoint. Retries do not wait.
    pub fn sdk_config(&self) -> SdkConfig {
        let credentials = Credentials::new("local", "local", None, None, "local");
        let short = std::time::Duration::from_millis(1);
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(evosync_connections::aws::http_client())
            .region(Region::from_static("local"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(self.url())
            .timeout_config(TimeoutConfig::builder().connect_timeout(short * 1000).build())
            .retry_config(RetryConfig::standard().with_initial_backoff(short))
            .build()
    }

    /// What has been called.
    pub fn calls(&self) -> &Calls {
        &self.front.calls
    }

    /// The value of a secret.
    pub fn secret(&self, name: &str) -> Option<String> {
        self.front.secrets.get(name)
    }

    /// Sets a secret, as an operator would.
    pub fn put_secret(&self, name: &str, value: &str) {
        self.front.secrets.put(name, value);
    }

    /// Gives secrets as binary values from now on, which is how some tools store them.
    pub fn give_binary_secrets(&self) {
        self.front.secrets.give_binary();
    }

    /// The events that have been put on the bus, oldest first.
    pub fn events(&self) -> Vec<Value> {
        self.front.bus.events()
    }

    /// The events that have been put on the bus, a line each, for a control page.
    pub fn events_feed(&self) -> Box<dyn Fn() -> Vec<String> + Send + Sync> {
        let front = Arc::clone(&self.front);
        let line = |event: Value| {
            let detail = &event["Detail"];
            let [kind, user, provider] = [&event["DetailType"], &detail["user"], &detail["provider"]]
                .map(|text| text.as_str().unwrap_or_default().to_owned());
            format!("{kind}: {user}, {provider}")
        };
        Box::new(move || front.bus.events().into_iter().map(line).collect())
    }

    /// The messages that have been put into the queue of what could not be announced.
    pub fn messages(&self) -> Vec<Value> {
        self.front.bus.messages()
    }

    /// Makes the bus answer each event with an error code from now on; `None` for none.
    pub fn refuse_events(&self, code: Option<&str>) {
        self.front.bus.refuse(code);
    }

    /// The stream of a table's changes.
    pub fn stream(&self, table: &str) -> ChangeStream {
        ChangeStream::new(self.database.clone(), table)
    }

    /// Deletes rows whose TTL has passed, as DynamoDB does in its own time.
    pub fn expire_rows(&self) {
        if let Err(error) = self.database.sweep_ttl() {
            tracing::warn!(%error, "rows not expired");
        }
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.dynamodb.abort();
    }
}

async fn serve_dynamodb(listener: TcpListener, database: Database) {
    if let Err(error) = dynoxide::server::serve_with_shutdown(listener, database, pending()).await {
        tracing::error!(error, "embedded DynamoDB ended");
    }
}
