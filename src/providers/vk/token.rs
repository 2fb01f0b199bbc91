//! VK's token endpoint: a code for a token.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::config::{TokenConfig, TokenMethod};
use super::lenient::{Lenient, Loose};
use super::verdict::ApiError;
use crate::domain::secret::{AccessToken, AuthorizationCode, ClientSecret};
use crate::domain::{Liveness, OfflineReason, Unknown};
use crate::error_chain::Cause;
use crate::http_client::{HttpAnswer, HttpClient, HttpError};
use crate::platform::Platform;
use crate::providers::oauth::{ErrorKind, OAuthError};
use crate::secrets::{ClientSecretSource, Secret, SecretError};

/// The longest token stored, in characters; VK's are 85 to over 200.
const MAX_TOKEN: usize = 2048;

/// Exchanges codes, proving the application with its secret.
pub(super) struct TokenEndpoint {
    http: HttpClient,
    config: TokenConfig,
    redirect_uri: String,
    secret: ClientSecretSource,
}

/// What a code was good for.
#[derive(Debug)]
pub(super) struct TokenGrant {
    /// The token.
    pub(super) token: AccessToken,
    /// The account VK says it belongs to.
    pub(super) account_id: Option<i64>,
    /// When it lapses; `None` for a token that does not, which is what `offline` gives.
    pub(super) expires_at: Option<Timestamp>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    /// VK refuses the application or its secret, the latest one included.
    #[error("VK refuses the application: {0}")]
    AppRejected(String),
    /// VK refuses the code: expired, used, or of another redirect URI.
    #[error("VK refuses the code: {0}")]
    CodeRejected(String),
    /// VK refuses the account, for a reason that only the person can mend.
    #[error("VK refuses the account: {}", .0.code())]
    AccountRejected(OfflineReason),
    /// The answer has neither error nor token.
    #[error("VK's answer has no token")]
    NoToken,
    /// VK's host proves its name with a certificate that is not trusted here.
    #[error("VK's certificate is not trusted")]
    Untrusted(#[source] HttpError),
    /// VK could not be reached, or its answer is none.
    #[error("VK is unavailable")]
    Unavailable(#[source] Cause),
    /// The client secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// The endpoint's answer, good or bad.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<Loose<Zeroizing<String>>>,
    user_id: Option<Lenient>,
    /// 0 and negative mean that the token does not expire.
    expires_in: Option<Lenient>,
    error: Option<ErrorField>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorField {
    Name(String),
    Api(ApiError),
    Other(IgnoredAny),
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
    ) -> Result<TokenGrant, ExchangeError> {
        let secret = self.secret.value().await?;
        match self.attempt(code, &secret, now).await {
            Err(ExchangeError::AppRejected(_)) => {
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
    ) -> Result<TokenGrant, ExchangeError> {
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
        let answer = self.http.send(request).await.map_err(|error| match error {
            error @ HttpError::Tls(_) => ExchangeError::Untrusted(error),
            error => ExchangeError::unavailable(&error),
        })?;
        read(&answer, now)
    }
}

/// Reads an answer. VK sends errors with status 401, so a body counts at any status but an outage's.
fn read(answer: &HttpAnswer, now: Timestamp) -> Result<TokenGrant, ExchangeError> {
    let parsed = serde_json::from_slice::<TokenAnswer>(&answer.body).ok();
    let unavailable = |parsed: Option<&TokenAnswer>| {
        let named = parsed
            .and_then(|parsed| parsed.error.as_ref())
            .map_or("no error named".to_owned(), ErrorField::name);
        ExchangeError::Unavailable(Cause::new(format!("HTTP {}, {named}", answer.status.as_u16())))
    };
    if answer.is_outage() || answer.is_challenge() {
        return Err(unavailable(parsed.as_ref()));
    }
    let parsed = parsed.ok_or_else(|| unavailable(None))?;
    if let Some(error) = parsed.error {
        return Err(error.into());
    }
    let token = parsed.access_token.and_then(Loose::value).filter(|token| is_token(token));
    let token = token.ok_or(ExchangeError::NoToken)?;
    let seconds = parsed.expires_in.as_ref().and_then(Lenient::number).unwrap_or_default();
    let lifetime = SignedDuration::from_secs(seconds);
    Ok(TokenGrant {
        token: AccessToken::new(token.as_str()),
        account_id: parsed.user_id.as_ref().and_then(Lenient::number),
        expires_at: lifetime.is_positive().then(|| now.saturating_add(lifetime).unwrap_or(Timestamp::MAX)),
    })
}

fn is_token(value: &str) -> bool {
    (1..=MAX_TOKEN).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic())
}

impl ExchangeError {
    fn unavailable(error: &HttpError) -> Self {
        Self::Unavailable(Cause::of(error).unwrap_or_else(|| Cause::new("no answer")))
    }
}

impl ErrorField {
    /// The error's own name, as a log may carry it.
    fn name(&self) -> String {
        match self {
            Self::Name(name) => OAuthError::new(name).to_string(),
            Self::Api(error) => error.to_string(),
            Self::Other(_) => "unnamed".to_owned(),
        }
    }
}

impl From<ErrorField> for ExchangeError {
    fn from(error: ErrorField) -> Self {
        let name = error.name();
        match error {
            ErrorField::Name(given) if given == "need_validation" => {
                Self::AccountRejected(OfflineReason::ActionRequired)
            }
            ErrorField::Name(_) => match OAuthError::new(&name).kind() {
                ErrorKind::OurApp => Self::AppRejected(name),
                ErrorKind::Outage => Self::Unavailable(Cause::new(name)),
                ErrorKind::Other => Self::CodeRejected(name),
            },
            ErrorField::Api(error) => match error.liveness() {
                Liveness::Unknown(Unknown::OurFault) => Self::AppRejected(name),
                Liveness::Unknown(Unknown::Transient | Unknown::Inconclusive) => {
                    Self::Unavailable(Cause::new(name))
                }
                Liveness::Dead(
                    reason @ (OfflineReason::AccountUnavailable
                    | OfflineReason::ActionRequired
                    | OfflineReason::PermissionMissing),
                ) => Self::AccountRejected(reason),
                Liveness::Dead(_) | Liveness::Alive => Self::CodeRejected(name),
            },
            ErrorField::Other(_) => Self::CodeRejected(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    fn read_body(body: &str) -> Result<TokenGrant, ExchangeError> {
        read_answer(StatusCode::OK, body)
    }

    fn read_answer(status: StatusCode, body: &str) -> Result<TokenGrant, ExchangeError> {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        read(&HttpAnswer { status, headers: HeaderMap::new(), body }, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_token_expires_when_its_seconds_have_passed_and_otherwise_never() {
        let table = [
            (r#","expires_in":86400"#, Some(86_400)),
            (r#","expires_in":"86400""#, Some(86_400)),
            (r#","expires_in":0"#, None),
            (r#","expires_in":-1"#, None),
            (r#","expires_in":null"#, None),
            (r#","expires_in":{}"#, None),
            ("", None),
        ];
        for (field, seconds) in table {
            let grant = read_body(&format!(r#"{{"access_token":"token"{field}}}"#)).unwrap();
            assert_eq!(grant.expires_at.map(Timestamp::as_second), seconds, "{field}");
        }
        let forever = read_body(&format!(r#"{{"access_token":"token","expires_in":{}}}"#, i64::MAX)).unwrap();
        assert_eq!(forever.expires_at, Some(Timestamp::MAX));
    }

    #[test]
    fn the_owner_is_taken_where_it_is_a_number() {
        for (field, owner) in [("42", Some(42)), (r#""42""#, Some(42)), ("null", None), ("[]", None)] {
            let grant = read_body(&format!(r#"{{"access_token":"token","user_id":{field}}}"#)).unwrap();
            assert_eq!(grant.account_id, owner, "{field}");
        }
    }

    #[test]
    fn an_answer_without_a_usable_token_has_none() {
        let long = format!(r#"{{"access_token":"{}"}}"#, "a".repeat(2_049));
        for body in
            ["{}", r#"{"access_token":null}"#, r#"{"access_token":""}"#, r#"{"access_token":"a b"}"#, &long]
        {
            assert!(matches!(read_body(body), Err(ExchangeError::NoToken)), "{body}");
        }
    }

    #[test]
    fn errors_tell_the_application_from_the_code_and_from_an_outage() {
        use ExchangeError::{AppRejected, CodeRejected, Unavailable};
        let app =
            ["\"invalid_client\"", "\"unauthorized_client\"", "\"invalid_request\"", r#"{"error_code":8}"#];
        let code = ["\"invalid_grant\"", "\"anything\"", r#"{"error_code":5}"#, "7", "[]"];
        let outage = ["\"server_error\"", "\"temporarily_unavailable\"", r#"{"error_code":10}"#];
        let read = |error: &str| {
            let body = format!(r#"{{"error":{error},"access_token":"token"}}"#);
            read_answer(StatusCode::UNAUTHORIZED, &body).unwrap_err()
        };
        assert!(app.iter().all(|error| matches!(read(error), AppRejected(_))));
        assert!(code.iter().all(|error| matches!(read(error), CodeRejected(_))));
        assert!(outage.iter().all(|error| matches!(read(error), Unavailable(_))));
    }

    #[test]
    fn an_outage_is_an_outage_whatever_its_page_says() {
        for (status, body) in [(502, "<html>"), (503, r#"{"access_token":"token"}"#), (200, ""), (200, "[]")]
        {
            let answer = read_answer(StatusCode::from_u16(status).unwrap(), body);
            assert!(matches!(answer, Err(ExchangeError::Unavailable(_))), "{status} {body}");
        }
    }

    #[test]
    fn an_outage_is_no_verdict_on_code_or_application() {
        for error in ["service_unavailable", "invalid_client", "invalid_grant"] {
            for status in [408, 429, 500, 502, 503, 504] {
                let body = format!(r#"{{"error":"{error}"}}"#);
                let answer = read_answer(StatusCode::from_u16(status).unwrap(), &body).unwrap_err();
                let cause = format!("VK is unavailable: HTTP {status}, {error}");
                assert_eq!(crate::error_chain::chain(&answer), cause);
            }
        }
    }

    #[test]
    fn an_error_about_the_person_is_no_stale_code() {
        use OfflineReason::{AccountUnavailable, ActionRequired};
        let table = [
            (r#""need_validation""#, ActionRequired),
            (r#"{"error_code":17,"error_msg":"Validation required"}"#, ActionRequired),
            (r#"{"error_code":18}"#, AccountUnavailable),
        ];
        for (error, reason) in table {
            let answer = read_body(&format!(r#"{{"error":{error}}}"#)).unwrap_err();
            assert!(matches!(answer, ExchangeError::AccountRejected(found) if found == reason), "{error}");
        }
    }

    #[test]
    fn an_errors_name_is_logged_only_where_it_is_a_plain_word() {
        for echo in ["vk1.a.canary", "canary canary", &"c".repeat(41)] {
            let error = read_body(&format!(r#"{{"error":"{echo}"}}"#)).unwrap_err();
            assert_eq!(error.to_string(), "VK refuses the code: unnamed");
        }
    }
}
