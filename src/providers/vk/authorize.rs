//! The address a person is sent to at VK.

use super::config::AuthorizeConfig;
use crate::domain::State;
use crate::providers::{Authorize, Device};

/// Builds authorize URLs of the classic flow (VK: "Authorization Code Flow for user access token").
pub(super) struct VkAuthorize {
    config: AuthorizeConfig,
    redirect_uri: String,
}

impl VkAuthorize {
    pub(super) fn new(config: AuthorizeConfig, redirect_uri: String) -> Self {
        Self { config, redirect_uri }
    }
}

impl Authorize for VkAuthorize {
    fn url(&self, state: &State, device: Device) -> String {
        let mut url = self.config.authorize_url.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("scope", &self.config.scopes)
            .append_pair("state", state.secret())
            .append_pair("display", display(device))
            .append_pair("v", &self.config.api_version);
        url.into()
    }
}

/// How VK draws its page.
fn display(device: Device) -> &'static str {
    match device {
        Device::Desktop => "page",
        Device::Phone => "mobile",
    }
}
