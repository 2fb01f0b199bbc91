//! The address a person is sent to at VK.

use crate::config::{BaseUrl, VkAuthorization};
use crate::domain::{Provider, State};

/// Builds authorize URLs of the classic flow (VK: "Authorization Code Flow for user access token").
pub struct Authorization {
    config: VkAuthorization,
    redirect_uri: String,
}

/// How VK draws its page (`display`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Display {
    /// A full page.
    Page,
    /// A page for phones.
    Mobile,
}

impl Display {
    fn value(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Mobile => "mobile",
        }
    }
}

impl Authorization {
    /// Authorisation for an application whose registered redirect URI is `{base}/vk/callback`.
    pub fn new(config: VkAuthorization, base: &BaseUrl) -> Self {
        Self { config, redirect_uri: base.join(Provider::Vk.callback_path()) }
    }

    /// The address for one attempt.
    pub fn url(&self, state: &State, display: Display) -> String {
        let mut url = self.config.authorize_url.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("scope", &self.config.scopes)
            .append_pair("state", state.secret())
            .append_pair("display", display.value())
            .append_pair("v", &self.config.api_version);
        url.into()
    }
}
