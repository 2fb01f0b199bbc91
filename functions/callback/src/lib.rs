//! `GET /vk/callback`: VK sends the person back; the attempt is spent, the code exchanged, the
//! account read, and the connection saved.

mod reply;
mod vk;

use std::time::Duration;

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::domain::secret::AuthorizationCode;
use evosync_connections::domain::{Account, ErrorCode, Generation, Place, Provider, SessionCredential};
use evosync_connections::pages::Problem;
use evosync_connections::platform::{Platform, warm_up};
use evosync_connections::sealing::{RowIdentity, TokenKeySource, TokenKeys};
use evosync_connections::store::{Completion, Earlier, NewConnection, Saved, Spend};
use evosync_connections::telemetry::{self, AuditEvent};
use evosync_connections::vk::Grant;
use evosync_connections::web::{Answer, CookieJar, Failure, WebFunction};
use lambda_http::Request;

use reply::{Outcome, Reply};
use vk::Vk;

const PROVIDER: Provider = Provider::Vk;

/// All calls to VK together, of which there may be five, each within bounds of its own. The rest of
/// the time the function has is for the store.
const VK_WITHIN: Duration = Duration::from_secs(12);

/// The function: the only one that sees codes and new tokens.
pub struct Function {
    completion: Completion,
    vk: Vk,
    keys: TokenKeySource,
    jar: CookieJar,
    platform: Platform,
}

/// Why no connection was saved: what the person reads, and what the log says.
struct Stop {
    code: ErrorCode,
    cause: String,
    /// False for a repeated callback's, which was counted the first time.
    is_new: bool,
}

impl Stop {
    fn new(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self { code, cause: cause.into(), is_new: true }
    }

    fn ours(error: impl std::error::Error) -> Self {
        Self::new(ErrorCode::Storage, error.to_string())
    }
}

impl Function {
    /// Reads the configuration and the secrets, and opens the connection to the table.
    pub async fn boot(env: &Env, platform: &Platform) -> Result<Self, ConfigError> {
        let base = env.base_url()?;
        let function = Self {
            completion: Completion::new(platform, env)?,
            vk: Vk::new(platform, env, &base)?,
            keys: TokenKeySource::new(platform, env.token_keys_secret()?),
            jar: CookieJar::new(&base),
            platform: platform.clone(),
        };
        futures_util::join!(
            warm_up(Box::pin(function.completion.warm_up())),
            warm_up(Box::pin(function.vk.prepare())),
            warm_up(async { function.keys.keys().await.map(drop) }),
        );
        Ok(function)
    }

    async fn complete(&self, credential: &SessionCredential, reply: &Reply) -> Result<(), Stop> {
        // What could fail on our side comes before the state is spent and the code used up.
        let keys = self.keys.keys().await.map_err(Stop::ours)?;
        self.vk.prepare().await.map_err(Stop::ours)?;
        let attempt = reply.state.attempt_id();
        let spent = self.completion.spend(credential, PROVIDER, &attempt).await.map_err(Stop::ours)?;
        match spent {
            Spend::Spent => {}
            Spend::NotSignedIn => return Err(Stop::new(ErrorCode::SessionExpired, "no live session")),
            Spend::Unknown => return Err(Stop::new(ErrorCode::InvalidState, "no such attempt here")),
            Spend::Expired => return Err(Stop::new(ErrorCode::AttemptExpired, "ten minutes have passed")),
            Spend::Used(earlier) => return self.repeat(credential, earlier).await,
        }
        let finished = self.finish(credential, reply, &keys).await;
        if let Err(stop) = &finished
            && let Err(error) = self.completion.note_failure(&attempt, stop.code).await
        {
            tracing::warn!(%error, "a repeated callback will not know how this one ended");
        }
        finished
    }

    /// Browsers deliver callbacks twice, and show the second answer: it is the first one's.
    async fn repeat(&self, credential: &SessionCredential, earlier: Earlier) -> Result<(), Stop> {
        match earlier {
            Earlier::Failed(code) => Err(Stop { is_new: false, ..Stop::new(code, "repeated callback") }),
            // The dashboard shows how it ended, a moment later.
            Earlier::UnderWay => Ok(()),
            Earlier::Ended => {
                let connected = self.completion.is_connected(credential.user(), PROVIDER).await;
                let used = || Stop::new(ErrorCode::AttemptUsed, "spent before");
                connected.map_err(Stop::ours)?.then_some(()).ok_or_else(used)
            }
        }
    }

