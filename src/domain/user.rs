//! Who a connection belongs to.

use std::fmt;

/// A merchant, named by the sign-in's user claim (`sub` unless configured otherwise).
///
/// 1 to 255 bytes without control characters: OpenID Connect Core 1.0, section 2, bounds `sub` at
/// 255 ASCII characters; other claims are held to the same length.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UserId(String);

impl UserId {
    /// The longest identifier accepted, in bytes.
    pub const MAX_LEN: usize = 255;

    /// Accepts an identifier within the bounds, `None` for any other.
    pub fn parse(value: &str) -> Option<Self> {
        let within = (1..=Self::MAX_LEN).contains(&value.len());
        (within && !value.chars().any(char::is_control)).then(|| Self(value.to_owned()))
    }

    /// The identifier as the tables hold it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_bounded_and_printable() {
        assert!(UserId::parse("auth0|7b1c").is_some());
        assert!(UserId::parse(&"u".repeat(255)).is_some());
        assert!(UserId::parse("").is_none());
        assert!(UserId::parse(&"u".repeat(256)).is_none());
        assert!(UserId::parse("line\nbreak").is_none());
    }
}
