//! Who an ID token is about.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evosync_connections::domain::UserId;
use serde_json::{Map, Value};

/// The longest greeting kept, in characters.
const MAX_NAME: usize = 100;

/// Who signed in.
pub(crate) struct Identity {
    pub(crate) user: UserId,
    pub(crate) display_name: String,
}

impl Identity {
    /// Reads a verified token in compact form: the merchant from `user_claim`, and a name to greet
    /// them by.
    pub(crate) fn read(token: &str, user_claim: &str) -> Result<Self, &'static str> {
        let claims = claims(token).ok_or("ID token's shape")?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        // Whoever may type any address must not become the person who owns it.
        let verified = claims.get("email_verified");
        if user_claim == "email" && verified != Some(&Value::Bool(true)) && verified != Some(&"true".into()) {
            return Err("e-mail address not verified");
        }
        let user = UserId::parse(text(user_claim)).ok_or("user claim missing or malformed")?;
        let names = ["name", "preferred_username", "email"].map(text);
        let name = names.into_iter().find(|name| !name.trim().is_empty()).unwrap_or(user.as_str());
        let display_name = name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        Ok(Self { user, display_name })
    }
}

/// The claims of a token in compact form (RFC 7519, section 7.2).
fn claims(token: &str) -> Option<Map<String, Value>> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
