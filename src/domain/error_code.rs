//! What can go wrong on the way to a connection, as the page's address names it.

use strum::VariantArray;

/// The closed list of `/vk?error=<code>`, where the code is a variant's name in snake case. Nothing
/// outside it is ever shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, strum::EnumString, strum::IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ErrorCode {
    /// The callback's state is missing, malformed, unknown, or of another session, person or provider.
    InvalidState,
    /// The attempt's ten minutes have passed.
    AttemptExpired,
    /// The attempt has been finished before.
    AttemptUsed,
    /// More attempts in a minute than a person makes.
    TooManyAttempts,
    /// The person signed out, or the session ran out, while at the provider.
    SessionExpired,
    /// The person refused at the provider.
    AccessDenied,
    /// The provider sent the person back with another error.
    ProviderError,
    /// The provider could not be reached or did not answer sensibly.
    ProviderUnavailable,
    /// The provider refuses our application: wrong secret, blocked, or misconfigured.
    AppRejected,
    /// The provider refused to exchange the code, usually because it had expired.
    TokenExchange,
    /// The provider's answer had no token.
    NoToken,
    /// The token's owner could not be read, or is not who the provider said.
    Profile,
    /// The account is banned, deleted or deactivated.
    AccountUnavailable,
    /// The provider wants the person to confirm something on its own pages first.
    ActionRequired,
    /// The person granted less than the product needs.
    PermissionMissing,
    /// The connection could not be stored.
    Storage,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The value in the query string.
    pub fn code(self) -> &'static str {
        self.into()
    }

    /// The code of a query string's value, `None` for anything outside the list.
    pub fn from_code(code: &str) -> Option<Self> {
        code.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct_and_read_back() {
        let codes: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(code.code()), Some(*code));
        }
    }

    #[test]
    fn what_is_not_on_the_list_is_no_code() {
        for forged in ["", "zzz", "<script>", "INVALID_STATE", "invalid_state "] {
            assert_eq!(ErrorCode::from_code(forged), None);
        }
    }
}
