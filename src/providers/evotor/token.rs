//! Evotor's token endpoint: tokens for a code or for a refresh token (RFC 6749, sections 4.1.3, 5 and 6), or why
//! there are none.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::config::TokenConfig;
use crate::domain::secret::{AccessToken, AuthorizationCode, ClientSecret, RefreshToken};
use crate::error_chain::Cause;
use crate::http_client::{HttpAnswer, HttpClient, HttpError, basic_credentials};
use crate::platform::{Clock, Platform};
use crate::providers::lenient::{Lenient, Loose};
use crate::providers::oauth::{ErrorKind, OAuthError, lapses_at, token_of};
use crate::secrets::{ClientSecretSource, Secret, SecretError};

/// Asks for tokens, proving the application by HTTP Basic authentication (RFC 6749, section 2.3.1).
pub(super) struct TokenEndpoint {
    http: HttpClient,
    config: TokenConfig,
    secret: ClientSecretSource,
    clock: Clock,
}

/// What a code or a refresh token was good for.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) access: AccessToken,
    /// Absent for clients that are not of the kind `web`, and where a refresh leaves the old one in force.
    pub(super) refresh: Option<RefreshToken>,
    /// `None` where the answer does not say.
    pub(super) expires_at: Option<Timestamp>,
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// Evotor refuses the application or its secret, the latest one included, or does not take the request.
    #[error("Evotor refuses the application: {0}")]
    AppRejected(String),
    /// Evotor refuses the code or refresh token.
    #[error("Evotor refuses the grant: {0}")]
    GrantRejected(String),
    /// The answer has neither error nor token.
    #[error("Evotor's answer has no token")]
    NoToken,
    /// Evotor's host proves its name with a certificate that is not trusted here.
    #[error("Evotor's certificate is not trusted")]
    Untrusted(#[source] HttpError),
    /// No connection to Evotor could be made; it knows nothing of the request.
    #[error("Evotor is unavailable")]
    Unreached(#[source] HttpError),
    /// Evotor asks for fewer requests, and has not looked at this one.
    #[error("Evotor is unavailable")]
    RateLimited {
        /// How it says so.
        #[source]
        cause: Cause,
        /// How long it wants to be left alone, where it says so.
        retry_after: Option<Duration>,
    },
    /// Evotor broke off, or its answer is none. It may have granted the request.
    #[error("Evotor is unavailable")]
    Unavailable(#[source] Cause),
    /// The client secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// What tokens are asked for with.
enum Grant<'a> {
    Code { code: &'a AuthorizationCode, redirect_uri: &'a str },
    Refresh(&'a RefreshToken),
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<Loose<Zeroizing<String>>>,
    refresh_token: Option<Loose<Zeroizing<String>>>,
    expires_in: Option<Lenient>,
    error: Option<Loose<String>>,
}

impl TokenEndpoint {
    pub(super) fn new(platform: &Platform, http: HttpClient, config: TokenConfig) -> Self {
        let secret = Secret::new(platform, &config.client_secret_id);
        let secret = ClientSecretSource::new(secret, "EVOTOR_CLIENT_SECRET");
        Self { http, config, secret, clock: platform.clock.clone() }
    }

    /// The name that answers to an authorization request may give as their sender's.
    pub(super) fn issuer(&self) -> String {
        self.config.issuer()
    }

    /// Reads the client secret, unless it has been read lately.
    pub(super) async fn prepare(&self) -> Result<(), SecretError> {
        self.secret.value().await.map(drop)
    }

    /// Exchanges a code.
    pub(super) async fn exchange(
        &self,
        code: &AuthorizationCode,
        redirect_uri: &str,
    ) -> Result<Issued, TokenError> {
        self.ask(&Grant::Code { code, redirect_uri }).await
    }

    /// Asks for new tokens. How Evotor treats the old refresh token is not documented, so it counts as spent.
    pub(super) async fn refresh(&self, token: &RefreshToken) -> Result<Issued, TokenError> {
        self.ask(&Grant::Refresh(token)).await
    }

    /// When Evotor refuses the application, the latest secret is read, and tried if it is another: a code and a
    /// refresh token survive a refused application.
    async fn ask(&self, grant: &Grant<'_>) -> Result<Issued, TokenError> {
        let secret = self.secret.value().await?;
        match self.attempt(grant, &secret).await {
            Err(TokenError::AppRejected(name)) => {
                let latest = self.secret.reread().await?;
                if latest.secret() == secret.secret() {
                    return Err(TokenError::AppRejected(name));
                }
                self.attempt(grant, &latest).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(&self, grant: &Grant<'_>, secret: &ClientSecret) -> Result<Issued, TokenError> {
        let credentials = basic_credentials(&self.config.client_id, secret);
        let request = self.http.requests().post(self.config.token_url.clone());
        let request = request.header(AUTHORIZATION, credentials.as_str()).form(&grant.parameters());
        read(&self.http.send(request).await?, self.clock.now())
    }
}

impl Grant<'_> {
    fn parameters(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Code { code, redirect_uri } => vec![
                ("grant_type", "authorization_code"),
                ("code", code.secret()),
                ("redirect_uri", redirect_uri),
            ],
            Self::Refresh(token) => {
                vec![("grant_type", "refresh_token"), ("refresh_token", token.secret())]
            }
        }
    }
}

/// Reads an answer. What it says of an outage comes before what its body says.
fn read(answer: &HttpAnswer, now: Timestamp) -> Result<Issued, TokenError> {
    let status = format!("HTTP {}", answer.status.as_u16());
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        let retry_after = super::stores::retry_after(answer, now);
        return Err(TokenError::RateLimited { cause: Cause::new(status), retry_after });
    }
    if answer.is_outage() {
        return Err(TokenError::Unavailable(Cause::new(status)));
    }
    let Ok(parsed) = serde_json::from_slice::<TokenAnswer>(&answer.body) else {
        // A refused application may be answered by the server that stands before the endpoint.
        return Err(match answer.status {
            StatusCode::UNAUTHORIZED => TokenError::AppRejected(status),
            _ => TokenError::Unavailable(Cause::new(format!("{status}, no JSON"))),
        });
    };
    if let Some(error) = parsed.error {
        return Err(refusal(&OAuthError::new(&error.value().unwrap_or_default())));
    }
    let access = token_of(parsed.access_token).ok_or(TokenError::NoToken)?;
    Ok(Issued {
        access: AccessToken::new(access.as_str()),
        refresh: token_of(parsed.refresh_token).map(|token| RefreshToken::new(token.as_str())),
        expires_at: lapses_at(parsed.expires_in.as_ref(), now),
    })
}

/// What an error means (RFC 6749, section 5.2).
fn refusal(error: &OAuthError) -> TokenError {
    match error.kind() {
        ErrorKind::OurApp => TokenError::AppRejected(error.to_string()),
        ErrorKind::Outage => TokenError::Unavailable(Cause::new(error.to_string())),
        ErrorKind::Other => TokenError::GrantRejected(error.to_string()),
    }
}

impl From<HttpError> for TokenError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Tls(_) => Self::Untrusted(error),
            HttpError::Unreached(_) => Self::Unreached(error),
            HttpError::Timeout | HttpError::TooLarge | HttpError::Network(_) => {
                Self::Unavailable(error.as_cause())
            }
        }
    }
}
