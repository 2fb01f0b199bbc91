//! What every provider has in common that speaks OAuth 2.0.

use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use super::lenient::{Lenient, Loose};
use crate::domain::secret::{AuthorizationCode, CodeVerifier, DeviceId};
use crate::domain::{AnswerDigest, State};
use crate::params::{Malformed, Params};

/// What a person comes back with: an authorization response (RFC 6749, sections 4.1.2 and 4.1.2.1).
pub struct AuthorizationResponse {
    /// Names the attempt that is answered.
    pub state: State,
    /// What the answer is.
    pub outcome: Outcome,
    /// Who says they answer (RFC 9207, section 2).
    issuer: Result<Option<String>, Malformed>,
}

/// What a person is sent to a provider with: an authorization request (RFC 6749, section 4.1.1).
pub struct AuthorizationRequest<'a> {
    /// Names the attempt.
    pub state: &'a State,
    /// Proves at the exchange that we began the attempt; sent as its challenge by providers that know PKCE.
    pub verifier: &'a CodeVerifier,
    /// What the person sits at.
    pub device: Device,
}

/// The kind of device, for providers with pages of their own for phones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// A screen to sit at.
    Desktop,
    /// A phone.
    Phone,
}

/// What is exchanged for tokens, by an access token request (RFC 6749, section 4.1.3).
pub struct Exchange {
    /// What the person came back with.
    pub granted: GrantedCode,
    /// The attempt's.
    pub state: State,
    /// The attempt's (RFC 7636, section 4.5).
    pub verifier: CodeVerifier,
}

/// A code that a person came back with.
#[derive(Clone)]
pub struct GrantedCode {
    /// The code.
    pub code: AuthorizationCode,
    /// The device that the provider binds tokens to, where it names one.
    pub device_id: Option<DeviceId>,
}

/// The answer to one attempt.
pub enum Outcome {
    /// A code to exchange.
    Code(GrantedCode),
    /// The person said no.
    Denied,
    /// The provider could not go on.
    Failed(OAuthError),
}

/// An error by its name (RFC 6749, sections 4.1.2.1 and 5.2, and what providers add).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{name}")]
pub struct OAuthError {
    name: String,
}

/// Whom an error is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// Our registration, secret or request: an operator must act.
    OurApp,
    /// The provider is down or overloaded.
    Outage,
    /// The code, the person, or anything the provider has named otherwise.
    Other,
}

impl OAuthError {
    /// The longest name kept, in characters.
    const LONGEST: usize = 40;

    /// An error as its sender spells it. A log may carry the name: what is not a short word of
    /// lower-case letters, digits and underscores could be an echo, and becomes `unnamed`.
    pub fn new(name: &str) -> Self {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let plain = (1..=Self::LONGEST).contains(&name.len()) && name.bytes().all(is_plain);
        Self { name: if plain { name } else { "unnamed" }.to_owned() }
    }

    /// Whom it is about.
    pub fn kind(&self) -> ErrorKind {
        match self.name.as_str() {
            "invalid_client"
            | "invalid_request"
            | "invalid_scope"
            | "unauthorized_client"
            | "unsupported_grant_type"
            | "unsupported_response_type" => ErrorKind::OurApp,
            "server_error" | "service_unavailable" | "slow_down" | "temporarily_unavailable" => {
                ErrorKind::Outage
            }
            _ => ErrorKind::Other,
        }
    }
}

impl AuthorizationResponse {
    /// An answer to an attempt, from whoever sent it.
    pub fn new(state: State, outcome: Outcome) -> Self {
        Self { state, outcome, issuer: Ok(None) }
    }

    /// Reads a callback's query string, with a code of at most `longest_code` characters. `None` for
    /// anything that is not one answer to one attempt: a state that is missing, repeated or
    /// malformed; both a code and an error, or neither.
    pub fn read(params: &Params, longest_code: usize) -> Option<Self> {
        let state = State::parse(params.one("state").ok()??)?;
        let outcome = match (params.one("code").ok()?, params.one("error").ok()?) {
            (Some(code), None) if code.len() <= longest_code && is_code(code) => {
                Outcome::Code(GrantedCode { code: AuthorizationCode::new(code), device_id: None })
            }
            (None, Some("access_denied")) => Outcome::Denied,
            (None, Some(error)) if !error.is_empty() => Outcome::Failed(OAuthError::new(error)),
            _ => return None,
        };
        let issuer = params.one("iss").map(|issuer| issuer.map(str::to_owned));
        Some(Self { issuer, ..Self::new(state, outcome) })
    }

