//! Errors with their causes, safe to log.
//!
//! Library errors may carry what must not be logged: a reqwest error prints its URL, an SDK error
//! holds the raw answer. So their texts are copied, without those that may hold a secret, and the
//! errors themselves are dropped. [`chain`] prints an error with all of its causes.

use std::error::Error;
use std::fmt;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// Why something failed, as text, and why that failed in turn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

impl Cause {
    /// A cause in our own words.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }

    /// A cause in our own words, of another.
    pub fn because(text: impl Into<String>, source: Self) -> Self {
        Self { text: text.into(), source: Some(Box::new(source)) }
    }

    /// The texts of an error and its sources; `None` where all of them may hold a URL.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let source = error.source().and_then(Self::of);
        if error.is::<reqwest::Error>() {
            return source;
        }
        Some(Self { text: error.to_string(), source: source.map(Box::new) })
    }

    /// Why an AWS call failed: the error's own name, or why there was no answer. Never the message,
    /// which may repeat what was in the call.
    pub fn of_aws<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Self {
        match error {
            SdkError::TimeoutError(_) => Self::new("timed out"),
            SdkError::DispatchFailure(failure) => {
                let source = failure.as_connector_error().and_then(|error| Self::of(error));
                Self { text: "not reached".to_owned(), source: source.map(Box::new) }
            }
            SdkError::ConstructionFailure(_) | SdkError::ResponseError(_) => Self::new("no sensible answer"),
            error => Self::new(error.code().unwrap_or("unnamed error")),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// An error and its causes, the outermost first, separated by colons.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the outer")]
    struct Outer(#[source] Cause);

    #[test]
    fn an_error_is_printed_with_its_causes() {
        let cause = Cause::because("the inner", Cause::new("the innermost"));
        assert_eq!(chain(&Outer(cause)), "the outer: the inner: the innermost");
    }

    #[test]
    fn causes_are_copied_one_by_one() {
        let copied = Cause::of(&Outer(Cause::new("the inner"))).unwrap();
        assert_eq!(chain(&copied), "the outer: the inner");
    }
}
