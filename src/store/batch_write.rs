//! Writing many rows in one call: conditional `PartiQL` updates (`BatchExecuteStatement` in DynamoDB's API
//! reference), each with an outcome of its own. They save calls, not money.

use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementErrorCodeEnum as Code, BatchStatementRequest, BatchStatementResponse,
    ReturnValuesOnConditionCheckFailure,
};

use super::rows::Item;
use super::{RACE_POLICY, StoreError};
use crate::platform::Platform;
use crate::retry::{Retry, Try};

/// An `UPDATE` of one row.
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) parameters: Vec<AttributeValue>,
}

/// What became of a statement.
pub(super) enum Written {
    Done,
    /// Its condition does not hold for the row as it is; `None` where there is no row.
    Refused(Option<Item>),
}

/// Writes in batches, and writes again what failed for the moment.
pub(super) struct BatchWrite {
    client: Client,
    retry: Retry,
}

impl BatchWrite {
    pub(super) fn new(platform: &Platform, client: Client) -> Self {
        Self { client, retry: Retry::new(platform, RACE_POLICY) }
    }

    /// Writes at most 25 statements about different rows. The outcomes come in the same order.
    pub(super) async fn write(&self, statements: &[Statement]) -> Vec<Result<Written, StoreError>> {
        let outcomes = Mutex::new((0..statements.len()).map(|_| None).collect::<Vec<_>>());
        self.retry.run(|| self.write_what_is_missing(statements, &outcomes)).await;
        let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unanswered = || Err(error("unanswered"));
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(unanswered)).collect()
    }

    /// One call. Transient if it, or one of its statements, is worth another.
    async fn write_what_is_missing(&self, statements: &[Statement], outcomes: &Mutex<Outcomes>) -> Try<()> {
        let missing: Vec<_> = {
            let outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            (0..statements.len()).filter(|index| !matches!(outcomes[*index], Some(Ok(_)))).collect()
        };
        let answers = self.call(missing.iter().map(|index| &statements[*index])).await;
        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut again = false;
        for (position, index) in missing.into_iter().enumerate() {
            let answer = match &answers {
                Ok(answers) => answers.get(position).map_or_else(|| Err(error("unanswered")), outcome),
                Err(failure) => Err(failure.clone()),
            };
            again |= answer.is_err();
            outcomes[index] = Some(answer);
        }
        if again { Try::Transient(()) } else { Try::Settled(()) }
    }

    async fn call(
        &self,
        statements: impl Iterator<Item = &Statement>,
    ) -> Result<Vec<BatchStatementResponse>, StoreError> {
        let requests = statements.map(request).collect::<Result<Vec<_>, _>>()?;
        let answer = self.client.batch_execute_statement().set_statements(Some(requests)).send().await;
        let answer = answer.map_err(|failure| StoreError::of_sdk(OPERATION, &failure))?;
        Ok(answer.responses.unwrap_or_default())
    }
}

type Outcomes = Vec<Option<Result<Written, StoreError>>>;

const OPERATION: &str = "write rows";

fn error(cause: &str) -> StoreError {
    StoreError::new(OPERATION, cause)
}

fn request(statement: &Statement) -> Result<BatchStatementRequest, StoreError> {
    let request = BatchStatementRequest::builder()
        .statement(&statement.text)
        .set_parameters(Some(statement.parameters.clone()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    Ok(request.build()?)
}

fn outcome(response: &BatchStatementResponse) -> Result<Written, StoreError> {
    let Some(failure) = &response.error else { return Ok(Written::Done) };
    match &failure.code {
        Some(Code::ConditionalCheckFailed) => Ok(Written::Refused(failure.item.clone())),
        code => Err(error(code.as_ref().map_or("no code", Code::as_str))),
    }
}
