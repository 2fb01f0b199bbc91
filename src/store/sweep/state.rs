//! The sweep's state: the rows `sweep:run` and `sweep:<run>:<part>` of `SESSIONS_TABLE`, where neither the
//! pages nor the scan meet them.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::attributes::session::{EXPIRES_AT, ID};
use super::super::attributes::sweep as a;
use super::super::rows::{self, Item, id_key, rfc3339, s, seconds};
use super::super::{StoreError, is_refusal};
use super::{DynamoSweepStore, Lease, Part, PartOf, Progress, Run};
use crate::domain::Provider;

/// How long a run's parts are kept, for operators to look at.
const KEEP_PARTS_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

fn run_key() -> Item {
    id_key("sweep:run".to_owned())
}

fn part_key(part: PartOf<'_>) -> Item {
    id_key(match part.part {
        Part::Segment(number) => format!("sweep:{}:{number}", part.run),
        Part::Closing => format!("sweep:{}:closing", part.run),
    })
}

pub(super) async fn run(store: &DynamoSweepStore) -> Result<Option<Run>, StoreError> {
    read(store, run_key(), "read the sweep's run").await?.as_ref().map(run_of).transpose()
}

pub(super) async fn progress(
    store: &DynamoSweepStore,
    part: PartOf<'_>,
) -> Result<Option<Progress>, StoreError> {
    read(store, part_key(part), "read a part of the sweep").await?.as_ref().map(progress_of).transpose()
}

async fn read(
    store: &DynamoSweepStore,
    key: Item,
    operation: &'static str,
) -> Result<Option<Item>, StoreError> {
    let get = store.client.get_item().table_name(&store.sessions).set_key(Some(key)).consistent_read(true);
    let answer = get.send().await.map_err(|error| StoreError::of_sdk(operation, &error))?;
    Ok(answer.item)
}

/// Begins a run in the place of the one before. What an operator has allowed stays. A repetition whose first
/// answer was lost finds its own run.
pub(super) async fn begin(
    store: &DynamoSweepStore,
    previous: Option<&str>,
    run: &Run,
) -> Result<Run, StoreError> {
    let open = run.open.iter().map(ToString::to_string).collect();
    let update = update(store, run_key())
        .update_expression(format!(
            "SET {} = :id, {} = :plan, {} = :open REMOVE {}, {}",
            a::RUN,
            a::PLAN,
            a::OPEN,
            a::FINISHED_AT,
            a::GIVEN_UP
        ))
        .expression_attribute_values(":id", s(&run.id))
        .expression_attribute_values(":plan", json(run)?)
        .expression_attribute_values(":open", AttributeValue::Ns(open));
    let update = match previous {
        None => update.condition_expression(format!("attribute_not_exists({}) OR {} = :id", ID, a::RUN)),
        Some(previous) => update
            .condition_expression(format!(
                "({run} = :previous AND attribute_exists({})) OR {run} = :id",
                a::FINISHED_AT,
                run = a::RUN
            ))
            .expression_attribute_values(":previous", s(previous)),
    };
    match refused_or(update, "begin a sweep").await? {
        Ok(row) | Err(row) => run_of(&row),
    }
}

/// A lease whose first answer was lost is found to be the worker's own.
pub(super) async fn lease(
    store: &DynamoSweepStore,
    part: PartOf<'_>,
    lease: Lease<'_>,
) -> Result<Option<Progress>, StoreError> {
    let update = update(store, part_key(part))
        .update_expression(format!(
            "SET {} = :worker, {} = :until, {EXPIRES_AT} = :keep",
            a::WORKER,
            a::LEASED_UNTIL
        ))
        .condition_expression(format!(
            "attribute_not_exists({until}) OR {until} < :now",
            until = a::LEASED_UNTIL
        ))
        .expression_attribute_values(":worker", s(lease.worker))
        .expression_attribute_values(":now", seconds(lease.now))
        .expression_attribute_values(":until", seconds(lease.until))
        .expression_attribute_values(":keep", seconds(lease.now + KEEP_PARTS_FOR));
    match refused_or(update, "lease a part of the sweep").await? {
        Ok(row) => progress_of(&row).map(Some),
        Err(row) if rows::text(&row, a::WORKER) == Some(lease.worker) => progress_of(&row).map(Some),
        Err(_) => Ok(None),
    }
}

pub(super) async fn checkpoint(
    store: &DynamoSweepStore,
    part: PartOf<'_>,
    worker: &str,
    progress: &Progress,
    ends_lease: bool,
) -> Result<bool, StoreError> {
    let end = if ends_lease { format!(" REMOVE {}", a::LEASED_UNTIL) } else { String::new() };
    let update = update(store, part_key(part))
        .update_expression(format!("SET {} = :progress{end}", a::PROGRESS))
        .condition_expression(format!("{} = :worker", a::WORKER))
        .expression_attribute_values(":worker", s(worker))
        .expression_attribute_values(":progress", json(progress)?);
    refused_or(update, "save the sweep's progress").await.map(|done| done.is_ok())
}

