//! What VK sent the person back with.

use evosync_connections::domain::State;
use evosync_connections::domain::secret::AuthorizationCode;
use evosync_connections::web::params;
use lambda_http::Request;

/// The longest code accepted, in characters; VK's are under 30.
const MAX_CODE: usize = 512;

/// An authorization response (RFC 6749, sections 4.1.2 and 4.1.2.1).
pub(crate) struct Reply {
    pub(crate) state: State,
    pub(crate) outcome: Outcome,
}

pub(crate) enum Outcome {
    /// A code to exchange.
    Code(AuthorizationCode),
    /// The person said no.
    Refused,
    /// VK could not go on, whatever it calls the reason.
    Failed,
}

impl Reply {
    /// Reads a callback. `None` for anything that is not one answer to one attempt: a state that is
    /// missing, repeated or malformed; both a code and an error, or neither.
    pub(crate) fn read(request: &Request) -> Option<Self> {
        let params = params(request).ok()?;
        let state = State::parse(params.one("state").ok()??)?;
        let outcome = match (params.one("code").ok()?, params.one("error").ok()?) {
            (Some(code), None) if is_code(code) => Outcome::Code(AuthorizationCode::new(code)),
            (None, Some("access_denied")) => Outcome::Refused,
            (None, Some(error)) if !error.is_empty() => Outcome::Failed,
            _ => return None,
        };
        Some(Self { state, outcome })
    }
}

fn is_code(value: &str) -> bool {
    (1..=MAX_CODE).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic())
}
