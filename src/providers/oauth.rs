//! What every provider has in common that speaks OAuth 2.0.

use crate::domain::State;
use crate::domain::secret::AuthorizationCode;
use crate::params::Params;

/// What a person comes back with: an authorization response (RFC 6749, sections 4.1.2 and 4.1.2.1).
pub struct AuthorizationResponse {
    /// Names the attempt that is answered.
    pub state: State,
    /// What the answer is.
    pub outcome: Outcome,
    /// Who says they answer (RFC 9207, section 2), where they say.
    pub issuer: Option<String>,
}

/// The answer to one attempt.
pub enum Outcome {
    /// A code to exchange.
    Code(AuthorizationCode),
    /// The person said no.
    Denied,
    /// The provider could not go on, whatever it calls the reason.
    Failed,
}

impl AuthorizationResponse {
    /// Reads a callback's query string, with a code of at most `longest_code` characters. `None` for
    /// anything that is not one answer to one attempt: a state that is missing, repeated or
    /// malformed; both a code and an error, or neither.
    pub fn read(params: &Params, longest_code: usize) -> Option<Self> {
        let state = State::parse(params.one("state").ok()??)?;
        let outcome = match (params.one("code").ok()?, params.one("error").ok()?) {
            (Some(code), None) if code.len() <= longest_code && is_code(code) => {
                Outcome::Code(AuthorizationCode::new(code))
            }
            (None, Some("access_denied")) => Outcome::Denied,
            (None, Some(error)) if !error.is_empty() => Outcome::Failed,
            _ => return None,
        };
        let issuer = params.one("iss").ok()?.map(str::to_owned);
        Some(Self { state, outcome, issuer })
    }
}

/// Printable ASCII, one character or more (RFC 6749, appendix A.11).
fn is_code(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn read(query: &str) -> Option<AuthorizationResponse> {
        AuthorizationResponse::read(&Params::parse(&format!("state={STATE}{query}")).unwrap(), 10)
    }

    #[test]
    fn a_code_a_refusal_and_a_failure_are_told_apart() {
        assert!(matches!(read("&code=c").unwrap().outcome, Outcome::Code(code) if code.secret() == "c"));
        assert!(matches!(read("&error=access_denied").unwrap().outcome, Outcome::Denied));
        assert!(matches!(read("&error=anything&error_description=x").unwrap().outcome, Outcome::Failed));
    }

    #[test]
    fn what_is_not_one_answer_is_none() {
        for query in
            ["", "&code=", "&error=", "&code=c&error=e", "&code=c&code=c", "&code=%01", "&code=12345678901"]
        {
            assert!(read(query).is_none(), "{query}");
        }
        assert!(read(&format!("&state={STATE}&code=c")).is_none());
        assert!(read("&code=c&iss=a&iss=b").is_none());
    }

    #[test]
    fn whoever_says_who_they_are_is_quoted() {
        assert_eq!(read("&code=c&iss=https%3A%2F%2Fa.example").unwrap().issuer.unwrap(), "https://a.example");
        assert_eq!(read("&code=c").unwrap().issuer, None);
    }
}
