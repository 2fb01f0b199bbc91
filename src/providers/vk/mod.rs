//! VK: its classic OAuth flow and the part of its API the product uses.
//!
//! | file | what it is |
//! | --- | --- |
//! | `authorize` | [`Authorize`]: the address a person is sent to |
//! | `redeem` | [`Redeem`]: from a code to an account the product can work with |
//! | `check` | [`Check`]: whether a token still lives |
//! | `words` | [`Words`]: what pages say of VK |
//! | `token` | the token endpoint |
//! | `api`, `verdict`, `scopes` | the API, what its error codes mean, rights as VK counts them |
//! | `config` | VK's variables |
//!
//! The classic flow has no PKCE: VK answers a `code_challenge` with an error. What stands in its
//! place is the state, bound to session and person and spent before the code is used.

mod api;
mod authorize;
mod check;
mod config;
mod lenient;
mod redeem;
mod scopes;
mod token;
mod verdict;
mod words;

use super::{Authorize, Built, Check, Redeem, Words};
use crate::config::{BaseUrl, ConfigError, Env};
use crate::domain::Provider;
use crate::http_client::{ClientError, HttpClient, Limits};
use crate::platform::Platform;
use api::Api;
use config::{ApiConfig, AuthorizeConfig, TokenConfig};

const EXTRA_CA: &str = "VK_EXTRA_CA";

/// VK's words.
pub fn words() -> Option<&'static Words> {
    Some(&words::WORDS)
}

/// VK's authorize page.
pub fn authorize(env: &Env, base: &BaseUrl) -> Built<dyn Authorize> {
    let config = AuthorizeConfig::read(env)?;
    Ok(Some(Box::new(authorize::VkAuthorize::new(config, redirect_uri(base)))))
}

/// VK's token endpoint and API, for an application whose registered redirect URI is
/// `{base}/vk/callback`.
pub fn redeem(env: &Env, platform: &Platform, base: &BaseUrl) -> Built<dyn Redeem> {
    let http = http_client(env, Limits::default())?;
    let endpoint =
        token::TokenEndpoint::new(platform, http.clone(), TokenConfig::read(env)?, redirect_uri(base));
    let api = Api::new(http, ApiConfig::read(env)?);
    Ok(Some(Box::new(redeem::VkRedeem::new(platform, endpoint, api, &config::scopes(env)?))))
}

/// VK's API, for many checks one after the other.
pub fn check(env: &Env, _platform: &Platform) -> Built<dyn Check> {
    check_within(env, Limits { reuse: true, ..Limits::default() }).map(Some)
}

/// VK's API, with other time-outs.
pub fn check_within(env: &Env, limits: Limits) -> Result<Box<dyn Check>, ConfigError> {
    Ok(Box::new(Api::new(http_client(env, limits)?, ApiConfig::read(env)?)))
}

fn redirect_uri(base: &BaseUrl) -> String {
    base.join(&Provider::Vk.callback_path())
}

/// A client for VK's hosts, which trusts `VK_EXTRA_CA` beside the system's roots.
fn http_client(env: &Env, limits: Limits) -> Result<HttpClient, ConfigError> {
    HttpClient::new(limits, env.pem(EXTRA_CA)?.as_deref()).map_err(|error| match error {
        ClientError::Certificate => ConfigError::bad_pem(EXTRA_CA),
        ClientError::Tls => ConfigError::Tls(error),
    })
}