    /// What tells a repetition of this answer from another answer to the same attempt.
    pub fn digest(&self) -> AnswerDigest {
        match &self.outcome {
            Outcome::Code(granted) => AnswerDigest::new("code", granted.code.secret()),
            Outcome::Denied => AnswerDigest::new("error", "access_denied"),
            Outcome::Failed(error) => AnswerDigest::new("error", &error.name),
        }
    }

    /// Whether it may be this issuer's answer: it names this one, or nobody.
    pub fn may_be_from(&self, issuer: &str) -> bool {
        match &self.issuer {
            Ok(Some(named)) => named == issuer,
            Ok(None) => true,
            Err(_) => false,
        }
    }
}

/// Printable ASCII, one character or more (RFC 6749, appendix A.11).
pub(super) fn is_code(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// The longest token stored, in characters; VK's are 85 to over 200.
const LONGEST_TOKEN: usize = 2048;

/// Printable ASCII without spaces (RFC 6749, appendices A.12 and A.17, and what a header can carry).
fn is_token(value: &str) -> bool {
    (1..=LONGEST_TOKEN).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A token of an answer (RFC 6749, section 5.1); `None` for what is none, or cannot be stored.
pub(super) fn token_of(member: Option<Loose<Zeroizing<String>>>) -> Option<Zeroizing<String>> {
    member?.value().filter(|token| is_token(token))
}

/// When a token lapses that an answer at `now` gives so many seconds (RFC 6749, section 5.1: `expires_in`);
/// `None` for one that does not, which is how 0 and less are read.
pub(super) fn lapses_at(expires_in: Option<&Lenient>, now: Timestamp) -> Option<Timestamp> {
    let lifetime = SignedDuration::from_secs(expires_in?.number()?);
    lifetime.is_positive().then(|| now.saturating_add(lifetime).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn read(query: &str) -> Option<AuthorizationResponse> {
        AuthorizationResponse::read(&Params::parse(format!("state={STATE}{query}").as_bytes()), 10)
    }

    #[test]
    fn a_code_a_refusal_and_a_failure_are_distinguished() {
        assert!(
            matches!(read("&code=c").unwrap().outcome, Outcome::Code(granted) if granted.code.secret() == "c")
        );
        assert!(matches!(read("&error=access_denied").unwrap().outcome, Outcome::Denied));
        let failed = read("&error=anything&error_description=x").unwrap().outcome;
        assert!(matches!(failed, Outcome::Failed(error) if error.to_string() == "anything"));
    }

    #[test]
    fn what_is_not_one_answer_is_none() {
        for query in
            ["", "&code=", "&error=", "&code=c&error=e", "&code=c&code=c", "&code=%01", "&code=12345678901"]
        {
            assert!(read(query).is_none(), "{query}");
        }
        assert!(read(&format!("&state={STATE}&code=c")).is_none());
    }

    #[test]
    fn a_description_in_another_encoding_spoils_no_refusal() {
        let refusal =
            read("&error=access_denied&error_reason=user_denied&error_description=%CF%EE%EB%FC").unwrap();
        assert!(matches!(refusal.outcome, Outcome::Denied));
    }

    #[test]
    fn an_answer_is_anybodys_unless_it_names_somebody() {
        let names = |query: &str| read(&format!("&code=c{query}")).unwrap();
        assert!(names("").may_be_from("https://a.example"));
        assert!(names("&iss=https%3A%2F%2Fa.example").may_be_from("https://a.example"));
        for other in ["&iss=https%3A%2F%2Fb.example", "&iss=", "&iss=%FF", "&iss=a&iss=a"] {
            assert!(!names(other).may_be_from("https://a.example"), "{other}");
        }
    }

    #[test]
    fn an_error_tells_whom_it_is_about() {
        for ours in ["unauthorized_client", "invalid_scope", "invalid_request", "unsupported_response_type"] {
            assert_eq!(OAuthError::new(ours).kind(), ErrorKind::OurApp, "{ours}");
        }
        for outage in ["server_error", "temporarily_unavailable", "slow_down"] {
            assert_eq!(OAuthError::new(outage).kind(), ErrorKind::Outage, "{outage}");
        }
        assert_eq!(OAuthError::new("invalid_grant").kind(), ErrorKind::Other);
    }

    #[test]
    fn an_errors_name_is_kept_only_where_it_is_a_plain_word() {
        assert_eq!(OAuthError::new("unauthorized_client").to_string(), "unauthorized_client");
        for echo in ["", "vk1.a.canary", "canary canary", "CANARY", &"c".repeat(41)] {
            assert_eq!(OAuthError::new(echo).to_string(), "unnamed");
        }
    }
}
