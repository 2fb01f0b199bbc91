//! The places a merchant can connect an account of.

use strum::VariantArray;

/// A place goods are copied to or from. Routes, tables, pages and the sweep know it by its key, a
/// variant's name in snake case; everything else about it is in its folder of
/// [`providers`](crate::providers).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, strum::EnumString, strum::IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Provider {
    /// Evotor, the cash registers that goods come from.
    Evotor,
    /// VK, whose communities they are copied to.
    Vk,
}

impl Provider {
    /// Every provider, in the order the dashboard shows them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name in routes, tables and logs.
    pub fn key(self) -> &'static str {
        self.into()
    }

    /// The provider of a key, `None` for one this build does not know.
    pub fn from_key(key: &str) -> Option<Self> {
        key.parse().ok()
    }

    /// The page of the connection.
    pub fn page_path(self) -> String {
        format!("/{}", self.key())
    }

    /// Where the provider sends the person back. Each provider has a path of its own, so that an
    /// answer of one is never taken for another's (RFC 9700, section 2.1).
    pub fn callback_path(self) -> String {
        format!("/{}/callback", self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_has_the_key_and_the_paths_of_the_contract() {
        assert_eq!(Provider::from_key("evotor"), Some(Provider::Evotor));
        assert_eq!(Provider::Evotor.callback_path(), "/evotor/callback");
        assert_eq!(Provider::Vk.key(), "vk");
        assert_eq!(Provider::from_key("vk"), Some(Provider::Vk));
        assert_eq!(Provider::from_key("VK"), None);
        assert_eq!(Provider::Vk.page_path(), "/vk");
        assert_eq!(Provider::Vk.callback_path(), "/vk/callback");
    }
}