    async fn finish(
        &self,
        credential: &SessionCredential,
        reply: &Reply,
        keys: &TokenKeys,
    ) -> Result<(), Stop> {
        let accepted = tokio::time::timeout(VK_WITHIN, self.vk.accept(reply.code()?)).await;
        let too_slow = |_| Stop::new(ErrorCode::ProviderUnavailable, "VK took too long altogether");
        let (grant, account) = accepted.map_err(too_slow)??;
        self.save(credential, &grant, &account, keys).await
    }

    async fn save(
        &self,
        credential: &SessionCredential,
        grant: &Grant,
        account: &Account,
        keys: &TokenKeys,
    ) -> Result<(), Stop> {
        let generation = Generation::new(self.platform.entropy.bytes());
        let row = RowIdentity {
            table: self.completion.connections_table(),
            user: credential.user(),
            provider: PROVIDER,
            generation: &generation,
        };
        let sealed_token = keys.seal(&grant.token, row, self.platform.entropy.bytes()).map_err(Stop::ours)?;
        let saved = self.completion.save(NewConnection {
            user: credential.user(),
            provider: PROVIDER,
            generation: &generation,
            sealed_token,
            account,
            expires_at: grant.expires_at,
        });
        let event = match saved.await.map_err(Stop::ours)? {
            Saved::Connected => AuditEvent::Connected,
            Saved::Reconnected => AuditEvent::Reconnected,
        };
        event.record(credential.user(), PROVIDER, Some(account));
        Ok(())
    }
}

impl Reply {
    /// The code to exchange, where VK sent one.
    fn code(&self) -> Result<&AuthorizationCode, Stop> {
        match &self.outcome {
            Outcome::Code(code) => Ok(code),
            Outcome::Refused => Err(Stop::new(ErrorCode::AccessDenied, "the person refused")),
            Outcome::Failed => Err(Stop::new(ErrorCode::ProviderError, "VK sent an error")),
        }
    }
}

impl WebFunction for Function {
    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        let Some(reply) = Reply::read(request) else {
            return Ok(stopped(&Stop::new(ErrorCode::InvalidState, "malformed callback"), None));
        };
        let Some(credential) = self.jar.credential(request) else {
            return Ok(without_session(request));
        };
        Ok(match self.complete(&credential, &reply).await {
            Ok(()) => Answer::see_other(Place::Connections.path()),
            Err(stop) => stopped(&stop, Some(&credential)),
        })
    }

    /// The address has code and state in it, so there is never a page at it.
    fn cut_off(&self, _: Problem) -> Answer {
        stopped(&Stop::new(ErrorCode::Storage, "cut off"), None)
    }
}

fn stopped(stop: &Stop, credential: Option<&SessionCredential>) -> Answer {
    let (code, cause) = (stop.code.code(), &stop.cause);
    let user = credential.map(|credential| credential.user().as_str());
    if stop.is_new {
        telemetry::count_failure(stop.code);
    }
    match stop.code {
        ErrorCode::AppRejected | ErrorCode::Storage if stop.is_new => {
            tracing::error!(code, cause, user, "not connected");
        }
        _ => tracing::warn!(code, cause, user, "not connected"),
    }
    Answer::see_other(Place::ProviderError(PROVIDER, stop.code).path())
}

/// Some browsers withhold the session's cookie when another site sends the person here, so a callback
/// without one is sent round once from our own address before it counts as signed out. The attempt
/// is not touched.
fn without_session(request: &Request) -> Answer {
    const MARK: &str = "&again=1";
    let query = request.uri().query().unwrap_or_default();
    if query.ends_with(MARK) {
        return stopped(&Stop::new(ErrorCode::SessionExpired, "no session cookie"), None);
    }
    Answer::see_other(format!("{}?{query}{MARK}", PROVIDER.callback_path()))
}
