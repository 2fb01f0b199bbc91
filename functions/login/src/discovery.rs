//! The issuer's metadata and keys (OpenID Connect Discovery 1.0, section 4), read seldom.

use std::sync::Arc;

use evosync_connections::error_chain::Cause;
use evosync_connections::platform::Clock;
use jiff::{SignedDuration, Timestamp};
use openidconnect::IssuerUrl;
use openidconnect::core::CoreProviderMetadata;
use tokio::sync::Mutex;

use crate::error::IssuerError;
use crate::transport::Transport;

/// How long metadata and keys are used without asking again.
const METADATA_FOR: SignedDuration = SignedDuration::from_hours(1);
const METADATA_AT_WORST: SignedDuration = SignedDuration::from_hours(24);

/// How long keys are believed against a signature that does not fit them: bad signatures must not
/// become a flood of requests to the issuer.
const KEYS_FOR: SignedDuration = SignedDuration::from_mins(1);

/// What an issuer publishes.
pub(crate) struct Discovery {
    issuer: String,
    clock: Clock,
    known: Mutex<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    metadata: Arc<CoreProviderMetadata>,
    read_at: Timestamp,
}

impl Discovery {
    pub(crate) fn new(issuer: String, clock: Clock) -> Self {
        Self { issuer, clock, known: Mutex::default() }
    }

    /// Metadata and keys, at most an hour old; or a day, while the issuer does not answer.
    pub(crate) async fn metadata(
        &self,
        transport: &Transport,
    ) -> Result<Arc<CoreProviderMetadata>, IssuerError> {
        if let Some(metadata) = self.known_for(METADATA_FOR).await {
            return Ok(metadata);
        }
        match self.read(transport).await {
            Ok(metadata) => Ok(metadata),
            Err(error) => self.known_for(METADATA_AT_WORST).await.ok_or(error),
        }
    }

    /// Metadata and keys for a signature that does not fit the known ones, `None` where those were
    /// read too lately to ask again.
    pub(crate) async fn newer(
        &self,
        transport: &Transport,
    ) -> Result<Option<Arc<CoreProviderMetadata>>, IssuerError> {
        match self.known_for(KEYS_FOR).await {
            Some(_) => Ok(None),
            None => self.read(transport).await.map(Some),
        }
    }

    async fn known_for(&self, longest: SignedDuration) -> Option<Arc<CoreProviderMetadata>> {
        let known = self.known.lock().await.clone()?;
        (self.clock.now().duration_since(known.read_at) < longest).then_some(known.metadata)
    }

    async fn read(&self, transport: &Transport) -> Result<Arc<CoreProviderMetadata>, IssuerError> {
        let issuer = IssuerUrl::new(self.issuer.clone()).map_err(|_| IssuerError::Refused("issuer"))?;
        let metadata = CoreProviderMetadata::discover_async(issuer, transport).await;
        let metadata = metadata.map_err(|_| IssuerError::Unavailable(Cause::new("discovery failed")))?;
        let known = Known { metadata: Arc::new(metadata), read_at: self.clock.now() };
        *self.known.lock().await = Some(known.clone());
        Ok(known.metadata)
    }
}
