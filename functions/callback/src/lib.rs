//! `GET /vk/callback`: VK sends the person back; the attempt is spent, the code exchanged, the
//! account read, and the connection saved.

mod reply;

use evosync_connections::config::{BaseUrl, ConfigError, Env};
use evosync_connections::domain::secret::AuthorizationCode;
use evosync_connections::domain::{
    Account, ErrorCode, Generation, Liveness, OfflineReason, Place, Provider, SessionCredential,
};
use evosync_connections::platform::{Platform, note_warm_up};
use evosync_connections::sealing::{RowIdentity, TokenKeySource, TokenKeys};
use evosync_connections::store::{Completion, NewConnection, Saved, Spend};
use evosync_connections::telemetry::AuditEvent;
use evosync_connections::vk::{Api, ExchangeError, Fault, Grant, Permissions, Profile, TokenEndpoint};
use evosync_connections::web::{Answer, CookieJar, Failure, WebFunction};
use lambda_http::Request;

use reply::{Outcome, Reply};

const PROVIDER: Provider = Provider::Vk;

/// The function: the only one that sees codes and new tokens.
pub struct Function {
    completion: Completion,
    token_endpoint: TokenEndpoint,
    api: Api,
    needed: Permissions,
    keys: TokenKeySource,
    jar: CookieJar,
    platform: Platform,
}

/// Why no connection was saved: what the person reads, and what the log says.
struct Stop {
    code: ErrorCode,
    cause: String,
}

impl Stop {
    fn new(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self { code, cause: cause.into() }
    }

    fn ours(error: impl std::error::Error) -> Self {
        Self::new(ErrorCode::Storage, error.to_string())
    }
}

impl Function {
    /// Reads the configuration and the secrets, and opens the connection to the table.
    pub async fn boot(env: &Env, platform: &Platform) -> Result<Self, ConfigError> {
        let base: BaseUrl = env.base_url()?;
        let http = env.vk_http()?;
        let function = Self {
            completion: Completion::new(platform, env)?,
            token_endpoint: TokenEndpoint::new(platform, http.clone(), env.vk_exchange()?, &base),
            api: Api::new(http, env.vk_api()?),
            needed: Permissions::needed(&env.vk_scopes()?),
            keys: TokenKeySource::new(platform, env.token_keys_secret()?),
            jar: CookieJar::new(&base),
            platform: platform.clone(),
        };
        note_warm_up(function.completion.warm_up().await);
        note_warm_up(function.token_endpoint.warm_up().await);
        note_warm_up(function.keys.keys().await.map(drop));
        Ok(function)
    }

    async fn complete(&self, credential: &SessionCredential, reply: Reply) -> Result<(), Stop> {
        // What could fail on our side comes before the state is spent and the code used up.
        let keys = self.keys.keys().await.map_err(Stop::ours)?;
        self.token_endpoint.warm_up().await.map_err(Stop::ours)?;
        if let Replay::Finished = self.spend(credential, &reply).await? {
            return Ok(());
        }
        let code = match reply.outcome {
            Outcome::Code(code) => code,
            Outcome::Refused => return Err(Stop::new(ErrorCode::AccessDenied, "the person refused")),
            Outcome::Failed => return Err(Stop::new(ErrorCode::ProviderError, "VK sent an error")),
        };
        let grant = self.exchange(&code).await?;
        let account = self.owner(&grant).await?;
        self.save(credential, &grant, &account, &keys).await
    }

    async fn spend(&self, credential: &SessionCredential, reply: &Reply) -> Result<Replay, Stop> {
        let attempt = reply.state.attempt_id();
        match self.completion.spend(credential, PROVIDER, &attempt).await.map_err(Stop::ours)? {
            Spend::Spent => Ok(Replay::First),
            Spend::NotSignedIn => Err(Stop::new(ErrorCode::SessionExpired, "no live session")),
            Spend::Unknown => Err(Stop::new(ErrorCode::InvalidState, "no such attempt of this session")),
            Spend::Expired => Err(Stop::new(ErrorCode::AttemptExpired, "ten minutes have passed")),
            // Browsers deliver callbacks twice; the second one is no mistake of the person's.
            Spend::Used => {
                let connected = self.completion.is_connected(credential.user(), PROVIDER).await;
                if connected.map_err(Stop::ours)? {
                    Ok(Replay::Finished)
                } else {
                    Err(Stop::new(ErrorCode::AttemptUsed, "spent before"))
                }
            }
        }
    }

