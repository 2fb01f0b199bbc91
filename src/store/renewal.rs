//! What a renewal reads and writes: its claim in the connection's row, the new tokens, and the day's budget.
//! Each write is fenced: a row that was reconnected, removed or renewed in the meantime stays as it is.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::{SignedDuration, Timestamp};

use super::attributes::{connection as c, session as a, sweep};
use super::rows::{self, Item, b, n, rfc3339, s, seconds};
use super::sweep::{Answer, StoredConnection};
use super::{StoreError, is_refusal};
use crate::domain::{Provider, RenewalClaim, Scopes};
use crate::platform::Platform;
use crate::retry::{Policy, Retry, Try};

/// Everything that a renewal asks of the two tables.
pub trait RenewalStore: Send + Sync {
    /// Puts a claim into a row, provided that its generation, tokens and claim are those that were read. False
    /// where they are not.
    fn claim<'a>(&'a self, stored: &'a StoredConnection, claim: &'a RenewalClaim) -> Answer<'a, bool>;

    /// Takes back a claim of a renewal that has spent nothing.
    fn release<'a>(&'a self, stored: &'a StoredConnection, claim: &'a RenewalClaim) -> Answer<'a, ()>;

    /// Notes a claim's refusals.
    fn note_refusal<'a>(&'a self, stored: &'a StoredConnection, claim: &'a RenewalClaim) -> Answer<'a, ()>;

    /// Replaces the tokens and removes the claim, provided that it stands. False where it does not: the row was
    /// reconnected or removed.
    fn save<'a>(
        &'a self,
        stored: &'a StoredConnection,
        claim: &'a RenewalClaim,
        tokens: &'a NewTokens,
    ) -> Answer<'a, bool>;

    /// Counts one more, unless `limit` are counted already; then false.
    fn count(&self, counter: Counter, at: Timestamp, limit: u32) -> Answer<'_, bool>;
}

/// What is counted, to be bounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    /// A provider's renewals in a day (UTC).
    Renewals(Provider),
    /// A provider's connections that were called broken in an hour on workers' word.
    Broken(Provider),
}

impl Counter {
    /// The key of the row that counts at a time.
    pub fn row(self, at: Timestamp) -> String {
        match self {
            Self::Renewals(provider) => format!("sweep:renewals:{}:{}", provider.key(), at.strftime("%F")),
            Self::Broken(provider) => format!("sweep:broken:{}:{}", provider.key(), at.strftime("%FT%H")),
        }
    }
}

/// What a renewal brought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTokens {
    /// The sealed tokens.
    pub sealed: Vec<u8>,
    /// When the access token lapses.
    pub expires_at: Option<Timestamp>,
    /// What is granted, where the provider said so.
    pub scopes: Option<Scopes>,
    /// When they came.
    pub at: Timestamp,
    /// Stands as the row's last attempt, so that whoever read the row before writes nothing over the tokens.
    pub attempt_id: String,
}

/// New tokens are nowhere else: their write is tried for about half a minute.
const SAVE_POLICY: Policy = Policy { tries: 8, first_pause: std::time::Duration::from_millis(250) };

/// How long a counter's row is kept.
const KEEP_COUNTER: SignedDuration = SignedDuration::from_hours(72);

/// The tables as a renewal sees them.
pub(super) struct Tables<'a> {
    pub(super) client: &'a Client,
    pub(super) connections: &'a str,
    pub(super) sessions: &'a str,
}

