//! `GET /vk/callback`, and the same of every provider: spends the attempt, redeems the code, and saves
//! the connection.

mod stop;

use std::time::Duration;

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::{
    Account, Actor, AttemptId, ChangedBy, ErrorCode, Expiry, Generation, Provider, ReturnTo,
    SessionCredential,
};
use evosync_connections::pages::{Done, JustDone, Problem};
use evosync_connections::params::Params;
use evosync_connections::platform::{Platform, warm_up};
use evosync_connections::providers::oauth::{
    AuthorizationResponse, ErrorKind, Exchange, GrantedCode, Outcome,
};
use evosync_connections::providers::{Grant, PerProvider, Redeem, Registry};
use evosync_connections::sealing::{RowIdentity, TokenKeySource, TokenKeys};
use evosync_connections::store::{CallbackStore, Earlier, NewConnection, Saved, Seen, Spend, StoreError};
use evosync_connections::web::{
    Answer, Boot, CookieJar, CookieName, Failure, WebFunction, correlation_id, params, provider, referring,
    telling,
};
use futures_util::future::join_all;
use lambda_http::Request;

use stop::Stop;

/// The time-out of all calls to the provider together. There may be five, each with its own time-out.
/// The rest of the function's time is for the store.
const PROVIDER_WITHIN: Duration = Duration::from_secs(12);

/// The time-out of giving back a grant that was not saved.
const DISCARD_WITHIN: Duration = Duration::from_secs(3);

/// The function: the only one that sees codes and new tokens.
pub struct Function {
    store: CallbackStore,
    providers: PerProvider<Box<dyn Redeem>>,
    keys: TokenKeySource,
    jar: CookieJar,
    platform: Platform,
}

/// The person and provider of a callback.
struct Caller<'a> {
    credential: &'a SessionCredential,
    provider: Provider,
    redeem: &'a dyn Redeem,
    correlation_id: &'a str,
}

impl Function {
    /// The parameters of a callback, with the state that the browser has kept where the provider brings none back.
    /// It is spent like any other, so that it serves one answer.
    fn params(&self, request: &Request, redeem: &dyn Redeem) -> Params {
        let params = params(request);
        if !redeem.may_lose_state() || params.one("state") != Ok(None) {
            return params;
        }
        let Some(kept) = self.jar.get(request, CookieName::State) else { return params };
        tracing::info!("the state did not come back");
        params.with(vec![("state", kept)])
    }

    async fn complete(&self, caller: &Caller<'_>, response: &AuthorizationResponse) -> Result<Done, Stop> {
        // Secrets first: both the state and the code can be used only once.
        let keys = self.keys.keys().await.map_err(|error| Stop::ours(&error))?;
        caller.redeem.prepare().await.map_err(|error| Stop::ours(&error))?;
        let attempt = response.state.attempt_id();
        let seen = self.spend(caller, response, &attempt).await?;
        let Some(seen) = seen else { return Ok(Done::Connected) };
        let finished = self.finish(caller, response, &keys, seen).await;
        if let Err(stop) = &finished
            && let Err(error) = self.store.note_failure(&attempt, stop.code).await
        {
            let error = evosync_connections::error_chain::chain(&error);
            tracing::warn!(error, "cannot note the failure for replays");
        }
        finished
    }

    /// Spends the attempt and reads the current connection, in parallel and before the provider is called.
    /// `None` for a replay of a callback that succeeded or is still under way.
    async fn spend(
        &self,
        caller: &Caller<'_>,
        response: &AuthorizationResponse,
        attempt: &AttemptId,
    ) -> Result<Option<Result<Seen, StoreError>>, Stop> {
        let (credential, provider, answer) = (caller.credential, caller.provider, response.digest());
        let (spent, seen) = futures_util::join!(
            self.store.spend(credential, provider, attempt, &answer),
            self.store.seen(credential.user(), provider),
        );
        let ours = |error: StoreError| Stop::ours(&error);
        match spent.map_err(ours)? {
            Spend::Spent => Ok(Some(seen)),
            Spend::NotSignedIn => Err(Stop::new(ErrorCode::SessionExpired, "no live session")),
            Spend::Unknown => Err(Stop::new(ErrorCode::InvalidState, "no such attempt in this session")),
            Spend::Expired => Err(Stop::new(ErrorCode::AttemptExpired, "the attempt has expired")),
            Spend::AnsweredBefore => Err(Stop::new(ErrorCode::AttemptUsed, "spent by another answer")),
            Spend::Used(earlier) => repeat(earlier, seen.map_err(ours)?.is_connected).map(|()| None),
        }
    }

