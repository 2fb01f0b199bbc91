//! The client of the OpenID Connect issuer that people sign in at.

use evosync_connections::config::{ConfigError, Oidc};
use evosync_connections::domain::State;
use evosync_connections::domain::secret::{AuthorizationCode, ClientSecret};
use evosync_connections::http_client::{HttpAnswer, HttpClient, Limits, basic_credentials};
use evosync_connections::platform::{Clock, Platform};
use evosync_connections::providers::oauth::OAuthError;
use evosync_connections::secrets::{ClientSecretSource, Secret};
use reqwest::RequestBuilder;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::discovery::Discovery;
use crate::error::IssuerError;
use crate::id_token::{Claims, Expected, Invalid, verify};
use crate::identity::Identity;
use crate::metadata::Metadata;
use crate::question::Question;

/// A client registered at the configured issuer.
pub(crate) struct Issuer {
    http: HttpClient,
    config: Oidc,
    secret: Option<ClientSecretSource>,
    redirect_uri: String,
    clock: Clock,
    discovery: Discovery,
}

impl Issuer {
    pub(crate) fn new(platform: &Platform, config: Oidc, redirect_uri: String) -> Result<Self, ConfigError> {
        let secret = config
            .client_secret_id
            .as_ref()
            .map(|id| ClientSecretSource::new(Secret::new(platform, id), "OIDC_CLIENT_SECRET"));
        let http = HttpClient::new(Limits::default(), None).map_err(ConfigError::Tls)?;
        let discovery = Discovery::new(config.issuer.clone(), http.clone(), platform.clock.clone());
        Ok(Self { http, discovery, config, secret, redirect_uri, clock: platform.clock.clone() })
    }

    /// The issuer identifier, as configured by `OIDC_ISSUER`.
    pub(crate) fn identifier(&self) -> &str {
        &self.config.issuer
    }

    /// Fills the metadata cache before the first sign-in.
    pub(crate) async fn warm_up(&self) -> Result<(), IssuerError> {
        self.discovery.metadata().await.map(drop)
    }

