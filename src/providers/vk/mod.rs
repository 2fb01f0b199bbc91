//! VK: its two OAuth flows and the part of its API the product uses.
//!
//! | file | what it is |
//! | --- | --- |
//! | `authorize` | [`Authorize`]: the address a person is sent to |
//! | `redeem` | [`Redeem`]: from a code to an account the product can work with |
//! | `check` | [`Check`]: whether a token still lives |
//! | `renew` | [`Renew`]: new tokens for old ones |
//! | `revoke` | [`Revoke`]: the end of what tokens are good for |
//! | `words` | [`Words`]: what pages say of VK |
//! | `classic`, `vk_id` | the endpoints of the two flows |
//! | `token_answer` | what their token endpoints answer |
//! | `api`, `verdict`, `scopes` | the API, what its error codes mean, rights as VK names and counts them |
//! | `config` | VK's variables |
//!
//! `VK_FLOW` says under which flow new connections are made; those made under the other live on beside them.
//! The classic flow has no PKCE: VK answers a `code_challenge` with an error. What stands in its
//! place is the state, bound to session and person and spent before the code is used. Only VK ID's tokens
//! can be renewed, and a set of tokens with a refresh token is VK ID's.

mod api;
mod authorize;
mod check;
mod classic;
mod config;
mod redeem;
mod renew;
mod revoke;
mod scopes;
mod token_answer;
mod verdict;
mod vk_id;
mod words;

use std::time::Duration;

use super::{Authorize, Built, Check, Redeem, Renew, Revoke, Words, lenient};
use crate::config::{BaseUrl, ConfigError, Env};
use crate::domain::{Provider, Scopes};
use crate::http_client::{HttpClient, Limits};
use crate::platform::Platform;
use api::Api;
use config::{ApiConfig, AuthorizeConfig, Flow, TokenConfig, VkIdApp, VkIdConfig};
use redeem::RedeemFlow;
use vk_id::{VkIdEndpoint, VkIdSessions};

const EXTRA_CA: &str = "VK_EXTRA_CA";

/// VK's words.
pub fn words() -> Option<&'static Words> {
    Some(&words::WORDS)
}

/// How long VK may take over a renewal. Its answer is worth waiting for: the refresh token is spent, whether
/// the answer comes or not.
const RENEWAL_WITHIN: Duration = Duration::from_secs(20);

/// VK's authorize page.
pub fn authorize(env: &Env, base: &BaseUrl) -> Built<dyn Authorize> {
    let redirect_uri = redirect_uri(base);
    Ok(Some(match config::flow(env)? {
        Flow::Classic => {
            Box::new(authorize::ClassicAuthorize { config: AuthorizeConfig::read(env)?, redirect_uri })
        }
        Flow::VkId => Box::new(authorize::VkIdAuthorize {
            authorize_url: config::vk_id_authorize_url(env)?,
            client_id: env.required("VK_CLIENT_ID")?,
            scopes: scopes::asked(&config::scopes(env)?),
            redirect_uri,
        }),
    }))
}

/// VK's token endpoint and API, for an application whose registered redirect URI is
/// `{base}/vk/callback`.
pub fn redeem(env: &Env, platform: &Platform, base: &BaseUrl) -> Built<dyn Redeem> {
    let (http, redirect_uri) = (http_client(env, Limits::default())?, redirect_uri(base));
    let api = Api::new(http.clone(), ApiConfig::read(env)?);
    let needed = needed(env)?;
    let (flow, needed) = match config::flow(env)? {
        Flow::Classic => {
            let endpoint = classic::TokenEndpoint::new(platform, http, TokenConfig::read(env)?, redirect_uri);
            (RedeemFlow::Classic(endpoint), scopes::countable(&needed))
        }
        Flow::VkId => {
            let endpoint = VkIdEndpoint::new(platform, http, VkIdConfig::read(env)?);
            (RedeemFlow::VkId { endpoint, redirect_uri }, needed)
        }
    };
    Ok(Some(Box::new(redeem::VkRedeem::new(platform, flow, api, needed))))
}

/// VK's API, for many checks one after the other.
pub fn check(env: &Env, _platform: &Platform) -> Built<dyn Check> {
    check_within(env, Limits { reuse: true, ..Limits::default() }).map(Some)
}

/// VK's API, with other time-outs.
pub fn check_within(env: &Env, limits: Limits) -> Result<Box<dyn Check>, ConfigError> {
    let api = Api::new(http_client(env, limits)?, ApiConfig::read(env)?);
    Ok(Box::new(check::VkCheck { api, needed: needed(env)? }))
}

/// VK ID's token endpoint. Without a service token it renews nothing, and says so.
pub fn renew(env: &Env, platform: &Platform) -> Built<dyn Renew> {
    let http = http_client(env, Limits { total: RENEWAL_WITHIN, ..Limits::default() })?;
    let config = VkIdConfig::read_if_set_up(env)?;
    let endpoint = config.map(|config| VkIdEndpoint::new(platform, http, config));
    Ok(Some(Box::new(renew::VkRenew::new(platform, endpoint, config::renewals_per_day(env)?))))
}

/// VK ID's endpoints that end something, which ask for no secret.
pub fn revoke(env: &Env, _platform: &Platform) -> Built<dyn Revoke> {
    let sessions = VkIdSessions::new(http_client(env, Limits::default())?, VkIdApp::read(env)?);
    Ok(Some(Box::new(revoke::VkRevoke { sessions, extent: config::revoked(env)? })))
}

/// The rights that tokens need.
fn needed(env: &Env) -> Result<Scopes, ConfigError> {
    Ok(scopes::needed(&scopes::asked(&config::scopes(env)?)))
}

fn redirect_uri(base: &BaseUrl) -> String {
    base.join(&Provider::Vk.callback_path())
}

/// A client for VK's hosts, which trusts `VK_EXTRA_CA` beside the system's roots.
fn http_client(env: &Env, limits: Limits) -> Result<HttpClient, ConfigError> {
    super::http_client(env, EXTRA_CA, limits)
}
