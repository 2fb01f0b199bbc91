//! Secrets Manager, as far as the functions and an operator's commands use it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Secrets by name.
type Values = HashMap<String, String>;

/// Secrets, kept in a file that only its owner can read, or in memory.
pub(super) struct SecretsManager {
    file: Option<PathBuf>,
    values: Mutex<Values>,
    gives_binary: AtomicBool,
}

impl SecretsManager {
    pub(super) fn open(file: Option<PathBuf>) -> io::Result<Self> {
        let values = match &file {
            Some(file) if file.exists() => serde_json::from_slice(&fs::read(file)?)?,
            _ => Values::new(),
        };
        Ok(Self { file, values: Mutex::new(values), gives_binary: AtomicBool::new(false) })
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn put(&self, name: &str, value: &str) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.insert(name.to_owned(), value.to_owned());
        if let Some(file) = &self.file
            && let Err(error) = crate::net::write_private(file, &json!(*values).to_string())
        {
            tracing::error!(%error, "secrets not kept");
        }
    }

    /// Gives every value as one that was stored with `--secret-binary`.
    pub(super) fn give_binary(&self) {
        self.gives_binary.store(true, Ordering::Relaxed);
    }

    /// Answers an operation (Secrets Manager API reference).
    pub(super) fn handle(&self, operation: &str, body: &[u8]) -> (StatusCode, Value) {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let id = request["SecretId"].as_str().unwrap_or_default();
        match (operation, self.get(id)) {
            ("GetSecretValue", Some(value)) => {
                let (member, value) = if self.gives_binary.load(Ordering::Relaxed) {
                    ("SecretBinary", STANDARD.encode(value))
                } else {
                    ("SecretString", value)
                };
                (StatusCode::OK, json!({"ARN": id, "Name": id, member: value}))
            }
            ("PutSecretValue", Some(_)) => {
                self.put(id, request["SecretString"].as_str().unwrap_or_default());
                (StatusCode::OK, json!({"ARN": id, "Name": id}))
            }
            ("GetSecretValue" | "PutSecretValue", None) => error("ResourceNotFoundException"),
            _ => error("UnknownOperationException"),
        }
    }
}

fn error(kind: &str) -> (StatusCode, Value) {
    (StatusCode::BAD_REQUEST, json!({"__type": kind, "Message": kind}))
}
