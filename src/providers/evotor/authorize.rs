//! The address a person is sent to at Evotor.

use url::Url;

use crate::providers::Authorize;
use crate::providers::oauth::AuthorizationRequest;

/// Builds authorize URLs (RFC 6749, section 4.1.1). Rights are fixed with the application, and PKCE is not
/// documented.
pub(super) struct EvotorAuthorize {
    pub(super) authorize_url: Url,
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) may_lose_state: bool,
}

impl Authorize for EvotorAuthorize {
    fn url(&self, request: &AuthorizationRequest<'_>) -> String {
        let mut url = self.authorize_url.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("state", request.state.secret());
        url.into()
    }

    fn may_lose_state(&self) -> bool {
        self.may_lose_state
    }
}
