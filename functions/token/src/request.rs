//! What a worker asks for.

use evosync_connections::domain::{Provider, UserId};
use jiff::SignedDuration;
use serde_json::Value;

/// The longest life that may be asked for. A token of an hour is renewed twice an hour at most.
const LONGEST_TTL: i64 = 1_800;

/// What is asked for where nothing else is said.
const USUAL_TTL: i64 = 300;

/// A request, well formed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) user: UserId,
    pub(crate) provider: Provider,
    /// How long the token must live at least.
    pub(crate) min_ttl: SignedDuration,
    /// The version of a token that the provider has refused.
    pub(crate) rejected_version: Option<String>,
}

impl Request {
    /// Reads an event. Members that are not used may be anything.
    ///
    /// # Errors
    /// What is wrong with it, in words that repeat nothing of it.
    pub(crate) fn parse(event: &Value) -> Result<Self, &'static str> {
        let user = event["user_id"].as_str().and_then(UserId::parse);
        let provider = event["provider"].as_str().and_then(Provider::from_key);
        let min_ttl = match &event["min_ttl_seconds"] {
            Value::Null => Some(USUAL_TTL),
            value => value.as_i64().filter(|seconds| (0..=LONGEST_TTL).contains(seconds)),
        };
        let rejected_version = match &event["rejected_version"] {
            Value::Null => Some(None),
            value => value.as_str().map(|version| Some(version.to_owned())),
        };
        Ok(Self {
            user: user.ok_or("user_id must be the merchant's id")?,
            provider: provider.ok_or("provider must be the key of a provider, such as vk")?,
            min_ttl: SignedDuration::from_secs(
                min_ttl.ok_or("min_ttl_seconds must be a whole number from 0 to 1800")?,
            ),
            rejected_version: rejected_version
                .ok_or("rejected_version must be the version of a token that was handed out")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_needs_a_merchant_and_a_provider() {
        let request = Request::parse(&json!({"user_id": "shop", "provider": "vk", "more": {}})).unwrap();
        assert_eq!((request.user.as_str(), request.provider), ("shop", Provider::Vk));
        assert_eq!((request.min_ttl.as_secs(), request.rejected_version), (USUAL_TTL, None));
    }

    #[test]
    fn a_malformed_request_says_what_is_wrong_and_repeats_nothing() {
        for (member, value) in [
            ("user_id", json!(7)),
            ("user_id", json!("")),
            ("provider", json!("canary")),
            ("min_ttl_seconds", json!(-1)),
            ("min_ttl_seconds", json!(1_801)),
            ("min_ttl_seconds", json!("300")),
            ("min_ttl_seconds", json!(1.5)),
            ("rejected_version", json!(1)),
        ] {
            let mut event = json!({"user_id": "shop", "provider": "vk"});
            event[member] = value;
            let problem = Request::parse(&event).unwrap_err();
            assert!(problem.starts_with(member) && !problem.contains("canary"), "{problem}");
        }
        assert!(Request::parse(&json!([])).is_err());
    }
}
