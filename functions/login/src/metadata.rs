//! What an issuer publishes about itself (OpenID Connect Discovery 1.0, section 3). Only the members
//! that are used are read; all others may be anything.

use evosync_connections::config::is_private;
use serde_json::Value;
use url::Url;

use crate::id_token::Keys;

/// An issuer's endpoints and keys.
pub(crate) struct Metadata {
    pub(crate) authorization_endpoint: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) jwks_uri: Url,
    /// Where a person ends the session at the issuer (OpenID Connect RP-Initiated Logout 1.0).
    pub(crate) end_session_endpoint: Option<Url>,
    /// The scopes offered; empty where the issuer does not say.
    pub(crate) scopes: Vec<String>,
    /// Whether the client's secret travels by HTTP Basic; in the form otherwise.
    pub(crate) basic_authentication: bool,
    pub(crate) keys: Keys,
}

impl Metadata {
    /// Reads a metadata document, whose keys are not known yet.
    ///
    /// # Errors
    /// Says in our words what is wrong: an issuer that is not the configured one to the letter
    /// (section 4.3), or an endpoint that is missing or in the clear.
    pub(crate) fn read(document: &Value, issuer: &str) -> Result<Self, String> {
        match document["issuer"].as_str() {
            Some(named) if named == issuer => {}
            Some(named) => {
                let named: String = named.chars().filter(char::is_ascii_graphic).take(200).collect();
                return Err(format!("it is issued by {named}, and OIDC_ISSUER says {issuer}"));
            }
            None => return Err("it names no issuer".to_owned()),
        }
        let methods = texts(&document["token_endpoint_auth_methods_supported"]);
        Ok(Self {
            authorization_endpoint: endpoint(document, "authorization_endpoint")?,
            token_endpoint: endpoint(document, "token_endpoint")?,
            jwks_uri: endpoint(document, "jwks_uri")?,
            end_session_endpoint: endpoint(document, "end_session_endpoint").ok(),
            scopes: texts(&document["scopes_supported"]),
            // RFC 8414, section 2: without a list, client_secret_basic is meant.
            basic_authentication: methods.is_empty()
                || methods.iter().any(|method| method == "client_secret_basic"),
            keys: Keys::default(),
        })
    }
}

/// An endpoint named by the metadata. The client secret travels to one of them, so none may be in the
/// clear.
fn endpoint(document: &Value, name: &str) -> Result<Url, String> {
    let text = document[name].as_str().ok_or_else(|| format!("it has no {name}"))?;
    let url = Url::parse(text).map_err(|_| format!("its {name} is no URL"))?;
    if is_private(url.as_str()) { Ok(url) } else { Err(format!("its {name} is in the clear")) }
}

fn texts(value: &Value) -> Vec<String> {
    let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://issuer.example";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://issuer.example/authorize",
            "token_endpoint": "https://issuer.example/token",
            "jwks_uri": "https://issuer.example/keys",
        })
    }

    fn with(name: &str, value: Value) -> Result<Metadata, String> {
        let mut document = document();
        document[name] = value;
        Metadata::read(&document, ISSUER)
    }

    #[test]
    fn a_member_nobody_reads_may_be_anything() {
        for name in ["op_policy_uri", "service_documentation", "claims_supported", "response_types_supported"]
        {
            for odd in [json!(""), json!(null), json!(7), json!({}), json!(["a", 1])] {
                assert!(with(name, odd.clone()).is_ok(), "{name} {odd}");
            }
        }
    }

    #[test]
    fn an_optional_member_of_another_kind_is_not_given() {
        for odd in [json!(""), json!(7), json!({}), json!([7])] {
            assert!(with("end_session_endpoint", odd.clone()).unwrap().end_session_endpoint.is_none());
            assert!(with("scopes_supported", odd.clone()).unwrap().scopes.is_empty());
            assert!(with("token_endpoint_auth_methods_supported", odd).unwrap().basic_authentication);
        }
    }

    #[test]
    fn what_is_wrong_is_said_by_name() {
        let message = |name, value| with(name, value).err().unwrap();
        let slash = message("issuer", json!("https://issuer.example/"));
        assert_eq!(
            slash,
            "it is issued by https://issuer.example/, and OIDC_ISSUER says https://issuer.example"
        );
        assert_eq!(message("issuer", json!(null)), "it names no issuer");
        assert_eq!(message("token_endpoint", json!(null)), "it has no token_endpoint");
        assert_eq!(message("jwks_uri", json!("keys")), "its jwks_uri is no URL");
        let clear = message("token_endpoint", json!("http://issuer.example/token"));
        assert_eq!(clear, "its token_endpoint is in the clear");
    }
}
