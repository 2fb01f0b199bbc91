//! What the pages for a signed-in person have in common: whoever is not signed in is sent to sign
//! in, and whoever is brings name and connections along in one read.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lambda_http::Request;

use super::signing_in::sign_in_first;
use super::{Answer, CookieJar, Failure};
use crate::config::{ConfigError, Env};
use crate::domain::{Connection, Place, Provider};
use crate::pages::Person;
use crate::platform::{Clock, Platform, warm_up};
use crate::store::View;

/// Receives visitors.
pub struct Visits {
    view: View,
    jar: CookieJar,
    clock: Clock,
    zone: TimeZone,
}

/// A visit of a signed-in person.
pub struct Visit<'a> {
    /// Who it is.
    pub person: Person,
    /// The connections asked for that exist.
    pub connections: Vec<Connection>,
    /// When it is.
    pub now: Timestamp,
    /// Where the page's times are.
    pub zone: &'a TimeZone,
}

impl Visits {
    /// Reads the configuration and opens the connection to the table.
    pub async fn boot(env: &Env, platform: &Platform) -> Result<Self, ConfigError> {
        let visits = Self {
            view: View::new(platform, env)?,
            jar: CookieJar::new(&env.base_url()?),
            clock: platform.clock.clone(),
            zone: env.display_timezone()?,
        };
        warm_up(visits.view.warm_up()).await;
        Ok(visits)
    }

    /// Answers with the page of a visit, or sends the visitor to sign in and from there to `place`.
    pub async fn receive(
        &self,
        request: &Request,
        providers: &[Provider],
        place: Place,
        page: impl FnOnce(Visit<'_>) -> Result<Answer, Failure> + Send,
    ) -> Result<Answer, Failure> {
        let Some(credential) = self.jar.credential(request) else {
            return Ok(sign_in_first(&self.jar, place));
        };
        let Some(signed_in) = self.view.open(&credential, providers).await? else {
            return Ok(sign_in_first(&self.jar, place));
        };
        page(Visit {
            person: Person::new(&signed_in.session, &credential),
            connections: signed_in.connections,
            now: self.clock.now(),
            zone: &self.zone,
        })
    }
}
