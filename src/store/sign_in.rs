//! Signing in and out: pending sign-ins and sessions.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, Update,
};

use super::attributes::session as a;
use super::rows::{self, KEEP_AFTER, id_key, s, seconds};
use super::transaction::{Outcome, Part, Transactions, never, never_there};
use super::{RACE_POLICY, StoreError, write_row};
use crate::config::{ConfigError, Env};
use crate::domain::{
    ATTEMPT_LIFETIME, AnswerDigest, AttemptId, ReturnTo, SessionCredential, SessionId, SessionLimits, UserId,
};
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

/// What became of a sign-in's state.
pub enum SpentSignIn {
    /// It was valid and is spent now.
    Begun(PendingSignIn),
    /// Unknown: never begun, begun by another browser, or more than ten minutes ago.
    Unknown,
    /// It was spent by this same answer, and came to this.
    Repeated(SignInEnd),
    /// It was spent by another answer.
    AnsweredBefore,
}

/// What a sign-in came to.
pub enum SignInEnd {
    /// Nothing yet.
    UnderWay,
    /// A session of this person, who goes on there.
    SignedIn(UserId, ReturnTo),
    /// Nobody signed in.
    Failed(SignInFailure),
}

/// How a sign-in failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SignInFailure {
    /// The issuer, or something of ours, did not work.
    Unavailable,
    /// The answer did not prove who the person is, or they refused.
    Rejected,
}

/// A session to begin.
pub struct NewSession<'a> {
    /// What its cookie will hold.
    pub credential: &'a SessionCredential,
    /// How the header greets the person.
    pub display_name: &'a str,
    /// The person's time zone, where the issuer tells it.
    pub zone: Option<&'a str>,
    /// The session the browser had until now, which ends.
    pub replaces: Option<SessionId>,
}

/// The parts of the transaction that begins a session.
#[derive(Clone, Copy)]
enum Write {
    Session,
    SignIn,
    Replaced,
}

impl SignInStore {
    /// Sign-ins in the configured table.
    pub fn new(platform: &Platform, env: &Env) -> Result<Self, ConfigError> {
        let client = Client::new(&platform.aws);
        Ok(Self {
            transactions: Transactions::new(platform, client.clone()),
            retry: Retry::new(platform, RACE_POLICY),
            client,
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

    /// Spends a sign-in, atomically, for the browser that began it and within ten minutes.
    pub async fn spend(
        &self,
        state: &AttemptId,
        browser: &str,
        answer: &AnswerDigest,
    ) -> Result<SpentSignIn, StoreError> {
        let now = self.clock.now();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(sign_in_key(state)))
            // Nonce and verifier are of use once.
            .update_expression(format!(
                "SET {} = :now, {} = :answer REMOVE {}, {}",
                a::SPENT_AT,
                a::ANSWER,
                a::NONCE,
                a::PKCE_VERIFIER
            ))
            .condition_expression(format!(
                "{} = :browser AND {} > :born_after AND attribute_not_exists({})",
                a::BROWSER,
                a::CREATED_AT,
                a::SPENT_AT
            ))
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":answer", s(answer.as_str()))
            .expression_attribute_values(":browser", s(browser))
            .expression_attribute_values(":born_after", seconds(now - ATTEMPT_LIFETIME))
            .return_values(ReturnValue::AllOld)
            // Why it was refused is read off the row itself, without another call.
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match write_row(&self.retry, || update.clone().send()).await {
            Ok(spent) => Ok(begun(&spent.attributes.unwrap_or_default(), browser)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(why_refused(refused.item(), browser, answer))
                }
                _ => Err(StoreError::of_sdk("finish sign-in", &error)),
            },
        }
    }

    /// Notes how a spent sign-in failed, so that a repetition gets the same reply.
    pub async fn note_failure(&self, state: &AttemptId, failure: SignInFailure) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(sign_in_key(state)))
            .update_expression(format!("SET {} = :failure", a::FAILURE))
            .condition_expression(format!("attribute_exists({})", a::ID))
            .expression_attribute_values(":failure", s(<&str>::from(failure)));
        let noted = write_row(&self.retry, || update.clone().send()).await;
        noted.map(drop).map_err(|error| StoreError::of_sdk("note failed sign-in", &error))
    }

    /// Whether the credential's session is live.
    pub async fn is_live(&self, credential: &SessionCredential) -> Result<bool, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(rows::session_key(&credential.session_id())))
            .consistent_read(true);
        let answer = get.send().await.map_err(|error| StoreError::of_sdk("read session", &error))?;
        let session = answer.item.as_ref().and_then(rows::session);
        Ok(session.is_some_and(|session| {
            session.user == *credential.user() && session.is_live(self.clock.now(), self.limits)
        }))
    }

    /// Begins a session, ends the one it replaces, and notes on the sign-in that it came to this.
    pub async fn sign_in(&self, state: &AttemptId, session: NewSession<'_>) -> Result<(), StoreError> {
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
        let put = match session.zone {
            Some(zone) => put.item(a::ZONE, s(zone)),
            None => put,
        };
        let note = Update::builder()
            .table_name(&self.table)
            .set_key(Some(sign_in_key(state)))
            .update_expression(format!("SET {} = :user", a::USER_ID))
            .condition_expression(format!("attribute_exists({})", a::ID))
            .expression_attribute_values(":user", s(session.credential.user().as_str()));
        let mut parts =
            vec![Part::put(Write::Session, put.build()?), Part::update(Write::SignIn, note.build()?)];
        if let Some(replaced) = session.replaces {
            let key = rows::session_key(&replaced);
            let delete = Delete::builder().table_name(&self.table).set_key(Some(key)).build()?;
            parts.push(Part::delete(Write::Replaced, delete));
        }
        match self.transactions.write("sign in", parts).await? {
            Outcome::Done => Ok(()),
            Outcome::Refused(_) => {
                Err(StoreError::new("sign in", "its row is gone, or a session has the same id"))
            }
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

fn begun(row: &rows::Item, browser: &str) -> SpentSignIn {
    let text = |name| rows::text(row, name).map(str::to_owned);
    let Some((nonce, pkce_verifier)) = text(a::NONCE).zip(text(a::PKCE_VERIFIER)) else {
        return SpentSignIn::Unknown;
    };
    SpentSignIn::Begun(PendingSignIn {
        browser: browser.to_owned(),
        nonce,
        pkce_verifier,
        return_to: return_to(row),
    })
}

fn why_refused(row: Option<&rows::Item>, browser: &str, answer: &AnswerDigest) -> SpentSignIn {
    let own = row.filter(|row| rows::text(row, a::BROWSER) == Some(browser));
    let Some(row) = own.filter(|row| row.contains_key(a::SPENT_AT)) else {
        return SpentSignIn::Unknown;
    };
    if rows::text(row, a::ANSWER) != Some(answer.as_str()) {
        return SpentSignIn::AnsweredBefore;
    }
    let user = rows::text(row, a::USER_ID).and_then(UserId::parse);
    let failure = rows::text(row, a::FAILURE).and_then(|failure| failure.parse().ok());
    SpentSignIn::Repeated(match (user, failure) {
        (Some(user), _) => SignInEnd::SignedIn(user, return_to(row)),
        (None, Some(failure)) => SignInEnd::Failed(failure),
        (None, None) => SignInEnd::UnderWay,
    })
}

fn return_to(row: &rows::Item) -> ReturnTo {
    ReturnTo::from_key(rows::text(row, a::RETURN_TO).unwrap_or_default())
}

fn sign_in_key(state: &AttemptId) -> rows::Item {
    id_key(format!("sign-in:{}", state.as_str()))
}
