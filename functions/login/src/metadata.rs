//! An issuer's metadata document (OpenID Connect Discovery 1.0, section 3). Only members that are used
//! are validated.

use evosync_connections::config::is_private;
use serde_json::Value;
use url::Url;

use crate::id_token::Keys;

/// An issuer's endpoints and keys.
pub(crate) struct Metadata {
    pub(crate) authorization_endpoint: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) jwks_uri: Url,
    /// The URL that ends the person's session at the issuer (OpenID Connect RP-Initiated Logout 1.0).
    pub(crate) end_session_endpoint: Option<Url>,
    /// The supported scopes; empty if the issuer does not list them.
    pub(crate) scopes: Vec<String>,
    /// Whether the client secret is sent by HTTP Basic authentication; otherwise in the form.
    pub(crate) basic_authentication: bool,
    pub(crate) keys: Keys,
}

impl Metadata {
    /// Reads a metadata document. The keys are read separately, from `jwks_uri`.
    ///
    /// # Errors
    /// The reason, for the log: the issuer differs from the configured one (section 4.3), or an endpoint is
    /// missing or not HTTPS.
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
            // RFC 8414, section 2: without a list, the default is client_secret_basic.
            basic_authentication: methods.is_empty()
                || methods.iter().any(|method| method == "client_secret_basic"),
            keys: Keys::default(),
        })
    }
}

/// An endpoint of the metadata. Only HTTPS (or HTTP on localhost), since the client secret is sent to one.
fn endpoint(document: &Value, name: &str) -> Result<Url, String> {
    let text = document[name].as_str().ok_or_else(|| format!("it has no {name}"))?;
    let url = Url::parse(text).map_err(|_| format!("its {name} is not a URL"))?;
    if is_private(url.as_str()) { Ok(url) } else { Err(format!("its {name} is not HTTPS")) }
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
    fn an_unused_member_is_not_validated() {
        for name in ["op_policy_uri", "service_documentation", "claims_supported", "response_types_supported"]
        {
            for odd in [json!(""), json!(null), json!(7), json!({}), json!(["a", 1])] {
                assert!(with(name, odd.clone()).is_ok(), "{name} {odd}");
            }
        }
    }

    #[test]
    fn an_optional_member_of_the_wrong_type_is_ignored() {
        for odd in [json!(""), json!(7), json!({}), json!([7])] {
            assert!(with("end_session_endpoint", odd.clone()).unwrap().end_session_endpoint.is_none());
            assert!(with("scopes_supported", odd.clone()).unwrap().scopes.is_empty());
            assert!(with("token_endpoint_auth_methods_supported", odd).unwrap().basic_authentication);
        }
    }

    #[test]
    fn errors_name_the_wrong_member() {
        let message = |name, value| with(name, value).err().unwrap();
        let slash = message("issuer", json!("https://issuer.example/"));
        assert_eq!(
            slash,
            "it is issued by https://issuer.example/, and OIDC_ISSUER says https://issuer.example"
        );
        assert_eq!(message("issuer", json!(null)), "it names no issuer");
        assert_eq!(message("token_endpoint", json!(null)), "it has no token_endpoint");
        assert_eq!(message("jwks_uri", json!("keys")), "its jwks_uri is not a URL");
        let clear = message("token_endpoint", json!("http://issuer.example/token"));
        assert_eq!(clear, "its token_endpoint is not HTTPS");
    }
}
