//! Access rights as VK names and counts them.

use crate::domain::Scopes;

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

/// Without these a token still works: its expiry is stored, and what VK tells of the person is not used.
const DISPENSABLE: [&str; 4] = ["offline", "email", "phone", "vkid.personal_info"];

/// The rights to ask for. Accepts VK's three ways of writing them: names separated by spaces, by commas,
/// or a bit mask.
pub(super) fn asked(text: &str) -> Scopes {
    text.trim().parse().map_or_else(|_| Scopes::parse(text), of_mask)
}

/// The rights a token needs so that those asked for can be used.
pub(super) fn needed(asked: &Scopes) -> Scopes {
    asked.iter().filter(|name| !DISPENSABLE.contains(name)).collect()
}

/// Those of the rights that a bit mask can hold. Others cannot be verified where VK reports a mask.
pub(super) fn countable(scopes: &Scopes) -> Scopes {
    scopes.iter().filter(|name| BITS.iter().any(|(known, _)| known == name)).collect()
}

/// The rights of a mask that VK reports. Bits that stand for no right we know are left out.
pub(super) fn of_mask(mask: u32) -> Scopes {
    BITS.iter().filter(|(_, bit)| mask & bit != 0).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_ways_of_writing_scopes_mean_the_same() {
        let names = asked("market groups offline");
        assert_eq!(names, asked("market,groups,offline"));
        assert_eq!(names, asked("134545408"));
        assert_eq!(names.to_string(), "groups market offline");
    }

    #[test]
    fn a_token_without_the_right_to_goods_is_not_enough() {
        let needed = needed(&asked("market groups offline"));
        assert!(of_mask(134_545_408).cover(&needed));
        assert!(!of_mask(262_144).cover(&needed));
    }

    #[test]
    fn a_token_that_expires_is_enough() {
        let needed = needed(&asked("market groups offline"));
        assert!(of_mask(134_217_728 | 262_144).cover(&needed));
    }

    #[test]
    fn what_no_mask_can_hold_is_not_asked_of_one() {
        let needed = needed(&asked("market groups vkid.personal_info stories"));
        assert_eq!(needed.to_string(), "groups market stories");
        assert_eq!(countable(&needed).to_string(), "groups market");
    }
}
