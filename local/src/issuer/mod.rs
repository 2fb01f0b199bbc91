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
    /// What tests put over the usual claims, metadata and answers.
    claims: Map<String, Value>,
    metadata: Map<String, Value>,
    forgery: Option<Forgery>,
    faults: HashMap<Endpoint, (StatusCode, String)>,
    /// The headers of the calls that a client makes by itself.
    calls: Vec<HeaderMap>,
}

/// The endpoints that a client calls by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Endpoint {
    /// The metadata.
    Metadata,
    /// The keys.
    Keys,
    /// The exchange of a code.
    Token,
}

/// An ID token that is not the issuer's, whatever its claims.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forgery {
    /// Signed with a key that the issuer does not publish, under the id of one that it does.
    ForeignKey,
    /// Not signed at all (`"alg":"none"`).
    Unsigned,
    /// Signed with the client's secret (`"alg":"HS256"`).
    ClientSecret,
    /// Signed with the issuer's public key as if it were a secret (`"alg":"HS256"`).
    PublicKey,
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
        let memory = Mutex::new(Memory {
            key,
            codes: HashMap::new(),
            claims: Map::new(),
            metadata: Map::new(),
            forgery: None,
            faults: HashMap::new(),
            calls: Vec::new(),
        });
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

    /// Puts a member into the metadata from now on.
    pub fn set_metadata(&self, name: &str, value: Value) {
        self.memory().metadata.insert(name.to_owned(), value);
    }

    /// Forges every ID token from now on.
    pub fn set_forgery(&self, forgery: Forgery) {
        self.memory().forgery = Some(forgery);
    }

    /// Lets an endpoint answer with a status and a body from now on, `None`: as usual.
    pub fn set_fault(&self, endpoint: Endpoint, answer: Option<(u16, &str)>) {
        let faults = &mut self.memory().faults;
        match answer {
            Some((status, body)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                faults.insert(endpoint, (status, body.to_owned()));
            }
            None => drop(faults.remove(&endpoint)),
        }
    }

    /// The headers of the calls made since the last time.
    pub fn take_calls(&self) -> Vec<HeaderMap> {
        std::mem::take(&mut self.memory().calls)
    }

    /// Notes a call, and answers it where a fault is set.
    fn fault(&self, endpoint: Endpoint, headers: HeaderMap) -> Option<Response> {
        let mut memory = self.memory();
        memory.calls.push(headers);
        memory.faults.get(&endpoint).cloned().map(axum::response::IntoResponse::into_response)
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
        match memory.forgery {
            None => memory.key.sign(&claims),
            Some(Forgery::ForeignKey) => SigningKey::new().ok()?.under_id_of(&memory.key).sign(&claims),
            Some(Forgery::Unsigned) => Some(keys::unsigned(&claims)),
            Some(Forgery::ClientSecret) => {
                Some(memory.key.hmac_signed(&claims, self.shared.client.secret.as_bytes()))
            }
            Some(Forgery::PublicKey) => Some(memory.key.hmac_signed(&claims, memory.key.public())),
        }
    }
}

async fn configuration(State(issuer): State<Issuer>, headers: HeaderMap) -> Response {
    if let Some(fault) = issuer.fault(Endpoint::Metadata, headers) {
        return fault;
    }
    let url = issuer.url();
    let mut metadata = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid", "profile"],
        "code_challenge_methods_supported": ["S256"],
    });
    for (name, value) in &issuer.memory().metadata {
        metadata[name] = value.clone();
    }
    Json(metadata).into_response()
}

async fn jwks(State(issuer): State<Issuer>, headers: HeaderMap) -> Response {
    if let Some(fault) = issuer.fault(Endpoint::Keys, headers) {
        return fault;
    }
    // A key of another kind and one for another use stand beside it, as they do at real issuers.
    let odd = json!({ "kty": "future", "kid": 7 });
    let mut encryption = issuer.memory().key.jwk();
    encryption["use"] = json!("enc");
    Json(json!({ "keys": [odd, encryption, issuer.memory().key.jwk()] })).into_response()
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
    if let Some(fault) = issuer.fault(Endpoint::Token, headers.clone()) {
        return fault;
    }
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