    async fn finish(
        &self,
        caller: &Caller<'_>,
        response: &AuthorizationResponse,
        keys: &TokenKeys,
        seen: Result<Seen, StoreError>,
    ) -> Result<Done, Stop> {
        let seen = seen.map_err(|error| Stop::ours(&error))?;
        let (granted, state) = (code(response)?.clone(), response.state.clone());
        let verifier = caller.credential.code_verifier(caller.provider, &state);
        let exchange = Exchange { granted, state, verifier };
        let redeemed = tokio::time::timeout(PROVIDER_WITHIN, caller.redeem.redeem(exchange)).await;
        let too_slow = |_| Stop::new(ErrorCode::ProviderUnavailable, "time-out of all calls to the provider");
        let grant = redeemed.map_err(too_slow)??;
        let done = done(&seen, &grant.account);
        self.save(caller, grant, keys, &seen).await.map(|()| done)
    }

    /// The answer that leads to the page which explains a failure, and knows which request failed.
    fn stopped(
        &self,
        request: &Request,
        stop: &Stop,
        provider: Provider,
        credential: Option<&SessionCredential>,
    ) -> Answer {
        referring(stop.answer(provider, credential), &self.jar, &correlation_id(request))
    }

    async fn save(
        &self,
        caller: &Caller<'_>,
        grant: Grant,
        keys: &TokenKeys,
        seen: &Seen,
    ) -> Result<(), Stop> {
        let (user, provider) = (caller.credential.user(), caller.provider);
        let generation = Generation::new(self.platform.entropy.bytes());
        let row =
            RowIdentity { table: self.store.connections_table(), user, provider, generation: &generation };
        let sealed_tokens = keys.seal(&grant.tokens, row, self.platform.entropy.bytes());
        let renewable = grant.tokens.refresh.is_some();
        let saved = self.store.save(NewConnection {
            credential: caller.credential,
            by: ChangedBy { actor: Actor::Person, correlation_id: caller.correlation_id },
            provider,
            seen,
            generation: &generation,
            sealed_tokens: sealed_tokens.map_err(|error| Stop::ours(&error))?,
            account: &grant.account,
            expiry: grant.expires_at.map(|at| Expiry { at, renewable }),
            scopes: grant.scopes.as_ref(),
        });
        let refused = match saved.await.map_err(|error| Stop::ours(&error))? {
            Saved::Saved => return Ok(()),
            Saved::NotSignedIn => Stop::new(ErrorCode::SessionExpired, "signed out while at the provider"),
            Saved::Overtaken => Stop::new(ErrorCode::AttemptUsed, "the connection changed meanwhile"),
        };
        // Nobody will use it: the grant is given back while somebody still knows it.
        let discard = caller.redeem.discard(grant.tokens);
        if tokio::time::timeout(DISCARD_WITHIN, discard).await.is_err() {
            tracing::warn!("time-out of giving back an unused grant");
        }
        Err(refused)
    }
}

/// What the person will have done once an account is saved.
fn done(seen: &Seen, account: &Account) -> Done {
    match &seen.account {
        None => Done::Connected,
        Some(old) if old.id == account.id => Done::Reconnected,
        Some(old) => Done::Switched(old.clone()),
    }
}

