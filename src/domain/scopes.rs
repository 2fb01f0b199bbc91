//! Access rights.

use std::collections::BTreeSet;
use std::fmt;

/// A set of access rights, by the names that the provider gives them (RFC 6749, section 3.3).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Reads names that are separated by spaces or commas.
    pub fn parse(text: &str) -> Self {
        text.split([' ', ',']).filter(|name| !name.is_empty()).collect()
    }

    /// Whether all of `needed` are among these.
    pub fn cover(&self, needed: &Self) -> bool {
        needed.0.is_subset(&self.0)
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<'a> FromIterator<&'a str> for Scopes {
    fn from_iter<T: IntoIterator<Item = &'a str>>(names: T) -> Self {
        Self(names.into_iter().map(str::to_owned).collect())
    }
}

/// The names, separated by spaces.
impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(formatter, "{space}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_a_set_however_they_are_written() {
        let scopes = Scopes::parse("market groups");
        assert_eq!(scopes, Scopes::parse(" groups,market market"));
        assert_eq!(scopes.to_string(), "groups market");
        assert_eq!(Scopes::parse(&scopes.to_string()), scopes);
    }

    #[test]
    fn scopes_cover_what_is_among_them() {
        assert!(Scopes::parse("market groups").cover(&Scopes::parse("groups")));
        assert!(Scopes::parse("market").cover(&Scopes::default()));
        assert!(!Scopes::parse("market").cover(&Scopes::parse("market groups")));
    }
}
