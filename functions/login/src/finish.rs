//! `GET /login/callback`: verifies the issuer's answer and signs the person in.

use std::time::Duration;

use evosync_connections::domain::{AttemptId, ReturnTo, SessionCredential, State, UserId};
use evosync_connections::error_chain::{Cause, chain};
use evosync_connections::pages::Problem;
use evosync_connections::providers::oauth::{AuthorizationResponse, Outcome};
use evosync_connections::retry::{Policy, Try};
use evosync_connections::store::{
    NewSession, PendingSignIn, SignInEnd, SignInFailure, SpentSignIn, StoreError,
};
use evosync_connections::telemetry::{SessionEvent, count_sign_in_failure, record_session};
use evosync_connections::web::{Answer, CookieName, Failure, params};
use lambda_http::Request;

use crate::Function;
use crate::browser::BrowserSecret;
use crate::error::IssuerError;
use crate::identity::Identity;
use crate::question::Question;

/// The longest code accepted, in characters. Code lengths differ between issuers, but fit into a URL.
const LONGEST_CODE: usize = 2048;

/// The back-off of a replayed callback that waits for the first one, whose answer the browser has dropped:
/// some six seconds at most, about as long as the issuer may take.
pub(crate) const UNDER_WAY_POLICY: Policy = Policy { tries: 6, first_pause: Duration::from_millis(200) };

/// One browser's answer to one sign-in.
struct Callback {
    response: AuthorizationResponse,
    attempt: AttemptId,
    browser: BrowserSecret,
}

impl Function {
    pub(crate) async fn finish(&self, request: &Request) -> Result<Answer, Failure> {
        let response = AuthorizationResponse::read(&params(request), LONGEST_CODE);
        let Some((response, browser)) = response.zip(self.browser(request)) else {
            return Ok(not_signed_in("malformed callback or no browser cookie"));
        };
        let callback = Callback { attempt: response.state.attempt_id(), response, browser };
        match self.spend(&callback).await? {
            SpentSignIn::Begun(pending) => self.answer_first(request, &callback, pending).await,
            SpentSignIn::Repeated(end) => self.answer_again(&callback, end),
            SpentSignIn::AnsweredBefore => Ok(not_signed_in("another answer to a finished sign-in")),
            SpentSignIn::Unknown => Ok(match self.jar.credential(request) {
                Some(_) => Answer::see_other(ReturnTo::Connections.path()),
                None => not_signed_in("no pending sign-in of this browser"),
            }),
        }
    }

    /// Spends the pending sign-in. A replay waits for the result of the first callback.
    async fn spend(&self, callback: &Callback) -> Result<SpentSignIn, StoreError> {
        let (browser, answer) = (callback.browser.digest(), callback.response.digest());
        let attempt = || async {
            match self.store.spend(&callback.attempt, &browser, &answer).await {
                Ok(SpentSignIn::Repeated(SignInEnd::UnderWay)) => {
                    Try::Transient(Ok(SpentSignIn::Repeated(SignInEnd::UnderWay)))
                }
                outcome => Try::Settled(outcome),
            }
        };
        self.retry.run(attempt).await
    }

    async fn answer_first(
        &self,
        request: &Request,
        callback: &Callback,
        pending: PendingSignIn,
    ) -> Result<Answer, Failure> {
        let return_to = pending.return_to;
        let identity = match self.identify(&callback.response, pending).await {
            Ok(identity) => identity,
            Err(error) => return self.fail(callback, &error).await,
        };
        let credential = credential(callback, identity.user);
        let session = NewSession {
            credential: &credential,
            display_name: &identity.display_name,
            zone: identity.zone.as_deref(),
            replaces: self.jar.credential(request).map(|old| old.session_id()),
        };
        self.store.sign_in(&callback.attempt, session).await?;
        record_session(SessionEvent::SignedIn, credential.user());
        Ok(self.signed_in(&credential, return_to))
    }

    async fn identify(
        &self,
        response: &AuthorizationResponse,
        pending: PendingSignIn,
    ) -> Result<Identity, IssuerError> {
        if !response.may_be_from(self.issuer.identifier()) {
            return Err(IssuerError::rejected("the answer comes from another issuer"));
        }
        match &response.outcome {
            Outcome::Code(code) => {
                let question = Question::from_stored(pending.nonce, pending.pkce_verifier);
                self.issuer.identify(&code.code, &question).await
            }
            Outcome::Denied => Err(IssuerError::Denied),
            Outcome::Failed(error) => Err(IssuerError::named(error.clone())),
        }
    }

    async fn fail(&self, callback: &Callback, error: &IssuerError) -> Result<Answer, Failure> {
        // A change of mind is nobody's fault.
        if !matches!(error, IssuerError::Denied) {
            count_sign_in_failure();
        }
        let failure = match error {
            IssuerError::Unavailable(_) | IssuerError::ClientRefused(_) => SignInFailure::Unavailable,
            IssuerError::Rejected(_) | IssuerError::Denied => SignInFailure::Rejected,
        };
        if let Err(error) = self.store.note_failure(&callback.attempt, failure).await {
            tracing::warn!(error = chain(&error), "cannot note the failure for replays");
        }
        match failure {
            SignInFailure::Unavailable => Err(Failure::unavailable(error)),
            SignInFailure::Rejected => Ok(not_signed_in(&chain(error))),
        }
    }

    /// Answers a replay idempotently: browsers may deliver a callback twice and show the second answer, so
    /// both answers are the same.
    fn answer_again(&self, callback: &Callback, end: SignInEnd) -> Result<Answer, Failure> {
        let again = |cause| Failure::unavailable(&IssuerError::Unavailable(Cause::new(cause)));
        match end {
            SignInEnd::SignedIn(user, return_to) => {
                Ok(self.signed_in(&credential(callback, user), return_to))
            }
            SignInEnd::Failed(SignInFailure::Rejected) => Ok(not_signed_in("repeated callback")),
            SignInEnd::Failed(SignInFailure::Unavailable) => Err(again("repeated callback")),
            SignInEnd::UnderWay => Err(again("the first callback has not ended yet")),
        }
    }

    fn signed_in(&self, credential: &SessionCredential, return_to: ReturnTo) -> Answer {
        Answer::see_other(return_to.path())
            .with_cookie(self.jar.set(CookieName::Session, credential.to_cookie(), None))
            .with_cookie(self.jar.clear(CookieName::ReturnTo))
            .with_cookie(self.jar.clear(CookieName::Notice))
            .with_cookie(self.jar.clear(CookieName::AskAgain))
    }
}

fn credential(callback: &Callback, user: UserId) -> SessionCredential {
    let state: &State = &callback.response.state;
    SessionCredential::new(user, callback.browser.session_secret(state))
}

fn not_signed_in(cause: &str) -> Answer {
    tracing::warn!(cause, "not signed in");
    Answer::problem(Problem::SignInFailed)
}
