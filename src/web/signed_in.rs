//! What pages for signed-in people have in common: whoever is not signed in is sent to sign in; for
//! whoever is, the session and the connections are loaded in one read.

use jiff::tz::TimeZone;
use lambda_http::Request;

use super::signing_in::sign_in_first;
use super::{Answer, CookieJar, CookieName, Failure};
use crate::config::{ConfigError, Env};
use crate::domain::{Cadence, Connection, Provider, ReturnTo};
use crate::pages::{Done, JustDone, Page, Person, View};
use crate::platform::{Clock, Platform, warm_up};
use crate::store::PageStore;

/// How long the next page may take to be asked for, in seconds.
const TOLD_WITHIN: i64 = 60;

/// The answer that leads to a page which tells what the person has just done.
pub fn telling(answer: Answer, jar: &CookieJar, done: Done, provider: Provider) -> Answer {
    answer.with_cookie(jar.set(CookieName::Done, JustDone { done, provider }.key(), Some(TOLD_WITHIN)))
}

/// Loads the signed-in person of a request.
pub struct SignedInLoader {
    store: PageStore,
    jar: CookieJar,
    clock: Clock,
    zone: TimeZone,
    cadence: Cadence,
}

/// A request of a signed-in person, with what its page shows.
pub struct SignedInRequest<'a> {
    /// Who it is.
    pub person: Person,
    /// The connections asked for that exist.
    pub connections: Vec<Connection>,
    /// When and where the page is viewed.
    pub view: View<'a>,
    /// What the person has just done, if the page is to tell it.
    pub just_done: Option<JustDone>,
}

impl SignedInLoader {
    /// Reads the configuration and opens the connection to the table.
    pub async fn boot(env: &Env, platform: &Platform) -> Result<Self, ConfigError> {
        let loader = Self {
            store: PageStore::new(platform, env)?,
            jar: CookieJar::new(&env.base_url()?),
            clock: platform.clock.clone(),
            zone: env.display_timezone()?,
            cadence: env.cadence()?,
        };
        warm_up(loader.store.warm_up()).await;
        Ok(loader)
    }

    /// The signed-in person of a request with their connections to `providers`; or the answer that
    /// sends the visitor to sign in, and from there to `return_to`.
    pub async fn load(
        &self,
        request: &Request,
        providers: &[Provider],
        return_to: ReturnTo,
    ) -> Result<Result<SignedInRequest<'_>, Answer>, Failure> {
        let Some(credential) = self.jar.credential(request) else {
            return Ok(Err(sign_in_first(&self.jar, return_to)));
        };
        let Some(signed_in) = self.store.load(&credential, providers).await? else {
            return Ok(Err(sign_in_first(&self.jar, return_to)));
        };
        Ok(Ok(SignedInRequest {
            person: Person::new(&signed_in.session, &credential),
            connections: signed_in.connections,
            view: View { now: self.clock.now(), zone: &self.zone, cadence: self.cadence },
            just_done: self.jar.get(request, CookieName::Done).and_then(|key| JustDone::from_key(&key)),
        }))
    }

    /// The answer with a page that tells what the person has just done, if anything; once.
    pub fn answer<P: Page>(&self, page: &P, just_done: Option<JustDone>) -> Result<Answer, Failure> {
        let answer = Answer::page(page)?;
        Ok(match just_done {
            Some(_) => answer.with_cookie(self.jar.clear(CookieName::Done)),
            None => answer,
        })
    }
}
