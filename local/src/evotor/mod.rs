//! A simulated Evotor, the cash registers' cloud: a merchant installs the application and consents, a code
//! becomes tokens at an endpoint that wants HTTP Basic, and the API lists the merchant's stores.
//!
//! What Evotor leaves undocumented can be switched: whether `state` comes back, whether a refresh rotates the
//! refresh token, how stores are wrapped. [`Evotor`] is the handle that tests, and the control page at
//! `/control`, make trouble with; `grants` holds the tokens' rules, the other modules speak HTTP.

mod authorize;
mod basic;
mod control;
mod grants;
mod handle;
mod state;
mod stores;
mod switch;
mod token;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use evosync_connections::platform::{Clock, Entropy};
use serde_json::json;
use tokio::net::TcpListener;

use crate::simulator::{self, OwnWords, Simulator};
pub use crate::simulator::{Call, Events, Fault, SweepNow};
use state::EvotorState;

/// «ИП Смирнова», who has two stores.
pub const SMIRNOVA: u64 = 2_000_001;
/// «ООО Ромашка», which has one.
pub const ROMASHKA: u64 = 2_000_002;
/// «Новичок», who has none yet.
pub const NEWCOMER: u64 = 2_000_003;
/// A merchant whose stores have names that break pages.
pub const HOSTILE: u64 = 2_000_004;

/// The application registered at Evotor.
#[derive(Clone)]
pub struct App {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: String,
    /// The one redirect URI Evotor accepts.
    pub redirect_uri: String,
}

/// A running Evotor.
#[derive(Clone)]
pub struct Evotor {
    shared: Arc<Simulator<App, EvotorState>>,
}

impl Evotor {
    /// Starts Evotor on a listener, with the merchants and tokens its file remembers, if it has one.
    pub fn start(
        listener: TcpListener,
        app: App,
        file: Option<PathBuf>,
        clock: Clock,
        entropy: Entropy,
    ) -> io::Result<Self> {
        let evotor = Self { shared: Arc::new(Simulator::open(app, file, clock, entropy)?) };
        let router = Router::new()
            .route("/", get(simulator::control::home))
            .route("/oauth/authorize", get(authorize::show).post(authorize::decide))
            .route("/oauth/token", post(token::answer))
            .route("/stores", get(stores::list))
            .route("/control", get(control::show))
            .route("/control/{action}", post(control::act))
            .with_state(evotor.clone());
        evotor.shared.serve(listener, router)?;
        Ok(evotor)
    }

    /// Notes a call of an application's, and what Evotor answers before it looks at it.
    async fn turned_away(&self, method: &str, path: &str, query: Option<&str>) -> Option<Response> {
        self.shared.calls.note(method, path, query.unwrap_or_default());
        self.shared.fault_answer(&words()).await
    }
}

/// The maintenance blames both the grant and the token, so that whoever believes a 503 is caught.
fn words() -> OwnWords {
    let maintenance = json!({
        "error": "invalid_grant",
        "error_description": "maintenance",
        "errors": [{ "code": 1001 }],
    });
    OwnWords { maintenance, rate_limited: stores::rate_limited, half: r#"{"items":[{"id":"20170222-D5"# }
}
