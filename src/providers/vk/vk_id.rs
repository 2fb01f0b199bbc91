//! VK ID's endpoints ("VK ID" in VK's documentation): OAuth 2.1 with PKCE, access tokens of an hour, and
//! refresh tokens that are used once.

use jiff::Timestamp;
use serde::Deserialize;

use super::config::{Extent, VkIdApp, VkIdConfig};
use super::token_answer::{TokenError, TokenGrant, read, read_end};
use crate::domain::State;
use crate::domain::secret::{AccessToken, AuthorizationCode, ClientSecret, DeviceId, RefreshToken};
use crate::http_client::HttpClient;
use crate::params::Params;
use crate::platform::Platform;
use crate::providers::oauth::{AuthorizationResponse, Exchange, GrantedCode, Outcome, is_code};
use crate::secrets::{ClientSecretSource, Secret, SecretError};

/// The longest code and device id accepted, in characters; VK's are under 200.
const LONGEST: usize = 512;

/// VK ID, for a confidential application, which proves itself with its service token.
pub(super) struct VkIdEndpoint {
    sessions: VkIdSessions,
    service_token: ClientSecretSource,
}

/// VK ID, as far as it asks for no proof of the application: a token ends its own session.
pub(super) struct VkIdSessions {
    http: HttpClient,
    app: VkIdApp,
}

