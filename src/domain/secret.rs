//! Values that must not leak: they print as `[redacted]`, cannot be compared by accident, and are
//! wiped from memory when dropped.

/// Declares a secret string type.
macro_rules! secret_string {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        pub struct $name(String);

        impl $name {
            /// Takes the value into the secret type.
            pub fn new(value: impl Into<String>) -> Self {
                Self(value.into())
            }

            /// The value itself, for the one place that must send or seal it.
            pub fn secret(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    };
}

secret_string! {
    /// A provider's access token (RFC 6749, section 1.4). VK's are opaque, 85 to over 200 characters.
    AccessToken
}
secret_string! {
    /// Exchanged for new access tokens (RFC 6749, section 1.5). VK ID's are used once.
    RefreshToken
}
secret_string! {
    /// The device that VK ID bound a token to; a refresh must name it.
    DeviceId
}
secret_string! {
    /// A one-time code that a provider hands over for a token (RFC 6749, section 1.3.1).
    AuthorizationCode
}
secret_string! {
    /// What proves that whoever exchanges a code began the attempt (RFC 7636, section 4.1).
    CodeVerifier
}
secret_string! {
    /// The secret an application proves itself with (RFC 6749, section 2.3.1).
    ClientSecret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_wiped_when_dropped() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
        is_wiped::<AccessToken>();
        is_wiped::<RefreshToken>();
        is_wiped::<AuthorizationCode>();
        is_wiped::<CodeVerifier>();
        is_wiped::<ClientSecret>();
        is_wiped::<crate::domain::State>();
    }

    #[test]
    fn a_secret_never_prints_its_value() {
        let token = AccessToken::new("vk1.a.canary");
        assert_eq!(format!("{token:?}"), "AccessToken([redacted])");
        assert_eq!(token.secret(), "vk1.a.canary");
    }
}
