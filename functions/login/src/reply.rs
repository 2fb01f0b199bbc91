//! What the issuer sent the person back with.

use evosync_connections::domain::State;
use evosync_connections::domain::secret::AuthorizationCode;
use evosync_connections::web::params;
use lambda_http::Request;

/// The longest code accepted, in characters. Issuers' codes differ widely, but fit an address.
const MAX_CODE: usize = 2048;

/// An authentication response (OpenID Connect Core 1.0, section 3.1.2.5).
pub(crate) struct Reply {
    pub(crate) state: State,
    /// `None` where the issuer sent an error.
    pub(crate) code: Option<AuthorizationCode>,
    /// Who says they answer (RFC 9207, section 2), where they say.
    pub(crate) issuer: Option<String>,
}

impl Reply {
    /// Reads a callback. `None` for anything that is not one answer to one question.
    pub(crate) fn read(request: &Request) -> Option<Self> {
        let params = params(request).ok()?;
        let state = State::parse(params.one("state").ok()??)?;
        let code = match (params.one("code").ok()?, params.one("error").ok()?) {
            (Some(code), None) if (1..=MAX_CODE).contains(&code.len()) => Some(AuthorizationCode::new(code)),
            (None, Some(_)) => None,
            _ => return None,
        };
        let issuer = params.one("iss").ok()?.map(str::to_owned);
        Some(Self { state, code, issuer })
    }
}
