//! A simulated OpenID Connect issuer: discovery, a page with demo people instead of passwords, and
//! signed ID tokens. Knows the authorization code flow with PKCE and nothing else.

mod keys;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use aws_lc_rs::digest;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use evosync_connections::platform::{Clock, Entropy};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::net::Server;
use crate::pages::page;
use keys::SigningKey;

/// The demo people: subject and name.
pub const PEOPLE: [(&str, &str); 3] = [
    ("demo|romashka", "Мария Орлова, «Ромашка»"),
    ("demo|lavka", "Борис Климов, «Лавка у дома»"),
    ("demo|empty", "Новый продавец"),
];

/// A client registered at the issuer.
#[derive(Clone)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: String,
    /// The one redirect URI accepted.
    pub redirect_uri: String,
}

/// A running issuer.
#[derive(Clone)]
pub struct Issuer {
    shared: Arc<Shared>,
}

struct Shared {
    server: OnceLock<Server>,
    client: Client,
    clock: Clock,
    entropy: Entropy,
    memory: Mutex<Memory>,
}

struct Memory {
    key: SigningKey,
    codes: HashMap<String, Grant>,
    /// Claims that tests put into ID tokens over the usual ones.
    claims: Map<String, Value>,
}

/// What a code stands for.
struct Grant {
    person: String,
    nonce: String,
    code_challenge: String,
}

impl Issuer {
    /// Starts the issuer on a listener.
    pub fn start(listener: TcpListener, client: Client, clock: Clock, entropy: Entropy) -> io::Result<Self> {
        let key = SigningKey::new().map_err(io::Error::other)?;
        let memory = Mutex::new(Memory { key, codes: HashMap::new(), claims: Map::new() });
        let issuer =
            Self { shared: Arc::new(Shared { server: OnceLock::new(), client, clock, entropy, memory }) };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/jwks", get(jwks))
            .route("/authorize", get(show).post(choose))
            .route("/token", post(token))
            .with_state(issuer.clone());
        let _ = issuer.shared.server.set(Server::start(listener, router)?);
        Ok(issuer)
    }

    /// The issuer identifier.
    pub fn url(&self) -> String {
        self.shared.server.get().map(Server::url).unwrap_or_default()
    }

    /// Signs with a new key from now on, as issuers do every so often.
    pub fn rotate_key(&self) {
        match SigningKey::new() {
            Ok(key) => self.memory().key = key,
            Err(error) => tracing::error!(error, "key not rotated"),
        }
    }

    /// Puts a claim into every ID token from now on.
    pub fn set_claim(&self, name: &str, value: Value) {
        self.memory().claims.insert(name.to_owned(), value);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id_token(&self, grant: &Grant) -> Option<String> {
        let now = self.shared.clock.now().as_second();
        let name = PEOPLE.iter().find(|(sub, _)| *sub == grant.person).map(|(_, name)| *name)?;
        let mut claims = json!({
            "iss": self.url(),
            "sub": grant.person,
            "aud": self.shared.client.id,
            "iat": now,
            "exp": now + 300,
            "nonce": grant.nonce,
            "name": name,
        });
        let memory = self.memory();
        for (name, value) in &memory.claims {
            claims[name] = value.clone();
        }
        memory.key.sign(&claims)
    }
}

async fn configuration(State(issuer): State<Issuer>) -> Json<Value> {
    let url = issuer.url();
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid", "profile"],
        "code_challenge_methods_supported": ["S256"],
    }))
}

async fn jwks(State(issuer): State<Issuer>) -> Json<Value> {
    Json(json!({ "keys": [issuer.memory().key.jwk()] }))
}

/// `GET /authorize`: who is signing in?
async fn show(State(issuer): State<Issuer>, Query(asked): Query<BTreeMap<String, String>>) -> Response {
    if let Some(refusal) = refusal(&issuer, &asked) {
        return refusal;
    }
    let people = PEOPLE.map(|(sub, name)| json!({ "sub": sub, "name": name }));
    page("issuer.html", json!({ "asked": asked, "people": people }))
}

/// `POST /authorize`: back to the client with a code, or a refusal.
async fn choose(State(issuer): State<Issuer>, Form(mut asked): Form<BTreeMap<String, String>>) -> Response {
    let person = asked.remove("person").unwrap_or_default();
    if let Some(refusal) = refusal(&issuer, &asked) {
        return refusal;
    }
    let field = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let Ok(mut back) = Url::parse(&field("redirect_uri")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if PEOPLE.iter().any(|(sub, _)| *sub == person) {
        let code = URL_SAFE_NO_PAD.encode(issuer.shared.entropy.bytes::<24>());
        let grant = Grant { person, nonce: field("nonce"), code_challenge: field("code_challenge") };
        issuer.memory().codes.insert(code.clone(), grant);
        back.query_pairs_mut().append_pair("code", &code);
    } else {
        back.query_pairs_mut().append_pair("error", "access_denied");
    }
    back.query_pairs_mut().append_pair("state", &field("state"));
    (StatusCode::FOUND, [(header::LOCATION, String::from(back))]).into_response()
}

#[derive(Deserialize)]
struct Redemption {
    #[serde(default)]
    code: String,
    #[serde(default)]
    code_verifier: String,
    #[serde(default)]
    redirect_uri: String,
}

/// `POST /token`: a code, its verifier and the client's secret for an ID token.
async fn token(
    State(issuer): State<Issuer>,
    headers: HeaderMap,
    Form(redemption): Form<Redemption>,
) -> Response {
    let client = &issuer.shared.client;
    let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", client.id, client.secret)));
    if headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) != Some(&expected) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let grant = issuer.memory().codes.remove(&redemption.code);
    let challenge = digest::digest(&digest::SHA256, redemption.code_verifier.as_bytes());
    let challenge = URL_SAFE_NO_PAD.encode(challenge);
    let grant = grant
        .filter(|grant| grant.code_challenge == challenge && redemption.redirect_uri == client.redirect_uri);
    match grant.and_then(|grant| issuer.id_token(&grant)) {
        Some(id_token) => Json(json!({
            "access_token": "not used",
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": id_token,
        }))
        .into_response(),
        None => refused(StatusCode::BAD_REQUEST, "invalid_grant"),
    }
}

fn refused(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

fn refusal(issuer: &Issuer, asked: &BTreeMap<String, String>) -> Option<Response> {
    let client = &issuer.shared.client;
    let is = |name: &str, value: &str| asked.get(name).is_some_and(|given| given == value);
    let sound = is("client_id", &client.id)
        && is("redirect_uri", &client.redirect_uri)
        && is("response_type", "code")
        && is("code_challenge_method", "S256");
    (!sound).then(|| refused(StatusCode::BAD_REQUEST, "invalid_request"))
}