impl Tables<'_> {
    pub(super) async fn claim(
        &self,
        stored: &StoredConnection,
        claim: &RenewalClaim,
    ) -> Result<bool, StoreError> {
        let update = self.of_generation(stored).update_expression("SET #renewal = :claim");
        let update = update.expression_attribute_values(":claim", AttributeValue::M(item_of(claim)));
        let seq = match stored.token_seq {
            0 => format!("attribute_not_exists({})", c::TOKEN_SEQ),
            _ => format!("{} = :seq", c::TOKEN_SEQ),
        };
        let update = match stored.token_seq {
            0 => update,
            seq => update.expression_attribute_values(":seq", n(seq)),
        };
        let (update, seen) = match &stored.renewal {
            None => (update, "attribute_not_exists(#renewal)"),
            Some(seen) => (
                update
                    .expression_attribute_names("#id", c::RENEWAL_ID)
                    .expression_attribute_values(":seen", s(&seen.id)),
                "#renewal.#id = :seen",
            ),
        };
        let condition = format!("{} = :generation AND {seq} AND {seen}", c::GENERATION);
        // A claim whose answer was lost is in the row all the same.
        match row_after(update.condition_expression(condition), "claim a renewal").await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(row)) => Ok(claim_of(&row).is_some_and(|found| found.id == claim.id)),
            Err(error) => match self.claim_in_row(stored).await? {
                Some(found) if found.id == claim.id => Ok(true),
                _ => Err(error),
            },
        }
    }

    async fn claim_in_row(&self, stored: &StoredConnection) -> Result<Option<RenewalClaim>, StoreError> {
        let key = rows::connection_key(&stored.connection.user, stored.connection.provider);
        let get = self.client.get_item().table_name(self.connections).set_key(Some(key));
        let get = get.consistent_read(true).projection_expression("#renewal");
        let get = get.expression_attribute_names("#renewal", c::RENEWAL);
        let answer = get.send().await.map_err(|error| StoreError::of_sdk("read a claim", &error))?;
        Ok(answer.item.as_ref().and_then(claim_of))
    }

    pub(super) async fn release(
        &self,
        stored: &StoredConnection,
        claim: &RenewalClaim,
    ) -> Result<(), StoreError> {
        let update = self.of_claim(stored, claim).update_expression("REMOVE #renewal");
        row_after(update, "release a renewal").await.map(drop)
    }

    pub(super) async fn note_refusal(
        &self,
        stored: &StoredConnection,
        claim: &RenewalClaim,
    ) -> Result<(), StoreError> {
        let update = self
            .of_claim(stored, claim)
            .update_expression("SET #renewal.#refusals = :refusals")
            .expression_attribute_names("#refusals", c::RENEWAL_REFUSALS)
            .expression_attribute_values(":refusals", n(claim.refusals.into()));
        row_after(update, "note a refused renewal").await.map(drop)
    }

    pub(super) async fn save(
        &self,
        platform: &Platform,
        stored: &StoredConnection,
        claim: &RenewalClaim,
        tokens: &NewTokens,
    ) -> Result<bool, StoreError> {
        let update = self.save_update(stored, claim, tokens);
        let attempt = || async {
            match row_after(update.clone(), "save renewed tokens").await {
                Ok(Ok(())) => Try::Settled(Ok(true)),
                // A repetition whose first answer was lost finds its own attempt.
                Ok(Err(row)) => {
                    Try::Settled(Ok(rows::text(&row, c::LAST_ATTEMPT_BY) == Some(&tokens.attempt_id)))
                }
                Err(error) => Try::Transient(Err(error)),
            }
        };
        Retry::new(platform, SAVE_POLICY).run(attempt).await
    }

    fn save_update(
        &self,
        stored: &StoredConnection,
        claim: &RenewalClaim,
        tokens: &NewTokens,
    ) -> UpdateItemFluentBuilder {
        let seq = stored.token_seq.saturating_add(1);
        let mut set = vec![
            (c::ACCESS_TOKEN, b(tokens.sealed.clone())),
            (c::TOKEN_SEQ, n(seq)),
            (c::LAST_ATTEMPT_BY, s(&tokens.attempt_id)),
            // Whoever hands tokens out says that they live.
            (c::LAST_CHECKED_AT, rfc3339(tokens.at)),
        ];
        let mut remove = vec!["#renewal"];
        match tokens.expires_at {
            Some(at) => set.push((c::ACCESS_EXPIRES_AT, rfc3339(at))),
            None => remove.push(c::ACCESS_EXPIRES_AT),
        }
        if let Some(scopes) = &tokens.scopes {
            set.push((c::SCOPES, s(scopes.to_string())));
            set.push((c::SCOPES_CHECKED_AT, rfc3339(tokens.at)));
        }
        let assignments: Vec<_> =
            set.iter().enumerate().map(|(index, (name, _))| format!("{name} = :v{index}")).collect();
        let expression = format!("SET {} REMOVE {}", assignments.join(", "), remove.join(", "));
        let update = self.of_claim(stored, claim).update_expression(expression);
        set.into_iter().enumerate().fold(update, |update, (index, (_, value))| {
            update.expression_attribute_values(format!(":v{index}"), value)
        })
    }

    pub(super) async fn count(
        &self,
        counter: Counter,
        at: Timestamp,
        limit: u32,
    ) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(self.sessions)
            .set_key(Some(rows::id_key(counter.row(at))))
            .update_expression(format!("ADD {} :one SET {} = :until", sweep::COUNT, a::EXPIRES_AT))
            .condition_expression(format!("attribute_not_exists({0}) OR {0} < :limit", sweep::COUNT))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":limit", n(i64::from(limit)))
            .expression_attribute_values(":until", seconds(at.saturating_add(KEEP_COUNTER).unwrap_or(at)));
        row_after(update, "count").await.map(|done| done.is_ok())
    }

    fn of_generation(&self, stored: &StoredConnection) -> UpdateItemFluentBuilder {
        let key = rows::connection_key(&stored.connection.user, stored.connection.provider);
        self.client
            .update_item()
            .table_name(self.connections)
            .set_key(Some(key))
            .expression_attribute_names("#renewal", c::RENEWAL)
            .expression_attribute_values(":generation", s(stored.generation.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    fn of_claim(&self, stored: &StoredConnection, claim: &RenewalClaim) -> UpdateItemFluentBuilder {
        self.of_generation(stored)
            .condition_expression(format!("{} = :generation AND #renewal.#id = :claim", c::GENERATION))
            .expression_attribute_names("#id", c::RENEWAL_ID)
            .expression_attribute_values(":claim", s(&claim.id))
    }
}

/// Done; or the row as it is, where the condition refuses the update.
async fn row_after(
    update: UpdateItemFluentBuilder,
    operation: &'static str,
) -> Result<Result<(), Item>, StoreError> {
    match update.send().await {
        Ok(_) => Ok(Ok(())),
        Err(error) if is_refusal(&error) => Ok(Err(match error.into_service_error() {
            UpdateItemError::ConditionalCheckFailedException(refusal) => refusal.item.unwrap_or_default(),
            _ => Item::default(),
        })),
        Err(error) => Err(StoreError::of_sdk(operation, &error)),
    }
}

fn item_of(claim: &RenewalClaim) -> Item {
    Item::from([
        (c::RENEWAL_ID.to_owned(), s(&claim.id)),
        (c::RENEWAL_AT.to_owned(), rfc3339(claim.at)),
        (c::RENEWAL_REFUSALS.to_owned(), n(claim.refusals.into())),
        (c::RENEWAL_AFTER_LOSS.to_owned(), AttributeValue::Bool(claim.after_loss)),
    ])
}

/// The claim in a connection's row.
pub(super) fn claim_of(row: &Item) -> Option<RenewalClaim> {
    let claim = row.get(c::RENEWAL)?.as_m().ok()?;
    let flag = |name| claim.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or_default();
    Some(RenewalClaim {
        id: rows::text(claim, c::RENEWAL_ID).unwrap_or_default().to_owned(),
        at: rows::time(claim, c::RENEWAL_AT).unwrap_or(Timestamp::UNIX_EPOCH),
        refusals: rows::number(claim, c::RENEWAL_REFUSALS)
            .and_then(|count| count.try_into().ok())
            .unwrap_or(0),
        after_loss: flag(c::RENEWAL_AFTER_LOSS),
    })
}
