//! The answers of VK's token endpoints, of the classic one and of VK ID's: tokens, or why there are none. VK ID's
//! endpoints that end tokens answer alike.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::lenient::{Lenient, Loose};
use super::verdict::ApiError;
use crate::domain::secret::{AccessToken, RefreshToken};
use crate::domain::{Liveness, OfflineReason, Scopes, Unknown};
use crate::error_chain::Cause;
use crate::http_client::{HttpAnswer, HttpError};
use crate::providers::oauth::{ErrorKind, OAuthError, lapses_at, token_of};
use crate::secrets::SecretError;

/// What a code or a refresh token was good for.
#[derive(Debug)]
pub(super) struct TokenGrant {
    /// The token.
    pub(super) token: AccessToken,
    /// What renews it; the classic flow has none.
    pub(super) refresh: Option<RefreshToken>,
    /// What was granted, where the answer says so.
    pub(super) scopes: Option<Scopes>,
    /// The state that the answer repeats, where it does.
    pub(super) state: Option<Zeroizing<String>>,
    /// The account VK says it belongs to.
    pub(super) account_id: Option<i64>,
    /// When it lapses; `None` for a token that does not, which is what `offline` gives.
    pub(super) expires_at: Option<Timestamp>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// VK refuses the application or its secret, the latest one included.
    #[error("VK refuses the application: {0}")]
    AppRejected(String),
    /// VK refuses the code or token: expired, used, ended, or of another redirect URI or device.
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
    /// No connection to VK could be made; it knows nothing of the request.
    #[error("VK is unavailable")]
    Unreached(#[source] HttpError),
    /// VK asks for fewer requests, and has not looked at this one.
    #[error("VK is unavailable")]
    RateLimited {
        /// How it says so.
        #[source]
        cause: Cause,
        /// How long it wants to be left alone, where it says so.
        retry_after: Option<Duration>,
    },
    /// VK broke off, or its answer is none. It may have granted the request.
    #[error("VK is unavailable")]
    Unavailable(#[source] Cause),
    /// The client secret or the service token could not be read.
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
    refresh_token: Option<Loose<Zeroizing<String>>>,
    scope: Option<Loose<String>>,
    state: Option<Loose<Zeroizing<String>>>,
    /// 1 where something was ended.
    response: Option<Lenient>,
    error: Option<ErrorField>,
    /// VK ID says here what is wrong, under kinds that are too wide.
    error_description: Option<Loose<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorField {
    Name(String),
    Api(ApiError),
    Other(IgnoredAny),
}

/// Reads the answer of an endpoint that ends something.
pub(super) fn read_end(answer: &HttpAnswer) -> Result<(), TokenError> {
    match without_error(answer)?.response.as_ref().and_then(Lenient::number) {
        Some(1) => Ok(()),
        _ => Err(TokenError::Unavailable(Cause::new(format!("HTTP {}, not done", answer.status.as_u16())))),
    }
}

/// An answer that names no error. VK sends errors with status 401, or 200, so a body counts at any status but
/// an outage's.
fn without_error(answer: &HttpAnswer) -> Result<TokenAnswer, TokenError> {
    let parsed = serde_json::from_slice::<TokenAnswer>(&answer.body).ok();
    let unavailable = |parsed: Option<&TokenAnswer>| {
        let named = parsed
            .and_then(|parsed| parsed.error.as_ref())
            .map_or("no error named".to_owned(), ErrorField::name);
        let cause = Cause::new(format!("HTTP {}, {named}", answer.status.as_u16()));
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS => {
                TokenError::RateLimited { cause, retry_after: answer.retry_after() }
            }
            _ => TokenError::Unavailable(cause),
        }
    };
    if answer.is_outage() || answer.is_challenge() {
        return Err(unavailable(parsed.as_ref()));
    }
    let mut parsed = parsed.ok_or_else(|| unavailable(None))?;
    if let Some(error) = parsed.error.take() {
        let description = parsed.error_description.and_then(Loose::value).unwrap_or_default();
        return Err(error.meaning(&description, answer.retry_after()));
    }
    Ok(parsed)
}

/// Reads an answer that should hold tokens.
pub(super) fn read(answer: &HttpAnswer, now: Timestamp) -> Result<TokenGrant, TokenError> {
    let parsed = without_error(answer)?;
    let token = token_of(parsed.access_token).ok_or(TokenError::NoToken)?;
    Ok(TokenGrant {
        token: AccessToken::new(token.as_str()),
        refresh: token_of(parsed.refresh_token).map(|token| RefreshToken::new(token.as_str())),
        scopes: parsed.scope.and_then(Loose::value).map(|scope| Scopes::parse(&scope)),
        state: parsed.state.and_then(Loose::value),
        account_id: parsed.user_id.as_ref().and_then(Lenient::number),
        expires_at: lapses_at(parsed.expires_in.as_ref(), now),
    })
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

/// Parts of `error_description` by which VK ID says that it does not know the application, under a kind
/// that is about the grant.
const APP: [&str; 2] = ["service_token", "client_id"];

/// Parts of it by which VK ID refuses the grant, under a kind that is about the request.
const GRANT: [&str; 5] = ["access_token", "refresh_token", "device_id", "code_verifier", "code is"];

impl ErrorField {
    /// The error's own name, as a log may carry it.
    fn name(&self) -> String {
        match self {
            Self::Name(name) => OAuthError::new(name).to_string(),
            Self::Api(error) => error.to_string(),
            Self::Other(_) => "unnamed".to_owned(),
        }
    }

    fn meaning(self, description: &str, retry_after: Option<Duration>) -> TokenError {
        let name = self.name();
        match self {
            Self::Name(given) if given == "need_validation" => {
                TokenError::AccountRejected(OfflineReason::ActionRequired)
            }
            Self::Name(given) if given == "slow_down" => {
                TokenError::RateLimited { cause: Cause::new(name), retry_after }
            }
            Self::Name(_) => {
                let says = |parts: &[&str]| parts.iter().any(|part| description.contains(part));
                match OAuthError::new(&name).kind() {
                    ErrorKind::Other if says(&APP) => TokenError::AppRejected(name),
                    ErrorKind::OurApp if says(&GRANT) => TokenError::CodeRejected(name),
                    ErrorKind::OurApp => TokenError::AppRejected(name),
                    ErrorKind::Outage => TokenError::Unavailable(Cause::new(name)),
                    ErrorKind::Other => TokenError::CodeRejected(name),
                }
            }
            Self::Api(error) => match error.liveness() {
                Liveness::Unknown(Unknown::OurFault) => TokenError::AppRejected(name),
                Liveness::Unknown(_) => TokenError::Unavailable(Cause::new(name)),
                Liveness::Dead(
                    reason @ (OfflineReason::AccountUnavailable
                    | OfflineReason::ActionRequired
                    | OfflineReason::PermissionMissing),
                ) => TokenError::AccountRejected(reason),
                Liveness::Dead(_) | Liveness::Alive => TokenError::CodeRejected(name),
            },
            Self::Other(_) => TokenError::CodeRejected(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    fn read_body(body: &str) -> Result<TokenGrant, TokenError> {
        read_answer(StatusCode::OK, body)
    }

    fn read_answer(status: StatusCode, body: &str) -> Result<TokenGrant, TokenError> {
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
            assert!(matches!(read_body(body), Err(TokenError::NoToken)), "{body}");
        }
    }

    #[test]
    fn errors_tell_the_application_from_the_code_and_from_an_outage() {
        use TokenError::{AppRejected, CodeRejected, Unavailable};
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
            assert!(matches!(answer, Err(TokenError::Unavailable(_))), "{status} {body}");
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
            assert!(matches!(answer, TokenError::AccountRejected(found) if found == reason), "{error}");
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
