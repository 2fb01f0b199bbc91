//! The places a merchant can connect an account of.

/// A place goods are copied to. Routes, tables, pages and the sweep know it by its key; everything
/// else about it lives in the provider's own module.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Provider {
    /// VK, a community's goods.
    Vk,
}

impl Provider {
    /// Every provider, in the order the dashboard shows them.
    pub const ALL: &'static [Self] = &[Self::Vk];

    /// The name in tables, templates and logs.
    pub fn key(self) -> &'static str {
        match self {
            Self::Vk => "vk",
        }
    }

    /// The provider of a table's key, `None` for one this build does not know.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|provider| provider.key() == key)
    }

    /// The page of the connection.
    pub fn page_path(self) -> &'static str {
        match self {
            Self::Vk => "/vk",
        }
    }

    /// Where the provider sends the person back. Each provider has a path of its own, so that an
    /// answer of one is never taken for another's (RFC 9700, section 2.1).
    pub fn callback_path(self) -> &'static str {
        match self {
            Self::Vk => "/vk/callback",
        }
    }
}
