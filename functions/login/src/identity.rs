//! Reads the person from a verified ID token.

use evosync_connections::domain::UserId;
use serde_json::Value;

use crate::id_token::Claims;

/// The longest display name kept, in characters.
const MAX_NAME: usize = 100;

/// The longest name of a time zone kept, in bytes. The longest in use has 32.
const LONGEST_ZONE: usize = 64;

/// Who signed in.
pub(crate) struct Identity {
    pub(crate) user: UserId,
    pub(crate) display_name: String,
    /// The name of a time zone, as the issuer tells it.
    pub(crate) zone: Option<String>,
}

impl Identity {
    /// Reads a verified token's claims: the merchant from `user_claim`, a name to greet them by, and
    /// their time zone (`zoneinfo`).
    pub(crate) fn read(claims: &Claims, user_claim: &str) -> Result<Self, &'static str> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        // An unverified address proves nothing: anybody could register with a merchant's address.
        let verified = claims.get("email_verified");
        if user_claim == "email" && verified != Some(&Value::Bool(true)) && verified != Some(&"true".into()) {
            return Err("e-mail address not verified");
        }
        let user = UserId::parse(text(user_claim)).ok_or("user claim missing or malformed")?;
        let names = ["name", "preferred_username", "email"].map(text);
        let name = names.into_iter().find(|name| !name.trim().is_empty()).unwrap_or(user.as_str());
        let display_name = name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        let zone = Some(text("zoneinfo")).filter(|zone| (1..=LONGEST_ZONE).contains(&zone.len()));
        Ok(Self { user, display_name, zone: zone.map(str::to_owned) })
    }
}
