//! Access rights as VK counts them.

/// Bits of VK's rights ("Access Permissions for User Token"), by scope name.
const BITS: [(&str, u32); 10] = [
    ("friends", 1 << 1),
    ("photos", 1 << 2),
    ("wall", 1 << 13),
    ("offline", 1 << 16),
    ("docs", 1 << 17),
    ("groups", 1 << 18),
    ("notifications", 1 << 19),
    ("stats", 1 << 20),
    ("email", 1 << 22),
    ("market", 1 << 27),
];

/// Without these two a token still works: its expiry is stored, and an e-mail address is not used.
const DISPENSABLE: u32 = (1 << 16) | (1 << 22);

/// A set of rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Permissions(u32);

impl Permissions {
    /// The rights a token needs so that the asked scopes can be used. Accepts VK's three ways of
    /// writing them: names separated by spaces, by commas, or a bit mask. Names without a known bit
    /// cannot be verified and are left out.
    pub(super) fn needed(scopes: &str) -> Self {
        let mask: u32 = scopes.trim().parse().unwrap_or_else(|_| {
            let names = scopes.split([' ', ',']);
            names
                .filter_map(|name| BITS.iter().find(|(known, _)| *known == name))
                .fold(0, |mask, (_, bit)| mask | bit)
        });
        Self(mask & !DISPENSABLE)
    }

    /// The rights of a mask that VK reports.
    pub(super) fn granted(mask: u32) -> Self {
        Self(mask)
    }

    /// Whether all of `needed` are among these.
    pub(super) fn cover(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_ways_of_writing_scopes_mean_the_same() {
        let names = Permissions::needed("market groups offline");
        assert_eq!(names, Permissions::needed("market,groups,offline"));
        assert_eq!(names, Permissions::needed("134545408"));
    }

    #[test]
    fn a_scope_named_twice_is_needed_once() {
        assert_eq!(Permissions::needed("market market"), Permissions::needed("market"));
    }

    #[test]
    fn a_token_without_the_right_to_goods_is_not_enough() {
        let needed = Permissions::needed("market groups offline");
        assert!(Permissions::granted(134_545_408).cover(needed));
        assert!(!Permissions::granted(262_144).cover(needed));
    }

    #[test]
    fn a_token_that_expires_is_enough() {
        let needed = Permissions::needed("market groups offline");
        assert!(Permissions::granted(134_217_728 | 262_144).cover(needed));
    }
}
