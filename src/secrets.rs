//! Secrets from Secrets Manager, cached for five minutes and never longer, so that rotating one
//! needs no deployment.

use std::collections::HashMap;
use std::sync::Mutex;

use aws_sdk_secretsmanager::Client;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use crate::domain::secret::ClientSecret;
use crate::error_chain::Cause;
use crate::platform::{Clock, Platform};

/// The longest time a value is used without asking again.
const CACHE_FOR: SignedDuration = SignedDuration::from_mins(5);

/// One secret.
pub struct Secret {
    client: Client,
    id: String,
    clock: Clock,
    cached: Mutex<Option<Cached>>,
}

#[derive(Clone)]
struct Cached {
    value: Zeroizing<String>,
    read_at: Timestamp,
}

/// The secret could not be read. Names the secret and the cause, never the value.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot read the secret {id}")]
pub struct SecretError {
    id: String,
    #[source]
    cause: Cause,
}

impl SecretError {
    /// An error about the secret of a name or ARN, or of the variable that does not name one.
    pub fn new(id: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { id: id.into(), cause: Cause::new(cause) }
    }
}

impl Secret {
    /// The secret of a name or ARN; nothing is read yet.
    pub fn new(platform: &Platform, id: impl Into<String>) -> Self {
        Self {
            client: Client::new(&platform.aws),
            id: id.into(),
            clock: platform.clock.clone(),
            cached: Mutex::default(),
        }
    }

    /// What the value means, which is at most five minutes old.
    ///
    /// # Errors
    /// When the value cannot be read, or means nothing; such a one is asked for again the next time, since it may be
    /// mended by then.
    pub async fn value<T>(
        &self,
        read: impl FnOnce(&str) -> Result<T, SecretError>,
    ) -> Result<T, SecretError> {
        let cached = self.cached.lock().map_err(|_| self.error("lock poisoned"))?.clone();
        match cached {
            Some(cached) if self.clock.now().duration_since(cached.read_at) < CACHE_FOR => {
                read(&cached.value)
            }
            _ => self.reread(read).await,
        }
    }

    /// What the value means as it is now, for when the cached one has just been refused.
    ///
    /// # Errors
    /// As [`Secret::value`].
    pub async fn reread<T>(
        &self,
        read: impl FnOnce(&str) -> Result<T, SecretError>,
    ) -> Result<T, SecretError> {
        let read_at = self.clock.now();
        let answer = self.client.get_secret_value().secret_id(&self.id).send().await;
        let answer = answer.map_err(|error| self.caused(Cause::of_aws(&error)))?;
        let text = match (answer.secret_string, answer.secret_binary) {
            (Some(text), _) => text,
            (None, Some(binary)) => {
                String::from_utf8(binary.into_inner()).map_err(|_| self.error("its value is no text"))?
            }
            (None, None) => return Err(self.error("it has no value")),
        };
        let value = Zeroizing::new(bare(&Zeroizing::new(text)).to_owned());
        let meaning = read(&value);
        let kept = meaning.is_ok().then_some(Cached { value, read_at });
        *self.cached.lock().map_err(|_| self.error("lock poisoned"))? = kept;
        meaning
    }

    /// An error about this secret.
    pub fn error(&self, cause: impl Into<String>) -> SecretError {
        self.caused(Cause::new(cause))
    }

    fn caused(&self, cause: Cause) -> SecretError {
        SecretError { id: self.id.clone(), cause }
    }
}

/// A secret whose value is the client secret itself, or a JSON object that has it under a key.
pub struct ClientSecretSource {
    secret: Secret,
    key: &'static str,
}

impl ClientSecretSource {
    /// Reads `secret`, taking `key` where the value is a JSON object.
    pub fn new(secret: Secret, key: &'static str) -> Self {
        Self { secret, key }
    }

    /// The client secret, at most five minutes old.
    pub async fn value(&self) -> Result<ClientSecret, SecretError> {
        self.secret.value(|text| self.parse(text)).await
    }

    /// The client secret as it is now.
    pub async fn reread(&self) -> Result<ClientSecret, SecretError> {
        self.secret.reread(|text| self.parse(text)).await
    }

    fn parse(&self, text: &str) -> Result<ClientSecret, SecretError> {
        if !text.starts_with('{') {
            return self.of_text(text);
        }
        let object: HashMap<String, Member> =
            serde_json::from_str(text).map_err(|_| self.secret.error("it begins like JSON and is none"))?;
        match object.get(self.key) {
            Some(Member::Text(value)) => self.of_text(bare(value)),
            Some(Member::Other(_)) => Err(self.secret.error(format!("{} is no text", self.key))),
            None => Err(self.secret.error(format!("it has no {}", self.key))),
        }
    }

    fn of_text(&self, text: &str) -> Result<ClientSecret, SecretError> {
        if text.is_empty() { Err(self.secret.error("it is empty")) } else { Ok(ClientSecret::new(text)) }
    }
}

/// A member of a secret's JSON object. Those that are not used may be anything.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Member {
    Text(Zeroizing<String>),
    Other(IgnoredAny),
}

impl Member {
    pub(crate) fn into_text(self) -> Option<Zeroizing<String>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other(_) => None,
        }
    }
}

/// A value without what editors and shells leave around it: a byte order mark, spaces, a line's end.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}
