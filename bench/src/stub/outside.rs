//! Secrets Manager, VK and an OpenID Connect issuer.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Reply, rows};

/// The rights that are asked for by default.
const RIGHTS: u64 = 134_545_408;

/// The account whose tokens name no other.
const ACCOUNT: u64 = 42;

pub(super) fn secret(body: &[u8]) -> Reply {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = request["SecretId"].as_str().unwrap_or_default();
    let value = if name == "token-keys" { rows::KEYS } else { "a secret of the scoreboard" };
    Reply::ok(json!({ "ARN": name, "Name": name, "SecretString": value }).to_string())
}

pub(super) fn is_vk(path: &str) -> bool {
    path.starts_with("/method/") || path == "/access_token"
}

pub(super) fn answer(path: &str, bearer: Option<&str>, origin: &str) -> Reply {
    match path {
        "/method/users.get" => {
            let account =
                bearer.and_then(|bearer| bearer.rsplit('-').next()?.parse().ok()).unwrap_or(ACCOUNT);
            let name = r#""first_name":"Anna","last_name":"Smirnova""#;
            Reply::ok(format!(r#"{{"response":[{{"id":{account},{name}}}]}}"#))
        }
        "/method/account.getAppPermissions" => Reply::ok(format!(r#"{{"response":{RIGHTS}}}"#)),
        "/access_token" => {
            Reply::ok(json!({ "access_token": "token", "user_id": ACCOUNT, "expires_in": 0 }).to_string())
        }
        "/.well-known/openid-configuration" => Reply::ok(metadata(origin).to_string()),
        "/keys" => Reply::ok(json!({ "keys": [] }).to_string()),
        _ => Reply::of(StatusCode::NOT_FOUND, &json!({})),
    }
}

fn metadata(origin: &str) -> Value {
    json!({
        "issuer": origin,
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "jwks_uri": format!("{origin}/keys"),
        "scopes_supported": ["openid", "profile", "email"],
    })
}
