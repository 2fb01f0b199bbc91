//! What a removed connection leaves in the connections' stream: its sealed tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::attributes::connection as c;
use super::changes::{Unreadable, image, keys, time};
use super::rows;
use crate::domain::{Generation, Provider, UserId};

/// The sealed tokens of a connection that was removed, and what they were sealed for.
pub struct RemovedTokens {
    /// Whose connection it was.
    pub user: UserId,
    /// To what.
    pub provider: Provider,
    /// Which one of several in the same place.
    pub generation: Generation,
    /// The tokens.
    pub sealed: Vec<u8>,
    /// When it was removed.
    pub removed_at: Timestamp,
}

impl RemovedTokens {
    /// Reads a record of the stream; `None` where no row was removed, or one without tokens that this build
    /// can make use of: it is damaged, or of a provider of a later build.
    pub fn read(record: &Value) -> Result<Option<Self>, Unreadable> {
        let stream = &record["dynamodb"];
        if record["eventName"] != "REMOVE" {
            return Ok(None);
        }
        let [user, provider] = keys(stream)?;
        let user = UserId::parse(&user).ok_or(Unreadable("user"))?;
        let row = image(&stream["OldImage"]).ok_or(Unreadable("image"))?;
        let sealed =
            stream["OldImage"][c::ACCESS_TOKEN]["B"].as_str().and_then(|text| STANDARD.decode(text).ok());
        let parts = (Provider::from_key(&provider), rows::generation(&row), sealed);
        let (Some(provider), Some(generation), Some(sealed)) = parts else { return Ok(None) };
        Ok(Some(Self { user, provider, generation, sealed, removed_at: time(stream)? }))
    }
}
