//! The address a person is sent to at VK.

use url::Url;

use super::config::AuthorizeConfig;
use crate::domain::Scopes;
use crate::providers::Authorize;
use crate::providers::oauth::{AuthorizationRequest, Device};

/// Builds authorize URLs of the classic flow (VK: "Authorization Code Flow for user access token").
pub(super) struct ClassicAuthorize {
    pub(super) config: AuthorizeConfig,
    pub(super) redirect_uri: String,
}

/// Builds authorize URLs of VK ID, with PKCE.
pub(super) struct VkIdAuthorize {
    pub(super) authorize_url: Url,
    pub(super) client_id: String,
    pub(super) scopes: Scopes,
    pub(super) redirect_uri: String,
}

impl Authorize for ClassicAuthorize {
    fn url(&self, request: &AuthorizationRequest<'_>) -> String {
        let mut url = self.config.authorize_url.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("scope", &self.config.scopes)
            .append_pair("state", request.state.secret())
            .append_pair("display", display(request.device))
            .append_pair("v", &self.config.api_version);
        if self.config.always_asks {
            url.query_pairs_mut().append_pair("revoke", "1");
        }
        url.into()
    }
}

impl Authorize for VkIdAuthorize {
    fn url(&self, request: &AuthorizationRequest<'_>) -> String {
        let mut url = self.authorize_url.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &self.scopes.to_string())
            .append_pair("state", request.state.secret())
            .append_pair("code_challenge", &request.verifier.challenge())
            .append_pair("code_challenge_method", "S256");
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
