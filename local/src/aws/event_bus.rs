//! EventBridge and SQS, as far as events are put on a bus and what cannot be put there into a queue.

use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use serde_json::{Value, json};

/// What has arrived, oldest first.
#[derive(Default)]
pub(super) struct EventBus {
    events: Mutex<Vec<Value>>,
    messages: Mutex<Vec<Value>>,
    refusal: Mutex<Option<String>>,
}

impl EventBus {
    /// Every event, with its detail read.
    pub(super) fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every message of the queue.
    pub(super) fn messages(&self) -> Vec<Value> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers each event with an error code from now on; `None` accepts them again.
    pub(super) fn refuse(&self, code: Option<&str>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = code.map(str::to_owned);
    }

    /// Answers `PutEvents` (EventBridge API reference).
    pub(super) fn put_events(&self, body: &[u8]) -> (StatusCode, Value) {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let entries = request["Entries"].as_array().cloned().unwrap_or_default();
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answers: Vec<_> = match &refusal {
            Some(code) => entries.iter().map(|_| json!({ "ErrorCode": code })).collect(),
            None => entries.into_iter().map(|entry| self.keep(entry)).collect(),
        };
        let failed = if refusal.is_some() { answers.len() } else { 0 };
        (StatusCode::OK, json!({ "FailedEntryCount": failed, "Entries": answers }))
    }

    fn keep(&self, mut entry: Value) -> Value {
        let detail = entry["Detail"].as_str().and_then(|detail| serde_json::from_str(detail).ok());
        entry["Detail"] = detail.unwrap_or_default();
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(entry);
        json!({ "EventId": events.len().to_string() })
    }

    /// Answers `SendMessage` (SQS API reference).
    pub(super) fn send_message(&self, body: &[u8]) -> (StatusCode, Value) {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = request["MessageBody"].as_str().unwrap_or_default();
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.push(serde_json::from_str(text).unwrap_or_default());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        let id = format!("{:02x?}", &digest.as_ref()[..4]);
        (StatusCode::OK, json!({ "MessageId": id }))
    }
}