/// The older form of a callback: one parameter with everything in it. A member that comes twice is an
/// error.
#[derive(Deserialize)]
struct Payload {
    state: Option<String>,
    code: Option<String>,
    device_id: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Reads a callback, whose parameters are in the query or in one JSON `payload`. `None` for anything that is
/// not one answer to one attempt: a field may not come twice, and a code needs its device.
pub(super) fn read_callback(params: &Params) -> Option<AuthorizationResponse> {
    let unpacked = match params.one("payload").ok()? {
        Some(payload) => Some(params.with(unpack(payload)?)),
        None => None,
    };
    let params = unpacked.as_ref().unwrap_or(params);
    let mut response = AuthorizationResponse::read(params, LONGEST)?;
    if let Outcome::Code(GrantedCode { device_id, .. }) = &mut response.outcome {
        let device = params.one("device_id").ok()??;
        if device.len() > LONGEST || !is_code(device) {
            return None;
        }
        *device_id = Some(DeviceId::new(device));
    }
    Some(response)
}

fn unpack(payload: &str) -> Option<Vec<(&'static str, String)>> {
    let Payload { state, code, device_id, error, iss } = serde_json::from_str(payload).ok()?;
    let members =
        [("state", state), ("code", code), ("device_id", device_id), ("error", error), ("iss", iss)];
    Some(members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

impl VkIdEndpoint {
    pub(super) fn new(platform: &Platform, http: HttpClient, config: VkIdConfig) -> Self {
        let secret = Secret::new(platform, &config.service_token_id);
        Self {
            sessions: VkIdSessions::new(http, config.app),
            service_token: ClientSecretSource::new(secret, "VK_SERVICE_TOKEN"),
        }
    }

    /// The name that VK ID's answers would have to give as their sender's (RFC 9207).
    pub(super) fn issuer(&self) -> String {
        self.sessions.app.issuer()
    }

    /// Reads the service token, unless it has been read lately.
    pub(super) async fn prepare(&self) -> Result<(), SecretError> {
        self.service_token.value().await.map(drop)
    }

    /// Exchanges a code at `now`. An answer with another state than the attempt's is not ours.
    pub(super) async fn exchange(
        &self,
        exchange: &Exchange,
        redirect_uri: &str,
        now: Timestamp,
    ) -> Result<TokenGrant, TokenError> {
        let GrantedCode { code, device_id } = &exchange.granted;
        let parameters = Grant::Code { code, verifier: exchange.verifier.secret(), redirect_uri };
        let granted = self.ask(&parameters, device_id.as_ref(), &exchange.state, now).await?;
        if is_anothers(&granted, &exchange.state) {
            return Err(TokenError::CodeRejected("state_mismatch".to_owned()));
        }
        Ok(granted)
    }

    /// Spends a refresh token at `now`. The state of the answer is not judged: whoever asks must save the
    /// new tokens first.
    pub(super) async fn refresh(
        &self,
        refresh: &RefreshToken,
        device_id: Option<&DeviceId>,
        state: &State,
        now: Timestamp,
    ) -> Result<TokenGrant, TokenError> {
        self.ask(&Grant::Refresh(refresh), device_id, state, now).await
    }

    /// Asks for tokens. When VK refuses the application, the latest service token is read, and tried if it is
    /// another: a code and a refresh token survive a refused application.
    async fn ask(
        &self,
        grant: &Grant<'_>,
        device_id: Option<&DeviceId>,
        state: &State,
        now: Timestamp,
    ) -> Result<TokenGrant, TokenError> {
        let service_token = self.service_token.value().await?;
        match self.attempt(grant, device_id, state, &service_token, now).await {
            Err(TokenError::AppRejected(name)) => {
                let latest = self.service_token.reread().await?;
                if latest.secret() == service_token.secret() {
                    return Err(TokenError::AppRejected(name));
                }
                self.attempt(grant, device_id, state, &latest, now).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(
        &self,
        grant: &Grant<'_>,
        device_id: Option<&DeviceId>,
        state: &State,
        service_token: &ClientSecret,
        now: Timestamp,
    ) -> Result<TokenGrant, TokenError> {
        let mut form = grant.parameters();
        let VkIdSessions { http, app } = &self.sessions;
        form.push(("client_id", &app.client_id));
        form.push(("device_id", device_id.map(DeviceId::secret).unwrap_or_default()));
        form.push(("state", state.secret()));
        form.push(("service_token", service_token.secret()));
        let request = http.requests().post(app.endpoint("oauth2/auth")).form(&form);
        read(&http.send(request).await?, now)
    }

    /// Ends the session of tokens that nobody will use.
    pub(super) async fn log_out(&self, token: &AccessToken) -> Result<(), TokenError> {
        self.sessions.end(Extent::Logout, token).await
    }
}

impl VkIdSessions {
    pub(super) fn new(http: HttpClient, app: VkIdApp) -> Self {
        Self { http, app }
    }

    /// Ends the session of an access token, and with it its refresh token; or the account's grant, and with it
    /// all its sessions. The access token must be alive: VK ID knows no other way, by refresh token for one.
    pub(super) async fn end(&self, extent: Extent, token: &AccessToken) -> Result<(), TokenError> {
        let path = match extent {
            Extent::Logout => "oauth2/logout",
            Extent::Grant => "oauth2/revoke",
        };
        let form = [("access_token", token.secret()), ("client_id", self.app.client_id.as_str())];
        let request = self.http.requests().post(self.app.endpoint(path)).form(&form);
        read_end(&self.http.send(request).await?)
    }
}

/// Whether an answer repeats another state than was sent.
pub(super) fn is_anothers(granted: &TokenGrant, state: &State) -> bool {
    granted.state.as_ref().is_some_and(|echoed| echoed.as_str() != state.secret())
}

/// What tokens are asked for with.
enum Grant<'a> {
    Code { code: &'a AuthorizationCode, verifier: &'a str, redirect_uri: &'a str },
    Refresh(&'a RefreshToken),
}

impl Grant<'_> {
    fn parameters(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Code { code, verifier, redirect_uri } => vec![
                ("grant_type", "authorization_code"),
                ("code", code.secret()),
                ("code_verifier", verifier),
                ("redirect_uri", redirect_uri),
            ],
            Self::Refresh(token) => {
                vec![("grant_type", "refresh_token"), ("refresh_token", token.secret())]
            }
        }
    }
}
