//! What pages for signed-in people have in common: whoever is not signed in is sent to sign in; for
//! whoever is, the session and the connections are loaded in one read.

use jiff::tz::TimeZone;
use lambda_http::Request;

use super::signing_in::sign_in_first;
use super::{Answer, CookieJar, CookieName, Failure, Frame, correlation_id, params};
use crate::config::{ConfigError, Env};
use crate::domain::{Cadence, Connection, Provider, ReturnTo, Session};
use crate::pages::{JustDone, Page, Person, View};
use crate::platform::{Clock, Platform, warm_up};
use crate::store::PageStore;

/// How long the next page may take to be asked for, in seconds.
const TOLD_WITHIN: i64 = 60;

/// How long a person may take to read what went wrong and to ask for help, in seconds.
const REFERRED_FOR: i64 = 60 * 60;

/// The answer that leads to a page which explains the failure of this request.
pub fn referring(answer: Answer, jar: &CookieJar, correlation_id: &str) -> Answer {
    answer.with_cookie(jar.set(CookieName::Reference, correlation_id, Some(REFERRED_FOR)))
}

/// Whether a cookie holds what API Gateway or Lambda makes for a correlation id.
fn is_correlation_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=+/".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}

/// The answer that leads to a page which tells what the person has just done.
pub fn telling(answer: Answer, jar: &CookieJar, just_done: &JustDone) -> Answer {
    answer.with_cookie(jar.set(CookieName::Done, just_done.key(), Some(TOLD_WITHIN)))
}

/// Loads the signed-in person of a request.
pub struct SignedInLoader {
    store: PageStore,
    frame: Frame,
    clock: Clock,
    zone: TimeZone,
    cadence: Cadence,
}

/// A request of a signed-in person, with what its page shows.
pub struct SignedInRequest {
    /// Who it is.
    pub person: Person,
    /// The connections asked for that exist.
    pub connections: Vec<Connection>,
    /// When and where the page is viewed.
    pub view: View,
}

impl SignedInLoader {
    /// Reads the configuration and opens the connection to the table.
    pub async fn boot(env: &Env, platform: &Platform) -> Result<Self, ConfigError> {
        let loader = Self {
            store: PageStore::new(platform, env)?,
            frame: Frame::new(env)?,
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
    ) -> Result<Result<SignedInRequest, Answer>, Failure> {
        let jar = self.frame.jar();
        let Some(credential) = jar.credential(request) else {
            return Ok(Err(sign_in_first(&jar, return_to)));
        };
        let Some(signed_in) = self.store.load(&credential, providers).await? else {
            return Ok(Err(sign_in_first(&jar, return_to)));
        };
        Ok(Ok(SignedInRequest {
            person: Person::new(&signed_in.session, &credential),
            connections: signed_in.connections,
            view: View {
                now: self.clock.now(),
                zone: self.zone_of(&signed_in.session),
                cadence: self.cadence,
                language: self.frame.language(request),
                help: self.frame.help(&self.reference(request)),
                just_done: jar.get(request, CookieName::Done).and_then(|key| JustDone::from_key(&key)),
            },
        }))
    }

    /// Where the person is, as far as sign-in told; or else where most are.
    fn zone_of(&self, session: &Session) -> TimeZone {
        let told = session.zone.as_deref().and_then(|zone| TimeZone::get(zone).ok());
        told.unwrap_or_else(|| self.zone.clone())
    }

    /// The correlation id to quote: of the request whose failure the page explains, where one brought the person
    /// here, or else of this one.
    fn reference(&self, request: &Request) -> String {
        let explains = !matches!(params(request).one("error"), Ok(None));
        let failed = self.frame.jar().get(request, CookieName::Reference).filter(|_| explains);
        failed.filter(|id| is_correlation_id(id)).unwrap_or_else(|| correlation_id(request))
    }

    /// The answer with a page that tells what the person has just done, if anything; once.
    pub fn answer<P: Page>(&self, page: &P, view: &View) -> Result<Answer, Failure> {
        let answer = Answer::page(page, view.language)?;
        Ok(match view.just_done {
            Some(_) => answer.with_cookie(self.frame.jar().clear(CookieName::Done)),
            None => answer,
        })
    }
}
