//! The tokens of one connection.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use super::secret::{AccessToken, DeviceId, RefreshToken};

/// What a provider hands over for a code (RFC 6749, section 5.1), as far as it must be kept secret.
///
/// It is stored sealed, as one JSON record. Optional members need no new version of the record, and
/// members that this build does not know survive: a later build may have written them.
#[derive(Clone)]
pub struct TokenSet {
    /// Proves to the provider's API who allowed us in.
    pub access: AccessToken,
    /// Renews the access token; `None` where the provider gives none.
    pub refresh: Option<RefreshToken>,
    /// The device the tokens are bound to, where the provider binds them.
    pub device_id: Option<DeviceId>,
    unknown: UnknownMembers,
}

impl TokenSet {
    /// An access token that nothing renews.
    pub fn of_access(access: AccessToken) -> Self {
        Self { access, refresh: None, device_id: None, unknown: UnknownMembers::default() }
    }

    /// An access token that a refresh token renews, for a device where the provider binds it to one.
    pub fn renewable(access: AccessToken, refresh: RefreshToken, device_id: Option<DeviceId>) -> Self {
        Self { refresh: Some(refresh), device_id, ..Self::of_access(access) }
    }

    /// The tokens that follow these ones after a renewal. What this build does not know stays.
    #[must_use]
    pub fn renewed(&self, access: AccessToken, refresh: Option<RefreshToken>) -> Self {
        let refresh = refresh.or_else(|| self.refresh.clone());
        Self { access, refresh, ..self.clone() }
    }

    /// Reads a record, `None` where it has no access token.
    pub fn from_record(json: &[u8]) -> Option<Self> {
        let record: Record = serde_json::from_slice(json).ok()?;
        Some(Self {
            access: AccessToken::new(record.access_token.as_str()),
            refresh: record.refresh_token.map(|text| RefreshToken::new(text.as_str())),
            device_id: record.device_id.map(|text| DeviceId::new(text.as_str())),
            unknown: record.unknown,
        })
    }

    /// Writes the record, which is as secret as the tokens in it.
    ///
    /// # Errors
    /// Only where serialising fails, which text and JSON values do not.
    pub fn to_record(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        let record = Record {
            access_token: secret(self.access.secret()),
            refresh_token: self.refresh.as_ref().map(|token| secret(token.secret())),
            device_id: self.device_id.as_ref().map(|id| secret(id.secret())),
            unknown: self.unknown.clone(),
        };
        serde_json::to_vec(&record).map(Zeroizing::new)
    }
}

impl fmt::Debug for TokenSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenSet([redacted])")
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    access_token: Zeroizing<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<Zeroizing<String>>,
    #[serde(flatten)]
    unknown: UnknownMembers,
}

/// Members of a later build's record. They may be secret, so they are wiped like the others.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct UnknownMembers(Map<String, Value>);

impl Drop for UnknownMembers {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(record: &str) -> String {
        let tokens = TokenSet::from_record(record.as_bytes()).unwrap();
        String::from_utf8(tokens.to_record().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn an_access_token_of_its_own_is_the_record_that_earlier_builds_wrote() {
        let tokens = TokenSet::of_access(AccessToken::new("token"));
        assert_eq!(*tokens.to_record().unwrap(), br#"{"access_token":"token"}"#);
    }

    #[test]
    fn every_member_survives_known_or_not() {
        let record = concat!(
            r#"{"access_token":"a","refresh_token":"r","device_id":"d","#,
            r#""of_a_later_build":{"list":[1,"text",null]}}"#
        );
        assert_eq!(rewritten(record), record);
    }

    #[test]
    fn a_record_without_an_access_token_is_none() {
        for record in ["", "{}", "[]", r#"{"access_token":null}"#, r#"{"access_token":7}"#] {
            assert!(TokenSet::from_record(record.as_bytes()).is_none(), "{record}");
        }
    }

    #[test]
    fn tokens_never_print() {
        let tokens = TokenSet::from_record(br#"{"access_token":"canary","x":"canary"}"#).unwrap();
        assert!(!format!("{tokens:?}").contains("canary"));
    }
}
