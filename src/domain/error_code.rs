//! What can go wrong on the way to a connection, as the page's address names it.

/// The closed list of `/vk?error=<code>`. Nothing outside it is ever shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
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
    /// The person granted less than the product needs.
    PermissionMissing,
    /// The connection could not be stored.
    Storage,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 15] = [
        Self::InvalidState,
        Self::AttemptExpired,
        Self::AttemptUsed,
        Self::TooManyAttempts,
        Self::SessionExpired,
        Self::AccessDenied,
        Self::ProviderError,
        Self::ProviderUnavailable,
        Self::AppRejected,
        Self::TokenExchange,
        Self::NoToken,
        Self::Profile,
        Self::AccountUnavailable,
        Self::PermissionMissing,
        Self::Storage,
    ];

    /// The value in the query string.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidState => "invalid_state",
            Self::AttemptExpired => "attempt_expired",
            Self::AttemptUsed => "attempt_used",
            Self::TooManyAttempts => "too_many_attempts",
            Self::SessionExpired => "session_expired",
            Self::AccessDenied => "access_denied",
            Self::ProviderError => "provider_error",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::AppRejected => "app_rejected",
            Self::TokenExchange => "token_exchange",
            Self::NoToken => "no_token",
            Self::Profile => "profile",
            Self::AccountUnavailable => "account_unavailable",
            Self::PermissionMissing => "permission_missing",
            Self::Storage => "storage",
        }
    }

    /// The code of a query string's value, `None` for anything outside the list.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|candidate| candidate.code() == code)
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
            assert_eq!(ErrorCode::from_code(code.code()), Some(code));
        }
    }

    #[test]
    fn what_is_not_on_the_list_is_no_code() {
        for forged in ["", "zzz", "<script>", "INVALID_STATE", "invalid_state "] {
            assert_eq!(ErrorCode::from_code(forged), None);
        }
    }
}