    async fn exchange(&self, code: &AuthorizationCode) -> Result<Grant, Stop> {
        let exchanged = self.token_endpoint.exchange(code, self.platform.clock.now()).await;
        exchanged.map_err(|error| {
            let code = match &error {
                ExchangeError::AppRejected(_) => ErrorCode::AppRejected,
                ExchangeError::CodeRejected(_) => ErrorCode::TokenExchange,
                ExchangeError::NoToken => ErrorCode::NoToken,
                ExchangeError::Unavailable(_) => ErrorCode::ProviderUnavailable,
                ExchangeError::Secret(_) => ErrorCode::Storage,
            };
            Stop::new(code, error.to_string())
        })
    }

    /// The account of a new token, if it is one the product can work with.
    async fn owner(&self, grant: &Grant) -> Result<Account, Stop> {
        let (profile, permissions) =
            futures_util::join!(self.profile(grant), self.api.permissions(&grant.token));
        let profile = profile.map_err(|fault| match fault.liveness {
            Liveness::Dead(OfflineReason::AccountUnavailable) => {
                Stop::new(ErrorCode::AccountUnavailable, "VK calls the account unavailable")
            }
            _ => Stop::new(ErrorCode::Profile, format!("no profile, VK's code {:?}", fault.code)),
        })?;
        if profile.deactivated {
            return Err(Stop::new(ErrorCode::AccountUnavailable, "deactivated"));
        }
        let stated = grant.account_id.map(|id| id.to_string());
        if stated.is_some_and(|stated| stated != profile.account.id) {
            return Err(Stop::new(ErrorCode::Profile, "the token is another account's"));
        }
        match permissions {
            Ok(granted) if !granted.cover(self.needed) => {
                Err(Stop::new(ErrorCode::PermissionMissing, "less granted than asked for"))
            }
            Ok(_) => Ok(profile.account),
            // The profile proves the token; the rights can be found out later.
            Err(fault) => {
                tracing::warn!(vk_code = fault.code, "granted rights not known");
                Ok(profile.account)
            }
        }
    }

    /// Asks twice: the code is spent, so a passing fault here would cost the person the whole way.
    async fn profile(&self, grant: &Grant) -> Result<Profile, Fault> {
        match self.api.profile(&grant.token).await {
            Err(fault) if fault.is_transient() => self.api.profile(&grant.token).await,
            outcome => outcome,
        }
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

/// Whether a callback is the first of its attempt.
enum Replay {
    First,
    Finished,
}

impl WebFunction for Function {
    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        let Some(reply) = Reply::read(request) else {
            return Ok(stopped(&Stop::new(ErrorCode::InvalidState, "malformed callback")));
        };
        let Some(credential) = self.jar.credential(request) else {
            return Ok(without_session(request));
        };
        Ok(match self.complete(&credential, reply).await {
            Ok(()) => Answer::see_other(Place::Connections.path()),
            Err(stop) => stopped(&stop),
        })
    }
}

fn stopped(stop: &Stop) -> Answer {
    let (code, cause) = (stop.code.code(), &stop.cause);
    match stop.code {
        ErrorCode::AppRejected | ErrorCode::Storage => tracing::error!(code, cause, "not connected"),
        _ => tracing::warn!(code, cause, "not connected"),
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
        return stopped(&Stop::new(ErrorCode::SessionExpired, "no session cookie"));
    }
    Answer::see_other(format!("{}?{query}{MARK}", PROVIDER.callback_path()))
}
