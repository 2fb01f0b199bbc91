//! `GET /login`, `GET /login/callback`, `POST /logout`: signing in at any OpenID Connect issuer by
//! the authorization code flow with PKCE.

mod browser;
mod discovery;
mod error;
mod finish;
mod id_token;
mod identity;
mod issuer;
mod metadata;
mod question;

use evosync_connections::config::{BaseUrl, ConfigError, Env};
use evosync_connections::domain::{ReturnTo, State};
use evosync_connections::pages::{Notice, Problem, SignedOut};
use evosync_connections::platform::{Entropy, Platform, warm_up};
use evosync_connections::providers::Registry;
use evosync_connections::retry::Retry;
use evosync_connections::store::{PendingSignIn, SignInStore};
use evosync_connections::telemetry::{SessionEvent, record_session};
use evosync_connections::web::{
    Answer, Boot, CookieJar, CookieName, Failure, FormPost, Frame, WebFunction, check_form_post,
    is_cross_site, params, path, sign_in_again,
};
use lambda_http::Request;

use browser::BrowserSecret;
use finish::UNDER_WAY_POLICY;
use issuer::Issuer;
use question::Question;

/// How long the browser's secret is kept, in seconds. The issuer must answer within that time. The secret
/// stays even after a sign-in succeeds, so that a sign-in in another tab can finish too.
const SIGN_IN_FOR: i64 = 10 * 60;

/// How long after a sign-out the next sign-in asks for a password, in seconds: a year, or until somebody
/// signs in. Otherwise an issuer with a live session of its own would sign the person in again without
/// asking, which is unsafe on a shared computer.
const ASK_AGAIN_FOR: i64 = 365 * 24 * 60 * 60;

/// The function: writes sessions. It reads no connections.
pub struct Function {
    store: SignInStore,
    issuer: Issuer,
    base: BaseUrl,
    jar: CookieJar,
    frame: Frame,
    entropy: Entropy,
    retry: Retry,
}

impl Function {
    /// Redirects the person to the issuer, unless there is a notice to show first.
    async fn start(&self, request: &Request) -> Result<Answer, Failure> {
        // CSRF: a link on another site must not end a live session and its open attempts.
        if is_cross_site(request) && self.is_signed_in(request).await? {
            return Ok(Answer::see_other(ReturnTo::Connections.path()));
        }
        let notice = self.jar.get(request, CookieName::Notice).and_then(|notice| Notice::from_key(&notice));
        let asked_to_continue = matches!(params(request).one("continue"), Ok(Some(_)));
        match notice {
            Some(notice) if !asked_to_continue => self.stop_to_say(request, notice).await,
            _ => self.send_to_issuer(request).await,
        }
    }

    async fn is_signed_in(&self, request: &Request) -> Result<bool, Failure> {
        match self.jar.credential(request) {
            Some(credential) => Ok(self.store.is_live(&credential).await?),
            None => Ok(false),
        }
    }

    async fn stop_to_say(&self, request: &Request, notice: Notice) -> Result<Answer, Failure> {
        let issuer_url = match notice {
            Notice::SignedOut => self.issuer.sign_out_url().await,
            Notice::SessionEnded => None,
        };
        Answer::page(&SignedOut::new(notice).with_issuer_url(issuer_url), self.frame.language(request))
    }

    async fn send_to_issuer(&self, request: &Request) -> Result<Answer, Failure> {
        let browser = self.browser(request).unwrap_or_else(|| BrowserSecret::new(self.entropy.bytes()));
        let (state, question) = (State::new(self.entropy.bytes()), Question::new(&self.entropy));
        let ask_again = self.jar.get(request, CookieName::AskAgain).is_some();
        let url = self.issuer.authorize_url(&state, &question, ask_again).await;
        let url = url.map_err(|error| Failure::unavailable(&error))?;
        let return_to = self.jar.get(request, CookieName::ReturnTo);
        let return_to = return_to.map(|key| ReturnTo::from_key(&key)).unwrap_or_default();
        let pending = PendingSignIn {
            browser: browser.digest(),
            nonce: question.nonce().to_owned(),
            pkce_verifier: question.verifier().secret().to_owned(),
            return_to,
        };
        self.store.begin(&state.attempt_id(), &pending).await?;
        let cookie = self.jar.set(CookieName::SignIn, browser.secret(), Some(SIGN_IN_FOR));
        Ok(Answer::see_other(url).with_cookie(cookie))
    }

    fn browser(&self, request: &Request) -> Option<BrowserSecret> {
        BrowserSecret::parse(&self.jar.get(request, CookieName::SignIn)?)
    }

    async fn sign_out(&self, request: &Request) -> Result<Answer, Failure> {
        match check_form_post(request, &self.base, &self.jar) {
            FormPost::Refused(answer) => return Ok(answer),
            FormPost::WithoutSession => {}
            FormPost::ByPerson(credential) => {
                self.store.sign_out(&credential.session_id()).await?;
                record_session(SessionEvent::SignedOut, credential.user());
            }
        }
        let answer = sign_in_again(&self.jar, Notice::SignedOut, ReturnTo::Connections);
        let ask_again = self.jar.set(CookieName::AskAgain, "1", Some(ASK_AGAIN_FOR));
        Ok(answer.with_cookie(self.jar.clear(CookieName::Session)).with_cookie(ask_again))
    }
}

impl Boot for Function {
    /// Reads the configuration and the issuer's metadata, and opens the connection to the table.
    async fn boot(
        env: &Env,
        platform: &Platform,
        _registry: &(impl Registry + ?Sized),
    ) -> Result<Self, ConfigError> {
        let (base, frame) = (env.base_url()?, Frame::new(env)?);
        let function = Self {
            store: SignInStore::new(platform, env)?,
            issuer: Issuer::new(platform, env.oidc()?, base.join("/login/callback"))?,
            jar: frame.jar(),
            frame,
            base,
            entropy: platform.entropy.clone(),
            retry: Retry::new(platform, UNDER_WAY_POLICY),
        };
        futures_util::join!(
            warm_up(Box::pin(function.store.warm_up())),
            warm_up(Box::pin(function.issuer.warm_up()))
        );
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
