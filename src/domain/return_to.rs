//! Where a person returns to after signing in.

use super::{ErrorCode, Provider};

/// Where sign-in may lead back to. A closed set, so that there is no open redirect: no address from
/// outside is ever followed (RFC 9700, section 4.11.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReturnTo {
    /// The dashboard.
    #[default]
    Connections,
    /// A provider's page.
    Provider(Provider),
    /// A provider's page that says why connecting failed.
    ProviderError(Provider, ErrorCode),
}

impl ReturnTo {
    /// The name in the cookie and in the pending sign-in's row.
    pub fn key(self) -> String {
        match self {
            Self::Connections => "connections".to_owned(),
            Self::Provider(provider) => provider.key().to_owned(),
            Self::ProviderError(provider, code) => format!("{}.{}", provider.key(), code.code()),
        }
    }

    /// The place of a key; anything unknown leads to the dashboard.
    pub fn from_key(key: &str) -> Self {
        let (provider, code) = key.split_once('.').map_or((key, None), |(head, tail)| (head, Some(tail)));
        match (Provider::from_key(provider), code) {
            (Some(provider), None) => Self::Provider(provider),
            (Some(provider), Some(code)) => ErrorCode::from_code(code)
                .map_or(Self::Provider(provider), |code| Self::ProviderError(provider, code)),
            (None, _) => Self::Connections,
        }
    }

    /// The address to answer with.
    pub fn path(self) -> String {
        match self {
            Self::Connections => "/connections".to_owned(),
            Self::Provider(provider) => provider.page_path(),
            Self::ProviderError(provider, code) => format!("{}?error={}", provider.page_path(), code.code()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_the_cookie() {
        let places = [
            ReturnTo::Connections,
            ReturnTo::Provider(Provider::Vk),
            ReturnTo::ProviderError(Provider::Vk, ErrorCode::SessionExpired),
        ];
        for place in places {
            assert_eq!(ReturnTo::from_key(&place.key()), place);
        }
    }

    #[test]
    fn a_forged_place_leads_to_a_known_one() {
        for forged in ["//evil.example", "https:evil", "\\evil", "", "vk.zzz", "evil.access_denied"] {
            assert!(["/connections", "/vk"].contains(&ReturnTo::from_key(forged).path().as_str()));
        }
    }
}
