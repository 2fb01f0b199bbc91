//! `GET /login`, `GET /login/callback`, `POST /logout`: signing in at any OpenID Connect issuer by
//! the authorization code flow with PKCE.

mod browser;
mod discovery;
mod identity;
mod issuer;
mod reply;
mod transport;

use evosync_connections::config::{BaseUrl, ConfigError, Env};
use evosync_connections::domain::{Place, SessionCredential, State};
use evosync_connections::pages::{Problem, SignedOut};
use evosync_connections::platform::{Entropy, Platform, warm_up};
use evosync_connections::store::{NewSession, PendingSignIn, SignIns};
use evosync_connections::web::{
    Answer, CookieJar, CookieName, Failure, Notice, Posted, WebFunction, params, path, posted, sign_in_again,
};
use lambda_http::Request;

use browser::BrowserSecret;
use issuer::{Issuer, IssuerError, Question};
use reply::Reply;

/// The issuer's answer must come within ten minutes. The browser's secret is kept that long even
/// when a sign-in succeeds, so that one begun in another tab can finish too.
const SIGN_IN_FOR: i64 = 10 * 60;

/// The function: writes sessions, and reads no connection.
pub struct Function {
    sign_ins: SignIns,
    issuer: Issuer,
    base: BaseUrl,
    jar: CookieJar,
    entropy: Entropy,
}

impl Function {
    /// Reads the configuration and the issuer's metadata, and opens the connection to the table.
    pub async fn boot(env: &Env, platform: &Platform) -> Result<Self, ConfigError> {
        let base = env.base_url()?;
        let function = Self {
            sign_ins: SignIns::new(platform, env)?,
            issuer: Issuer::new(platform, env.oidc()?, base.join("/login/callback"))?,
            jar: CookieJar::new(&base),
            base,
            entropy: platform.entropy.clone(),
        };
        futures_util::join!(warm_up(function.sign_ins.warm_up()), warm_up(function.issuer.warm_up()));
        Ok(function)
    }

    /// Sends the person to the issuer, unless there is something to say first.
    async fn start(&self, request: &Request) -> Result<Answer, Failure> {
        let notice = self.jar.get(request, CookieName::Notice).and_then(Notice::from_key);
        let asked_to_continue =
            params(request).is_ok_and(|params| matches!(params.one("continue"), Ok(Some(_))));
        if let Some(notice) = notice
            && !asked_to_continue
        {
            return Answer::page(&SignedOut::new(notice));
        }
        let browser = self
            .jar
            .get(request, CookieName::SignIn)
            .and_then(BrowserSecret::parse)
            .unwrap_or_else(|| BrowserSecret::new(self.entropy.bytes()));
        let (state, question) = (State::new(self.entropy.bytes()), Question::new(&self.entropy));
        let url = match self.issuer.authorize_url(&state, &question).await {
            Ok(url) => url,
            Err(error) => return Err(Failure::unavailable(&error)),
        };
        let place = self.jar.get(request, CookieName::Place).map(Place::from_key).unwrap_or_default();
        let pending = PendingSignIn {
            browser: browser.digest(),
            nonce: question.nonce().to_owned(),
            pkce_verifier: question.pkce_verifier().to_owned(),
            place,
        };
        self.sign_ins.begin(&state.attempt_id(), &pending).await?;
        let cookie = self.jar.set(CookieName::SignIn, browser.secret(), Some(SIGN_IN_FOR));
        Ok(Answer::see_other(url).with_cookie(cookie))
    }

    /// The issuer sent the person back.
    async fn finish(&self, request: &Request) -> Result<Answer, Failure> {
        let browser = self.jar.get(request, CookieName::SignIn).and_then(BrowserSecret::parse);
        let (Some(reply), Some(browser)) = (Reply::read(request), browser) else {
            return Ok(not_signed_in("malformed callback or no browser cookie"));
        };
        let spent = self.sign_ins.spend(&reply.state.attempt_id(), &browser.digest()).await?;
        let Some(pending) = spent else {
            // Browsers deliver callbacks twice: whoever has a session goes on with it.
            return Ok(match self.jar.credential(request) {
                Some(_) => Answer::see_other(Place::Connections.path()),
                None => not_signed_in("no such sign-in of this browser"),
            });
        };
        if reply.issuer.is_some_and(|issuer| issuer != self.issuer.identifier()) {
            return Ok(not_signed_in("another issuer answered"));
        }
        let Some(code) = reply.code else {
            return Ok(not_signed_in("the issuer sent an error"));
        };
        let question = Question::from_stored(pending.nonce, pending.pkce_verifier);
        let identity = match self.issuer.identify(code, question).await {
            Ok(identity) => identity,
            Err(error @ (IssuerError::Unavailable(_) | IssuerError::ClientRefused)) => {
                return Err(Failure::unavailable(&error));
            }
            Err(error) => return Ok(not_signed_in(&error.to_string())),
        };
        let credential = SessionCredential::new(identity.user, self.entropy.bytes());
        let session = NewSession {
            credential: &credential,
            display_name: &identity.display_name,
            replaces: self.jar.credential(request).map(|old| old.session_id()),
        };
        self.sign_ins.sign_in(session).await?;
        tracing::info!(user = credential.user().as_str(), "signed in");
        Ok(Answer::see_other(pending.place.path())
            .with_cookie(self.jar.set(CookieName::Session, credential.to_cookie(), None))
            .with_cookie(self.jar.clear(CookieName::Place))
            .with_cookie(self.jar.clear(CookieName::Notice)))
    }

    async fn sign_out(&self, request: &Request) -> Result<Answer, Failure> {
        match posted(request, &self.base, &self.jar) {
            Posted::Refused(answer) => return Ok(answer),
            Posted::WithoutSession => {}
            Posted::ByPerson(credential) => {
                self.sign_ins.sign_out(&credential.session_id()).await?;
                tracing::info!(user = credential.user().as_str(), "signed out");
            }
        }
        let answer = sign_in_again(&self.jar, Notice::SignedOut, Place::Connections);
        Ok(answer.with_cookie(self.jar.clear(CookieName::Session)))
    }
}

impl WebFunction for Function {
    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        match (request.method().as_str(), path(request)) {
            ("GET", "/login") => self.start(request).await,
            ("GET", "/login/callback") => self.finish(request).await,
            ("POST", "/logout") => self.sign_out(request).await,
            _ => Ok(Answer::problem(Problem::NotFound)),
        }
    }
}

fn not_signed_in(cause: &str) -> Answer {
    tracing::warn!(cause, "not signed in");
    Answer::problem(Problem::SignInFailed)
}
