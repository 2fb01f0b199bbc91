//! The issuer's metadata and keys (OpenID Connect Discovery 1.0, section 4), cached.

use std::sync::Arc;

use evosync_connections::error_chain::{Cause, chain};
use evosync_connections::http_client::HttpClient;
use evosync_connections::platform::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use crate::error::IssuerError;
use crate::id_token::Keys;
use crate::metadata::Metadata;

/// How long metadata and keys are cached.
const METADATA_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How long the cached ones are used while the issuer does not answer (graceful degradation).
const METADATA_AT_WORST: SignedDuration = SignedDuration::from_hours(24);

/// The least time between two reads of the keys that unknown signatures cause. It bounds the requests to
/// the issuer that invalid tokens can trigger.
const KEYS_FOR: SignedDuration = SignedDuration::from_mins(1);

/// The cache of the issuer's metadata and keys.
pub(crate) struct Discovery {
    issuer: String,
    http: HttpClient,
    clock: Clock,
    known: Mutex<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    metadata: Arc<Metadata>,
    read_at: Timestamp,
}

impl Discovery {
    pub(crate) fn new(issuer: String, http: HttpClient, clock: Clock) -> Self {
        Self { issuer, http, clock, known: Mutex::default() }
    }

    /// Metadata and keys, at most an hour old, or at most a day old while the issuer does not answer.
    pub(crate) async fn metadata(&self) -> Result<Arc<Metadata>, IssuerError> {
        if let Some(metadata) = self.known_for(METADATA_FOR).await {
            return Ok(metadata);
        }
        match self.read().await {
            Ok(metadata) => Ok(metadata),
            Err(error) => {
                let known = self.known_for(METADATA_AT_WORST).await;
                if known.is_some() {
                    tracing::warn!(cause = chain(&error), "cannot refresh the metadata; using the cache");
                }
                known.ok_or(error)
            }
        }
    }

    /// Rereads metadata and keys after a signature fitted none of the cached keys. `None` if those were
    /// read less than a minute ago.
    pub(crate) async fn newer(&self) -> Result<Option<Arc<Metadata>>, IssuerError> {
        match self.known_for(KEYS_FOR).await {
            Some(_) => Ok(None),
            None => self.read().await.map(Some),
        }
    }

    async fn known_for(&self, longest: SignedDuration) -> Option<Arc<Metadata>> {
        let known = self.known.lock().await.clone()?;
        (self.clock.now().duration_since(known.read_at) < longest).then_some(known.metadata)
    }

    async fn read(&self) -> Result<Arc<Metadata>, IssuerError> {
        let asked = "the issuer's metadata";
        let address = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let address = Url::parse(&address).map_err(|error| IssuerError::unavailable(&error))?;
        let document = self.get(asked, address).await?;
        let metadata = Metadata::read(&document, &self.issuer);
        let mut metadata =
            metadata.map_err(|wrong| IssuerError::Unavailable(Cause::because(asked, Cause::new(wrong))))?;
        metadata.keys = Keys::read(&self.get("the issuer's keys", metadata.jwks_uri.clone()).await?);
        let known = Known { metadata: Arc::new(metadata), read_at: self.clock.now() };
        *self.known.lock().await = Some(known.clone());
        Ok(known.metadata)
    }

    async fn get(&self, asked: &str, address: Url) -> Result<Value, IssuerError> {
        let answer = self.http.send(self.http.requests().get(address)).await;
        let answer = answer.map_err(|error| IssuerError::no_answer(asked, &error))?;
        if !answer.status.is_success() {
            return Err(IssuerError::odd(asked, &answer, "no document"));
        }
        serde_json::from_slice(&answer.body).map_err(|_| IssuerError::odd(asked, &answer, "not JSON"))
    }
}