    /// The address a person is sent to (OpenID Connect Core 1.0, section 3.1.2.1). With `ask_again`,
    /// the issuer asks for credentials even if it has a session of that person.
    pub(crate) async fn authorize_url(
        &self,
        state: &State,
        question: &Question,
        ask_again: bool,
    ) -> Result<String, IssuerError> {
        let metadata = self.discovery.metadata().await?;
        let mut url = metadata.authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &self.scope(&metadata))
            .append_pair("state", state.secret())
            .append_pair("nonce", question.nonce())
            .append_pair("code_challenge", &question.verifier().challenge())
            .append_pair("code_challenge_method", "S256");
        if ask_again {
            url.query_pairs_mut().append_pair("prompt", "login");
        }
        Ok(url.into())
    }

    /// The configured scopes (`OIDC_SCOPES`). By default `openid`, and `profile` and `email` if the issuer
    /// supports them, for a name to greet the person with.
    fn scope(&self, metadata: &Metadata) -> String {
        if let Some(scopes) = &self.config.scopes {
            return scopes.clone();
        }
        let offered = ["profile", "email"].into_iter();
        let offered = offered.filter(|name| metadata.scopes.iter().any(|scope| scope == name));
        ["openid"].into_iter().chain(offered).collect::<Vec<_>>().join(" ")
    }

    /// The URL that ends the person's session at the issuer, if it supports that (OpenID Connect
    /// RP-Initiated Logout 1.0, section 2).
    pub(crate) async fn sign_out_url(&self) -> Option<String> {
        let metadata = self.discovery.metadata().await.ok()?;
        let mut url = metadata.end_session_endpoint.clone()?;
        url.query_pairs_mut().append_pair("client_id", &self.config.client_id);
        Some(url.into())
    }

    /// Redeems a code and reads the person from the ID token. If the issuer rejects our client secret, it
    /// rereads the secret and retries once (secret rotation).
    pub(crate) async fn identify(
        &self,
        code: &AuthorizationCode,
        question: &Question,
    ) -> Result<Identity, IssuerError> {
        let metadata = self.discovery.metadata().await?;
        let token = match (self.redeem(code, question, &metadata).await, &self.secret) {
            (Err(IssuerError::ClientRefused(_)), Some(secret)) => {
                secret.reread().await.map_err(|error| IssuerError::unavailable(&error))?;
                self.redeem(code, question, &metadata).await?
            }
            (outcome, _) => outcome?,
        };
        let claims = self.verify(&token, question, &metadata).await?;
        Identity::read(&claims, &self.config.user_claim).map_err(IssuerError::rejected)
    }

    /// Exchanges a code for an ID token (OpenID Connect Core 1.0, section 3.1.3).
    async fn redeem(
        &self,
        code: &AuthorizationCode,
        question: &Question,
        metadata: &Metadata,
    ) -> Result<Zeroizing<String>, IssuerError> {
        let secret = match &self.secret {
            Some(source) => Some(source.value().await.map_err(|error| IssuerError::unavailable(&error))?),
            None => None,
        };
        let request = self.token_request(code, question, metadata, secret.as_ref());
        let answer = self.http.send(request).await;
        read_token(&answer.map_err(|error| IssuerError::no_answer(TOKEN, &error))?)
    }

    fn token_request(
        &self,
        code: &AuthorizationCode,
        question: &Question,
        metadata: &Metadata,
        secret: Option<&ClientSecret>,
    ) -> RequestBuilder {
        let client_id = self.config.client_id.as_str();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.secret()),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", question.verifier().secret()),
        ];
        let mut request = self.http.requests().post(metadata.token_endpoint.clone());
        match secret {
            Some(secret) if metadata.basic_authentication => {
                let credentials = basic_credentials(client_id, secret);
                request = request.header(reqwest::header::AUTHORIZATION, credentials.as_str());
            }
            Some(secret) => form.extend([("client_id", client_id), ("client_secret", secret.secret())]),
            None => form.push(("client_id", client_id)),
        }
        request.form(&form)
    }

    /// Verifies the token. If no cached key fits its signature, it rereads the keys (key rotation).
    async fn verify(
        &self,
        token: &str,
        question: &Question,
        metadata: &Metadata,
    ) -> Result<Claims, IssuerError> {
        let expected = Expected {
            issuer: &self.config.issuer,
            client_id: &self.config.client_id,
            trusted_audiences: &self.config.trusted_audiences,
            nonce: question.nonce(),
            now: self.clock.now(),
        };
        let mut verified = verify(token, &metadata.keys, &expected);
        if verified == Err(Invalid::Signature)
            && let Some(newer) = self.discovery.newer().await?
        {
            verified = verify(token, &newer.keys, &expected);
        }
        verified.map_err(|invalid| IssuerError::rejected(invalid.to_string()))
    }
}

const TOKEN: &str = "the issuer's token endpoint";

/// The ID token in the token endpoint's answer; nothing else is used. The status is checked before the
/// body: an outage proves nothing about our client or the code.
fn read_token(answer: &HttpAnswer) -> Result<Zeroizing<String>, IssuerError> {
    if answer.is_outage() {
        return Err(IssuerError::odd(TOKEN, answer, "no token"));
    }
    let body: Map<String, Value> =
        serde_json::from_slice(&answer.body).map_err(|_| IssuerError::odd(TOKEN, answer, "not JSON"))?;
    if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
        return Err(IssuerError::named(OAuthError::new(error.as_str().unwrap_or_default())));
    }
    if !answer.status.is_success() {
        return Err(IssuerError::odd(TOKEN, answer, "no error named"));
    }
    let token = body.get("id_token").and_then(Value::as_str);
    token
        .map(|token| Zeroizing::new(token.to_owned()))
        .ok_or_else(|| IssuerError::rejected("it has no ID token"))
}
