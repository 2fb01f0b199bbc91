//! Signing in and out: pending sign-ins and sessions.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnValue};

use super::attributes::session as a;
use super::rows::{self, KEEP_AFTER, id_key, s, seconds};
use super::transaction::{Outcome, Part, Transactions, never, never_there};
use super::{RACE_POLICY, StoreError, write_row};
use crate::config::{ConfigError, Env};
use crate::domain::{ATTEMPT_LIFETIME, AttemptId, ReturnTo, SessionCredential, SessionId, SessionLimits};
use crate::platform::{Clock, Platform};
use crate::retry::Retry;

/// Writes pending sign-ins and sessions.
pub struct SignInStore {
    client: Client,
    transactions: Transactions,
    retry: Retry,
    clock: Clock,
    table: String,
    limits: SessionLimits,
}

/// What must be remembered while a person is at the issuer.
#[derive(Clone)]
pub struct PendingSignIn {
    /// The digest of the browser's own secret: the sign-in is finished where it was started.
    pub browser: String,
    /// The nonce the ID token must repeat (OpenID Connect Core 1.0, section 3.1.2.1).
    pub nonce: String,
    /// The PKCE verifier (RFC 7636).
    pub pkce_verifier: String,
    /// Where the person was headed.
    pub return_to: ReturnTo,
}

/// A session to begin.
pub struct NewSession<'a> {
    /// What its cookie will hold.
    pub credential: &'a SessionCredential,
    /// How the header greets the person.
    pub display_name: &'a str,
    /// The session the browser had until now, which ends.
    pub replaces: Option<SessionId>,
}

/// The parts of the transaction that begins a session.
#[derive(Clone, Copy)]
enum Write {
    Session,
    Replaced,
}

impl SignInStore {
    /// Sign-ins in the configured table.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            transactions: Transactions::new(platform),
            retry: Retry::new(platform, RACE_POLICY),
            client: Client::new(&platform.aws),
            clock: platform.clock.clone(),
            table: env.sessions_table()?,
            limits: env.session_limits()?,
        })
    }

    /// Opens the connection to the table ahead of the first request.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(never_there()))
            .condition_expression(never());
        self.transactions.warm_up(Part::put((), put.build()?)).await
    }

    /// Remembers a sign-in under the digest of its state.
    pub async fn begin(&self, state: &AttemptId, pending: &PendingSignIn) -> Result<(), StoreError> {
        let now = self.clock.now();
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(sign_in_key(state)))
            .item(a::BROWSER, s(&pending.browser))
            .item(a::NONCE, s(&pending.nonce))
            .item(a::PKCE_VERIFIER, s(&pending.pkce_verifier))
            .item(a::RETURN_TO, s(pending.return_to.key()))
            .item(a::CREATED_AT, seconds(now))
            .item(a::EXPIRES_AT, seconds(now + ATTEMPT_LIFETIME + KEEP_AFTER));
        put.send().await.map(drop).map_err(|error| StoreError::of_sdk("begin sign-in", &error))
    }

    /// Takes a sign-in back, once, for the browser that began it and within ten minutes; `None`
    /// where there is none such.
    pub async fn spend(&self, state: &AttemptId, browser: &str) -> Result<Option<PendingSignIn>, StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(sign_in_key(state)))
            .condition_expression(format!("{} = :browser AND {} > :born_after", a::BROWSER, a::CREATED_AT))
            .expression_attribute_values(":browser", s(browser))
            .expression_attribute_values(":born_after", seconds(self.clock.now() - ATTEMPT_LIFETIME))
            .return_values(ReturnValue::AllOld);
        let row = match delete.send().await {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(error) if super::is_refusal(&error) => return Ok(None),
            Err(error) => return Err(StoreError::of_sdk("finish sign-in", &error)),
        };
        let text = |name| rows::text(&row, name).map(str::to_owned);
        let pending =
            text(a::NONCE).zip(text(a::PKCE_VERIFIER)).map(|(nonce, pkce_verifier)| PendingSignIn {
                browser: browser.to_owned(),
                nonce,
                pkce_verifier,
                return_to: ReturnTo::from_key(rows::text(&row, a::RETURN_TO).unwrap_or_default()),
            });
        Ok(pending)
    }

    /// Begins a session and ends the one it replaces.
    pub async fn sign_in(&self, session: NewSession<'_>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(rows::session_key(&session.credential.session_id())))
            .item(a::USER_ID, s(session.credential.user().as_str()))
            .item(a::DISPLAY_NAME, s(session.display_name))
            .item(a::CREATED_AT, seconds(now))
            .item(a::LAST_SEEN_AT, seconds(now))
            .item(a::ATTEMPTS, AttributeValue::M(HashMap::new()))
            .item(a::EXPIRES_AT, seconds(now + self.limits.absolute + KEEP_AFTER))
            .condition_expression(format!("attribute_not_exists({})", a::ID));
        let mut parts = vec![Part::put(Write::Session, put.build()?)];
        if let Some(replaced) = session.replaces {
            let key = rows::session_key(&replaced);
            let delete = Delete::builder().table_name(&self.table).set_key(Some(key)).build()?;
            parts.push(Part::delete(Write::Replaced, delete));
        }
        match self.transactions.write("sign in", parts).await? {
            Outcome::Done => Ok(()),
            Outcome::Refused(_) => Err(StoreError::new("sign in", "a session of the same id")),
        }
    }

    /// Ends a session; with it, the attempts bound to it can no longer be finished.
    pub async fn sign_out(&self, session: &SessionId) -> Result<(), StoreError> {
        let delete =
            self.client.delete_item().table_name(&self.table).set_key(Some(rows::session_key(session)));
        let deleted = write_row(&self.retry, || delete.clone().send()).await;
        deleted.map(drop).map_err(|error| StoreError::of_sdk("sign out", &error))
    }
}

fn sign_in_key(state: &AttemptId) -> rows::Item {
    id_key(format!("sign-in:{}", state.as_str()))
}
