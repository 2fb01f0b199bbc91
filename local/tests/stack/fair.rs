//! A provider of the tests' own, as unlike VK as the seam allows: its callback is one JSON parameter, its
//! tokens lapse within the hour and can be renewed, and it is asked over no network at all.

use std::sync::{Arc, Mutex};

use evosync_connections::config::{BaseUrl, Env};
use evosync_connections::domain::secret::AuthorizationCode;
use evosync_connections::domain::{Account, ErrorCode, Liveness, OfflineReason, Provider, State, TokenSet};
use evosync_connections::params::Params;
use evosync_connections::platform::{Clock, Platform};
use evosync_connections::providers::oauth::{
    AuthorizationRequest, AuthorizationResponse, Exchange, GrantedCode, Outcome,
};
use evosync_connections::providers::{
    Authorize, Built, COMMON, Check, CheckAnswer, Grant, Redeem, Refusal, Registry, Renew, Revoke, Revoked,
    Subject, Words, by_name,
};
use evosync_connections::secrets::SecretError;
use evosync_connections::texts::Catalogues;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use serde_json::Value;

static WORDS: Words = Words {
    icon: "<svg></svg>",
    account: by_name,
    texts: Catalogues::new(&[|_| include_str!("fair.ftl"), COMMON]),
};

/// The fair, in the place of every provider. Clones are one fair.
#[derive(Clone)]
pub(crate) struct Fair {
    pub(crate) answer: Arc<Mutex<Liveness>>,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    pub(crate) revoked: Arc<Mutex<Vec<String>>>,
    clock: Clock,
}

impl Fair {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            answer: Arc::new(Mutex::new(Liveness::Alive)),
            asked: Arc::default(),
            revoked: Arc::default(),
            clock,
        }
    }
}

impl Authorize for Fair {
    fn url(&self, request: &AuthorizationRequest<'_>) -> String {
        format!("https://fair.example/enter?ticket={}", request.state.secret())
    }
}

impl Redeem for Fair {
    fn read(&self, params: &Params) -> Option<AuthorizationResponse> {
        let payload: Value = serde_json::from_str(params.one("payload").ok()??).ok()?;
        let state = State::parse(payload["ticket"].as_str()?)?;
        let outcome = match payload["place"].as_str() {
            Some(place) => {
                Outcome::Code(GrantedCode { code: AuthorizationCode::new(place), device_id: None })
            }
            None => Outcome::Denied,
        };
        Some(AuthorizationResponse::new(state, outcome))
    }

    fn prepare(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn redeem(&self, exchange: Exchange) -> BoxFuture<'_, Result<Grant, Refusal>> {
        let record = br#"{"access_token":"fair-token","refresh_token":"fair-renewal"}"#;
        let granted = match exchange.granted.code.secret() {
            "full" => Err(Refusal::new(ErrorCode::AccountUnavailable, "the fair is full")),
            place => Ok(Grant {
                tokens: TokenSet::from_record(record).unwrap(),
                account: Account::new(place, "Пётр", "Ярмаркин"),
                expires_at: Some(self.clock.now() + SignedDuration::from_mins(50)),
                scopes: None,
            }),
        };
        Box::pin(std::future::ready(granted))
    }

    fn discard(&self, _: TokenSet) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Check for Fair {
    fn check(&self, subject: Subject) -> BoxFuture<'_, CheckAnswer> {
        let Subject { tokens, account_id, .. } = subject;
        let renewal = tokens.refresh.map(|token| token.secret().to_owned()).unwrap_or_default();
        self.asked.lock().unwrap().push(format!("{} {renewal} {account_id}", tokens.access.secret()));
        let liveness = *self.answer.lock().unwrap();
        Box::pin(std::future::ready(CheckAnswer::of(liveness)))
    }

    fn check_scopes(&self, _: TokenSet) -> BoxFuture<'_, Option<CheckAnswer>> {
        Box::pin(std::future::ready(None))
    }
}

impl Revoke for Fair {
    fn revoke(&self, tokens: TokenSet) -> BoxFuture<'_, Revoked> {
        self.revoked.lock().unwrap().push(tokens.access.secret().to_owned());
        Box::pin(std::future::ready(Revoked::Ended))
    }
}

impl Registry for Fair {
    fn words(&self, _: Provider) -> Option<&'static Words> {
        Some(&WORDS)
    }

    fn authorize(&self, _: Provider, _: &Env, _: &BaseUrl) -> Built<dyn Authorize> {
        Ok(Some(Box::new(self.clone())))
    }

    fn redeem(&self, _: Provider, _: &Env, _: &Platform, _: &BaseUrl) -> Built<dyn Redeem> {
        Ok(Some(Box::new(self.clone())))
    }

    fn check(&self, _: Provider, _: &Env, _: &Platform) -> Built<dyn Check> {
        Ok(Some(Box::new(self.clone())))
    }

    fn renew(&self, _: Provider, _: &Env, _: &Platform) -> Built<dyn Renew> {
        Ok(None)
    }

    fn revoke(&self, _: Provider, _: &Env, _: &Platform) -> Built<dyn Revoke> {
        Ok(Some(Box::new(self.clone())))
    }
}

/// A registry in which no provider is configured.
pub(crate) struct Nothing;

impl Registry for Nothing {
    fn words(&self, _: Provider) -> Option<&'static Words> {
        None
    }

    fn authorize(&self, _: Provider, _: &Env, _: &BaseUrl) -> Built<dyn Authorize> {
        Ok(None)
    }

    fn redeem(&self, _: Provider, _: &Env, _: &Platform, _: &BaseUrl) -> Built<dyn Redeem> {
        Ok(None)
    }

    fn check(&self, _: Provider, _: &Env, _: &Platform) -> Built<dyn Check> {
        Ok(None)
    }

    fn renew(&self, _: Provider, _: &Env, _: &Platform) -> Built<dyn Renew> {
        Ok(None)
    }

    fn revoke(&self, _: Provider, _: &Env, _: &Platform) -> Built<dyn Revoke> {
        Ok(None)
    }
}

/// What the fair does to connections it is asked about.
pub(crate) const REVOKED: Liveness = Liveness::Dead(OfflineReason::TokenRejected);