/// Answers a replay idempotently. Browsers may deliver a callback twice and show the second answer, so
/// both answers are the same.
fn repeat(earlier: Earlier, is_connected: bool) -> Result<(), Stop> {
    match earlier {
        Earlier::Failed(code) => Err(Stop::repeated(code)),
        // The dashboard shows the result a moment later.
        Earlier::UnderWay => Ok(()),
        Earlier::Ended if is_connected => Ok(()),
        Earlier::Ended => Err(Stop::new(ErrorCode::AttemptUsed, "the attempt was spent before")),
    }
}

/// The code to redeem, where the provider sent one.
fn code(response: &AuthorizationResponse) -> Result<&GrantedCode, Stop> {
    match &response.outcome {
        Outcome::Code(code) => Ok(code),
        Outcome::Denied => Err(Stop::new(ErrorCode::AccessDenied, "the person denied access")),
        Outcome::Failed(error) => {
            let code = match error.kind() {
                ErrorKind::OurApp => ErrorCode::AppRejected,
                ErrorKind::Outage | ErrorKind::Other => ErrorCode::ProviderError,
            };
            Err(Stop::new(code, format!("the provider sent the error {error}")))
        }
    }
}

impl Boot for Function {
    /// Reads the configuration and the secrets, and opens the connection to the table.
    async fn boot(
        env: &Env,
        platform: &Platform,
        registry: &(impl Registry + ?Sized),
    ) -> Result<Self, ConfigError> {
        let (base, providers) = (env.base_url()?, env.providers()?);
        let function = Self {
            store: CallbackStore::new(platform, env)?,
            providers: PerProvider::build(&providers, |provider| {
                registry.redeem(provider, env, platform, &base)
            })?,
            keys: TokenKeySource::new(platform, env.token_keys_secret()?),
            jar: CookieJar::new(&base),
            platform: platform.clone(),
        };
        futures_util::join!(
            warm_up(Box::pin(function.store.warm_up())),
            join_all(function.providers.iter().map(|(_, redeem)| warm_up(redeem.prepare()))),
            warm_up(async { function.keys.keys().await.map(drop) }),
        );
        Ok(function)
    }
}

impl WebFunction for Function {
    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        let Some((provider, redeem)) = self.providers.of(provider(request)) else {
            return Ok(Answer::problem(Problem::NotFound));
        };
        let credential = self.jar.credential(request);
        let Some(response) = redeem.read(&self.params(request, redeem.as_ref())) else {
            // The browser may have withheld the state with the session.
            if credential.is_none() && redeem.may_lose_state() {
                return Ok(without_session(request, provider));
            }
            let stop = Stop::new(ErrorCode::InvalidState, "malformed callback");
            return Ok(self.stopped(request, &stop, provider, None));
        };
        let Some(credential) = &credential else {
            return Ok(without_session(request, provider));
        };
        let correlation_id = &correlation_id(request);
        let caller = Caller { credential, provider, redeem: redeem.as_ref(), correlation_id };
        Ok(match self.complete(&caller, &response).await {
            Ok(done) => {
                let answer = Answer::see_other(ReturnTo::Connections.path());
                telling(answer, &self.jar, &JustDone { done, provider })
            }
            Err(stop) => self.stopped(request, &stop, provider, Some(credential)),
        })
    }

    /// Redirects instead of showing a page, since the URL contains code and state.
    fn cut_off(&self, request: &Request, problem: Problem) -> Answer {
        match provider(request) {
            Some(provider) => {
                self.stopped(request, &Stop::new(ErrorCode::Storage, "time-out or panic"), provider, None)
            }
            None => Answer::problem(problem),
        }
    }
}

/// Some browsers withhold the session cookie when another site redirects the person here (`SameSite`). So
/// a callback without the cookie is redirected once to itself before it counts as signed out. The attempt
/// is not spent.
fn without_session(request: &Request, provider: Provider) -> Answer {
    const MARK: &str = "&again=1";
    let query = request.uri().query().unwrap_or_default();
    if query.ends_with(MARK) {
        return Stop::new(ErrorCode::SessionExpired, "no session cookie").answer(provider, None);
    }
    Answer::see_other(format!("{}?{query}{MARK}", provider.callback_path()))
}
