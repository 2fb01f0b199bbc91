//! Evotor: cash registers, whose goods are copied. Its OAuth flow and the part of its API the product uses.
//!
//! | file | what it is |
//! | --- | --- |
//! | `authorize` | [`Authorize`]: the address a person is sent to |
//! | `redeem` | [`Redeem`]: from a code to the shops the product can work with |
//! | `check` | [`Check`]: whether a token still lives |
//! | `renew` | [`Renew`]: new tokens for old ones |
//! | `words` | [`Words`]: what pages say of Evotor |
//! | `token` | the token endpoint |
//! | `stores` | the API |
//! | `config` | Evotor's variables |
//!
//! Evotor documents no `state`, no PKCE, no revocation and no account of the person's. So the browser keeps the
//! state too ([`Authorize::may_lose_state`]), disconnecting ends nothing at Evotor, and an account is known by
//! its shops. What a merchant may do is fixed with the application, so that nothing is asked for here.

mod authorize;
mod check;
mod config;
mod redeem;
mod renew;
mod stores;
mod token;
mod words;

use std::time::Duration;

use super::{Authorize, Built, Check, Redeem, Renew, Revoke, Words, http_client};
use crate::config::{BaseUrl, ConfigError, Env};
use crate::domain::Provider;
use crate::http_client::Limits;
use crate::platform::Platform;
use config::{ApiConfig, TokenConfig};
use stores::Api;
use token::TokenEndpoint;

const EXTRA_CA: &str = "EVOTOR_EXTRA_CA";

/// The largest list of shops read, in bytes: those of some thousands.
const LARGEST_LIST: usize = 1024 * 1024;

/// How long Evotor may take over a renewal. Its answer is worth waiting for: the refresh token may be spent,
/// whether the answer comes or not.
const RENEWAL_WITHIN: Duration = Duration::from_secs(20);

/// Evotor's words.
pub fn words() -> Option<&'static Words> {
    Some(&words::WORDS)
}

/// Evotor's authorize page.
pub fn authorize(env: &Env, base: &BaseUrl) -> Built<dyn Authorize> {
    Ok(Some(Box::new(authorize::EvotorAuthorize {
        authorize_url: config::authorize_url(env)?,
        client_id: config::client_id(env)?,
        redirect_uri: redirect_uri(base),
        may_lose_state: config::may_lose_state(env)?,
    })))
}

/// Evotor's token endpoint and API, for an application whose registered redirect URI is
/// `{base}/evotor/callback`.
pub fn redeem(env: &Env, platform: &Platform, base: &BaseUrl) -> Built<dyn Redeem> {
    let endpoint = token_endpoint(env, platform, Limits::default())?;
    let api = api(env, platform, Limits::default())?;
    let may_lose_state = config::may_lose_state(env)?;
    Ok(Some(Box::new(redeem::EvotorRedeem::new(platform, endpoint, api, redirect_uri(base), may_lose_state))))
}

/// Evotor's API, for many checks one after the other.
pub fn check(env: &Env, platform: &Platform) -> Built<dyn Check> {
    let api = api(env, platform, Limits { reuse: true, ..Limits::default() })?;
    Ok(Some(Box::new(check::EvotorCheck { api, max_rps: config::max_rps(env)? })))
}

/// Evotor's token endpoint.
pub fn renew(env: &Env, platform: &Platform) -> Built<dyn Renew> {
    let endpoint = token_endpoint(env, platform, Limits { total: RENEWAL_WITHIN, ..Limits::default() })?;
    Ok(Some(Box::new(renew::EvotorRenew { endpoint })))
}

/// Nothing: Evotor documents no way to end a token. A merchant ends it by removing the application.
pub fn revoke(_env: &Env, _platform: &Platform) -> Built<dyn Revoke> {
    Ok(None)
}

fn token_endpoint(env: &Env, platform: &Platform, limits: Limits) -> Result<TokenEndpoint, ConfigError> {
    Ok(TokenEndpoint::new(platform, http_client(env, EXTRA_CA, limits)?, TokenConfig::read(env)?))
}

fn api(env: &Env, platform: &Platform, limits: Limits) -> Result<Api, ConfigError> {
    let http = http_client(env, EXTRA_CA, Limits { largest_answer: LARGEST_LIST, ..limits })?;
    Ok(Api::new(http, ApiConfig::read(env)?, platform.clock.clone()))
}

fn redirect_uri(base: &BaseUrl) -> String {
    base.join(&Provider::Evotor.callback_path())
}