pub(super) async fn complete(
    store: &DynamoSweepStore,
    run: &str,
    segment: u32,
) -> Result<Option<Run>, StoreError> {
    let update = of_run(update(store, run_key()), run)
        .update_expression(format!("DELETE {} :segment", a::OPEN))
        .expression_attribute_values(":segment", AttributeValue::Ns(vec![segment.to_string()]));
    match refused_or(update, "complete a segment").await? {
        Ok(row) => run_of(&row).map(Some),
        Err(_) => Ok(None),
    }
}

pub(super) async fn give_up(
    store: &DynamoSweepStore,
    run: &str,
    provider: Provider,
) -> Result<(), StoreError> {
    let update = of_run(update(store, run_key()), run)
        .update_expression(format!("ADD {} :provider", a::GIVEN_UP))
        .expression_attribute_values(":provider", AttributeValue::Ss(vec![provider.key().to_owned()]));
    refused_or(update, "give a provider up").await.map(drop)
}

pub(super) async fn finish(
    store: &DynamoSweepStore,
    run: &str,
    at: Timestamp,
    summary: &str,
) -> Result<bool, StoreError> {
    let update = update(store, run_key())
        .update_expression(format!("SET {} = :at, {} = :summary", a::FINISHED_AT, a::SUMMARY))
        .condition_expression(format!("{} = :run AND attribute_not_exists({})", a::RUN, a::FINISHED_AT))
        .expression_attribute_values(":run", s(run))
        .expression_attribute_values(":at", rfc3339(at))
        .expression_attribute_values(":summary", s(summary));
    // A repetition whose first answer was lost finds its own summary.
    Ok(match refused_or(update, "finish the sweep").await? {
        Ok(_) => true,
        Err(row) => rows::text(&row, a::RUN) == Some(run) && rows::text(&row, a::SUMMARY) == Some(summary),
    })
}

fn update(store: &DynamoSweepStore, key: Item) -> UpdateItemFluentBuilder {
    store
        .client
        .update_item()
        .table_name(&store.sessions)
        .set_key(Some(key))
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

fn of_run(update: UpdateItemFluentBuilder, run: &str) -> UpdateItemFluentBuilder {
    update.condition_expression(format!("{} = :run", a::RUN)).expression_attribute_values(":run", s(run))
}

/// The row after the update; the row as it is, where the condition refuses it.
async fn refused_or(
    update: UpdateItemFluentBuilder,
    operation: &'static str,
) -> Result<Result<Item, Item>, StoreError> {
    match update.send().await {
        Ok(answer) => Ok(Ok(answer.attributes.unwrap_or_default())),
        Err(error) if is_refusal(&error) => Ok(Err(match error.into_service_error() {
            UpdateItemError::ConditionalCheckFailedException(refusal) => refusal.item.unwrap_or_default(),
            _ => Item::default(),
        })),
        Err(error) => Err(StoreError::of_sdk(operation, &error)),
    }
}

fn json(value: &impl Serialize) -> Result<AttributeValue, StoreError> {
    serde_json::to_string(value).map(s).map_err(|_| StoreError::new("write the sweep's state", "not JSON"))
}

fn of_json<T: DeserializeOwned>(item: &Item, name: &str) -> Result<Option<T>, StoreError> {
    let text = rows::text(item, name);
    let read = text.map(serde_json::from_str).transpose();
    read.map_err(|_| StoreError::new("read the sweep's state", "a row of another shape"))
}

fn progress_of(row: &Item) -> Result<Progress, StoreError> {
    of_json(row, a::PROGRESS).map(Option::unwrap_or_default)
}

fn run_of(row: &Item) -> Result<Run, StoreError> {
    let plan = of_json::<Run>(row, a::PLAN)?;
    let plan = plan.ok_or_else(|| StoreError::new("read the sweep's state", "a run without a plan"))?;
    let open = row.get(a::OPEN).and_then(|open| open.as_ns().ok());
    let given_up = row.get(a::GIVEN_UP).and_then(|given_up| given_up.as_ss().ok());
    Ok(Run {
        open: open.into_iter().flatten().filter_map(|number| number.parse().ok()).collect(),
        given_up: given_up.map(|keys| keys.iter().cloned().collect::<BTreeSet<_>>()).unwrap_or_default(),
        finished_at: rows::time(row, a::FINISHED_AT),
        allow_until: rows::time(row, a::ALLOW_UNTIL),
        ..plan
    })
}
