//! `GET /login`, `GET /login/callback`, `POST /logout`: signing in at any OpenID Connect issuer by
//! the authorization code flow with PKCE.

mod browser;
mod discovery;
mod error;
mod identity;
mod issuer;
mod transport;

use evosync_connections::config::{BaseUrl, ConfigError, Env};
use evosync_connections::domain::{ReturnTo, SessionCredential, State};
use evosync_connections::error_chain::chain;
use evosync_connections::pages::{Notice, Problem, SignedOut};
use evosync_connections::platform::{Entropy, Platform, warm_up};
use evosync_connections::providers::Registry;
use evosync_connections::providers::oauth::{AuthorizationResponse, Outcome};
use evosync_connections::store::{NewSession, PendingSignIn, SignInStore};
use evosync_connections::web::{
    Answer, Boot, CookieJar, CookieName, Failure, FormPost, WebFunction, check_form_post, params, path,
    sign_in_again,
};
use lambda_http::Request;

use browser::BrowserSecret;
use error::IssuerError;
use issuer::{Issuer, Question};

/// The issuer's answer must come within ten minutes. The browser's secret is kept that long even
/// when a sign-in succeeds, so that one begun in another tab can finish too.
const SIGN_IN_FOR: i64 = 10 * 60;

/// The longest code accepted, in characters. Issuers' codes differ widely, but fit an address.
const LONGEST_CODE: usize = 2048;

/// The function: writes sessions, and reads no connection.
pub struct Function {
    store: SignInStore,
    issuer: Issuer,
    base: BaseUrl,
    jar: CookieJar,
    entropy: Entropy,
}

impl Function {
    /// Sends the person to the issuer, unless there is something to say first.
    async fn start(&self, request: &Request) -> Result<Answer, Failure> {
        let notice = self.jar.get(request, CookieName::Notice).and_then(|notice| Notice::from_key(&notice));
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
            .and_then(|secret| BrowserSecret::parse(&secret))
            .unwrap_or_else(|| BrowserSecret::new(self.entropy.bytes()));
        let (state, question) = (State::new(self.entropy.bytes()), Question::new(&self.entropy));
        let url = match self.issuer.authorize_url(&state, &question).await {
            Ok(url) => url,
            Err(error) => return Err(Failure::unavailable(&error)),
        };
        let return_to = self.jar.get(request, CookieName::ReturnTo);
        let return_to = return_to.map(|key| ReturnTo::from_key(&key)).unwrap_or_default();
        let pending = PendingSignIn {
            browser: browser.digest(),
            nonce: question.nonce().to_owned(),
            pkce_verifier: question.pkce_verifier().to_owned(),
            return_to,
        };
        self.store.begin(&state.attempt_id(), &pending).await?;
        let cookie = self.jar.set(CookieName::SignIn, browser.secret(), Some(SIGN_IN_FOR));
        Ok(Answer::see_other(url).with_cookie(cookie))
    }

    /// The issuer sent the person back.
    async fn finish(&self, request: &Request) -> Result<Answer, Failure> {
        let params = params(request).ok();
        let response = params.and_then(|params| AuthorizationResponse::read(&params, LONGEST_CODE));
        let browser =
            self.jar.get(request, CookieName::SignIn).and_then(|secret| BrowserSecret::parse(&secret));
        let (Some(response), Some(browser)) = (response, browser) else {
            return Ok(not_signed_in("malformed callback or no browser cookie"));
        };
        let spent = self.store.spend(&response.state.attempt_id(), &browser.digest()).await?;
        let Some(pending) = spent else {
            // Browsers deliver callbacks twice: whoever has a session goes on with it.
            return Ok(match self.jar.credential(request) {
                Some(_) => Answer::see_other(ReturnTo::Connections.path()),
                None => not_signed_in("no such sign-in of this browser"),
            });
        };
        if response.issuer.is_some_and(|issuer| issuer != self.issuer.identifier()) {
            return Ok(not_signed_in("another issuer answered"));
        }
        let Outcome::Code(code) = response.outcome else {
            return Ok(not_signed_in("the issuer sent an error"));
        };
        let question = Question::from_stored(pending.nonce, pending.pkce_verifier);
        let identity = match self.issuer.identify(code, question).await {
            Ok(identity) => identity,
            Err(error @ (IssuerError::Unavailable(_) | IssuerError::ClientRefused)) => {
                return Err(Failure::unavailable(&error));
            }
            Err(error) => return Ok(not_signed_in(&chain(&error))),
        };
        let credential = SessionCredential::new(identity.user, self.entropy.bytes());
        let session = NewSession {
            credential: &credential,
            display_name: &identity.display_name,
            replaces: self.jar.credential(request).map(|old| old.session_id()),
        };
        self.store.sign_in(session).await?;
        tracing::info!(user = credential.user().as_str(), "signed in");
        Ok(Answer::see_other(pending.return_to.path())
            .with_cookie(self.jar.set(CookieName::Session, credential.to_cookie(), None))
            .with_cookie(self.jar.clear(CookieName::ReturnTo))
            .with_cookie(self.jar.clear(CookieName::Notice)))
    }

    async fn sign_out(&self, request: &Request) -> Result<Answer, Failure> {
        match check_form_post(request, &self.base, &self.jar) {
            FormPost::Refused(answer) => return Ok(answer),
            FormPost::WithoutSession => {}
            FormPost::ByPerson(credential) => {
                self.store.sign_out(&credential.session_id()).await?;
                tracing::info!(user = credential.user().as_str(), "signed out");
            }
        }
        let answer = sign_in_again(&self.jar, Notice::SignedOut, ReturnTo::Connections);
        Ok(answer.with_cookie(self.jar.clear(CookieName::Session)))
    }
}

impl Boot for Function {
    /// Reads the configuration and the issuer's metadata, and opens the connection to the table.
    async fn boot(
        env: &Env,
        platform: &Platform,
        _registry: &(impl Registry + ?Sized),
    ) -> Result<Self, ConfigError> {
        let base = env.base_url()?;
        let function = Self {
            store: SignInStore::new(platform, env)?,
            issuer: Issuer::new(platform, env.oidc()?, base.join("/login/callback"))?,
            jar: CookieJar::new(&base),
            base,
            entropy: platform.entropy.clone(),
        };
        futures_util::join!(warm_up(function.store.warm_up()), warm_up(function.issuer.warm_up()));
        Ok(function)
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
