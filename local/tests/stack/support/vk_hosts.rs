//! Hosts that VK could be at, and every call the product makes to them, through the doors of its provider.

use std::collections::HashMap;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use evosync_connections::config::Env;
use evosync_connections::domain::secret::{
    AccessToken, AuthorizationCode, CodeVerifier, DeviceId, RefreshToken,
};
use evosync_connections::domain::{Liveness, State, TokenSet};
use evosync_connections::http_client::Limits;
use evosync_connections::platform::Platform;
use evosync_connections::providers::oauth::{Exchange, GrantedCode};
use evosync_connections::providers::{Grant, Refusal, Renewal, Revoked, Subject, vk};
use serde_json::json;

use super::{Host, TestStack};

/// Hosts that have all of VK's endpoints.
pub(crate) struct VkHost;

impl VkHost {
    /// A host that answers well.
    pub(crate) async fn start() -> Host {
        Host::start(good_answer).await
    }

    /// A host that redirects every request to the same path of another one.
    pub(crate) async fn redirecting(status: StatusCode, to: &Host) -> Host {
        let to = to.url.clone();
        let redirect = move |uri: &str| (status, [(header::LOCATION, format!("{to}{uri}"))]).into_response();
        Host::start(redirect).await
    }

    /// A host called `localhost` that answers well, over TLS; and the root, known to nobody, that certifies it.
    pub(crate) async fn certified_privately() -> (Host, String) {
        Host::certified_privately(good_answer).await
    }
}

fn good_answer(uri: &str) -> Response {
    let body = match uri.split('?').next().unwrap_or_default() {
        "/method/users.get" => json!({ "response": [{ "id": 42 }] }),
        "/method/account.getAppPermissions" => json!({ "response": 134_545_408 }),
        "/access_token" => json!({ "access_token": "token", "user_id": 42, "expires_in": 0 }),
        "/oauth2/auth" => json!({
            "access_token": "new-token",
            "refresh_token": "new-refresh-token",
            "expires_in": 3_600,
            "user_id": 42,
            "scope": "groups market",
        }),
        "/oauth2/logout" | "/oauth2/revoke" => json!({ "response": 1 }),
        _ => json!({}),
    };
    body.to_string().into_response()
}

/// The product, as far as it calls VK. Its secrets are those of a stack.
pub(crate) struct VkCaller {
    test: TestStack,
    variables: HashMap<String, String>,
}

impl VkCaller {
    /// A caller whose VK, of both flows, is at an address.
    pub(crate) async fn of(vk: &str) -> Self {
        let variables = [
            ("BASE_URL", "http://localhost:3000".to_owned()),
            ("VK_CLIENT_ID", "7".to_owned()),
            ("VK_CLIENT_SECRET_ID", "local/vk-client-secret".to_owned()),
            ("VK_SERVICE_TOKEN_ID", "local/vk-service-token".to_owned()),
            ("VK_API_URL", format!("{vk}/method")),
            ("VK_TOKEN_URL", format!("{vk}/access_token")),
            ("VK_ID_URL", vk.to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Self { test: TestStack::start().await, variables }
    }

    /// The same caller with another variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// What the caller runs on.
    pub(crate) fn platform(&self) -> Platform {
        self.test.platform()
    }

    /// The caller's variables.
    pub(crate) fn env(&self) -> Env {
        Env::of_map(self.variables.clone())
    }

    fn env_with(&self, name: &str, value: &str) -> Env {
        let mut variables = self.variables.clone();
        variables.insert(name.to_owned(), value.to_owned());
        Env::of_map(variables)
    }

    /// Asks the API whether a token lives.
    pub(crate) async fn check(&self) -> Liveness {
        let check = vk::check_within(&self.env(), Limits::default()).unwrap();
        let subject = Subject { tokens: tokens(), account_id: "42".to_owned(), scopes: None };
        check.check(subject).await.liveness
    }

    /// Exchanges a code under a flow, and reads whose the tokens are.
    pub(crate) async fn redeem(&self, flow: &str) -> Result<Grant, Refusal> {
        let env = self.env_with("VK_FLOW", flow);
        let redeem = vk::redeem(&env, &self.platform(), &env.base_url().unwrap()).unwrap().unwrap();
        let granted =
            GrantedCode { code: AuthorizationCode::new("code"), device_id: Some(DeviceId::new("device")) };
        let exchange =
            Exchange { granted, state: State::new([7; 32]), verifier: CodeVerifier::new("verifier") };
        redeem.redeem(exchange).await
    }

    /// Spends a refresh token.
    pub(crate) async fn renew(&self) -> Renewal {
        let renew = vk::renew(&self.env(), &self.platform()).unwrap().unwrap();
        renew.prepare().await.unwrap();
        renew.renew(tokens()).await
    }

    /// Ends what tokens of a removed connection are good for, to an extent (`VK_REVOKE`).
    pub(crate) async fn revoke(&self, extent: &str) -> Revoked {
        let env = self.env_with("VK_REVOKE", extent);
        vk::revoke(&env, &self.platform()).unwrap().unwrap().revoke(tokens()).await
    }

    /// Gives back tokens that were not saved.
    pub(crate) async fn log_out(&self) {
        vk::renew(&self.env(), &self.platform()).unwrap().unwrap().discard(tokens()).await;
    }
}

fn tokens() -> TokenSet {
    let (access, refresh) = (AccessToken::new("token"), RefreshToken::new("refresh-token"));
    TokenSet::renewable(access, refresh, Some(DeviceId::new("device")))
}
