//! The classic flow's token endpoint ("Authorization Code Flow for user access token" in VK's documentation):
//! a code for a token that nothing renews.

use jiff::Timestamp;

use super::config::{TokenConfig, TokenMethod};
use super::token_answer::{TokenError, TokenGrant, read};
use crate::domain::secret::{AuthorizationCode, ClientSecret};
use crate::http_client::HttpClient;
use crate::platform::Platform;
use crate::secrets::{ClientSecretSource, Secret, SecretError};

/// Exchanges codes, proving the application with its secret.
pub(super) struct TokenEndpoint {
    http: HttpClient,
    config: TokenConfig,
    redirect_uri: String,
    secret: ClientSecretSource,
}

impl TokenEndpoint {
    /// The endpoint for an application registered with a redirect URI.
    pub(super) fn new(
        platform: &Platform,
        http: HttpClient,
        config: TokenConfig,
        redirect_uri: String,
    ) -> Self {
        let secret = Secret::new(platform, &config.client_secret_id);
        Self { http, config, redirect_uri, secret: ClientSecretSource::new(secret, "VK_CLIENT_SECRET") }
    }

    /// The name that VK's answers would have to give as their sender's (RFC 9207). VK gives none today.
    pub(super) fn issuer(&self) -> String {
        self.config.token_url.origin().ascii_serialization()
    }

    /// Reads the client secret, unless it has been read lately.
    pub(super) async fn prepare(&self) -> Result<(), SecretError> {
        self.secret.value().await.map(drop)
    }

    /// Exchanges a code at `now`. When VK refuses the secret, the latest one is read and tried
    /// once: a code survives a refused client.
    pub(super) async fn exchange(
        &self,
        code: &AuthorizationCode,
        now: Timestamp,
    ) -> Result<TokenGrant, TokenError> {
        let secret = self.secret.value().await?;
        match self.attempt(code, &secret, now).await {
            Err(TokenError::AppRejected(_)) => {
                let latest = self.secret.reread().await?;
                self.attempt(code, &latest, now).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(
        &self,
        code: &AuthorizationCode,
        secret: &ClientSecret,
        now: Timestamp,
    ) -> Result<TokenGrant, TokenError> {
        let parameters = [
            ("client_id", self.config.client_id.as_str()),
            ("client_secret", secret.secret()),
            ("redirect_uri", &self.redirect_uri),
            ("code", code.secret()),
        ];
        let requests = self.http.requests();
        let request = match self.config.method {
            TokenMethod::Post => requests.post(self.config.token_url.clone()).form(&parameters),
            TokenMethod::Get => {
                let mut url = self.config.token_url.clone();
                url.query_pairs_mut().extend_pairs(parameters);
                requests.get(url)
            }
        };
        read(&self.http.send(request).await?, now)
    }
}
