//! The functions, booted as Lambda would: each with the environment the template gives it, invoked
//! with an event and a context, answering with JSON.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::platform::Platform;
use evosync_connections::providers::Registry;
use evosync_connections::web::{Boot, Frame, WebFunction, service};
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use lambda_http::tower::ServiceExt as _;
use lambda_http::{Context, LambdaEvent};
use serde_json::Value;

use crate::cloudformation::FunctionSpec;

/// A booted function.
#[derive(Clone)]
pub struct Function {
    handler: Handler,
    timeout: Duration,
    platform: Platform,
}

/// The invocation has no answer; API Gateway would say 500, or 503 after the time-out.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The event is not what the function takes.
    #[error("malformed event: {0}")]
    Event(#[from] serde_json::Error),
    /// The function failed.
    #[error("function error: {0}")]
    Failed(String),
    /// The function did not answer in time.
    #[error("timed out")]
    TimedOut,
}

/// A function did not boot.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Its environment is incomplete.
    #[error("{function}: {error}")]
    Config {
        /// The function.
        function: String,
        /// What is missing.
        error: ConfigError,
    },
    /// The template names a function that is not here.
    #[error("template.yaml names a function {0} that the local stack does not know")]
    Unknown(String),
}

impl Function {
    /// Boots the function of a template's entry.
    pub async fn boot(
        spec: &FunctionSpec,
        platform: &Platform,
        registry: &dyn Registry,
    ) -> Result<Self, BootError> {
        let env = &Env::of_map(spec.environment.clone());
        let handler = match spec.name.as_str() {
            "assets" => Frame::new(env).map(|frame| of_web(assets::Function, frame)),
            "callback" => web::<callback::Function>(env, platform, registry).await,
            "connect" => web::<connect::Function>(env, platform, registry).await,
            "dashboard" => web::<dashboard::Function>(env, platform, registry).await,
            "disconnect" => web::<disconnect::Function>(env, platform, registry).await,
            "events" => events::Function::boot(env, platform).map(of_events),
            "health-check" => health_check::Function::boot(env, platform, registry).await.map(of_sweep),
            "login" => web::<login::Function>(env, platform, registry).await,
            "page" => web::<page::Function>(env, platform, registry).await,
            "revoke" => revoke::Function::boot(env, platform, registry).await.map(of_revoke),
            "token" => token::Function::boot(env, platform, registry).await.map(of_token),
            name => return Err(BootError::Unknown(name.to_owned())),
        };
        let handler = handler.map_err(|error| BootError::Config { function: spec.name.clone(), error })?;
        Ok(Self { handler, timeout: spec.timeout, platform: platform.clone() })
    }

    /// Boots every function of the template.
    pub async fn boot_all(
        specs: &[FunctionSpec],
        platform: &Platform,
        registry: &dyn Registry,
    ) -> Result<HashMap<String, Self>, BootError> {
        let mut functions = HashMap::new();
        for spec in specs {
            functions.insert(spec.name.clone(), Self::boot(spec, platform, registry).await?);
        }
        Ok(functions)
    }

    /// Invokes the function with an event.
    pub async fn invoke(&self, request_id: &str, event: &Value) -> Result<Value, InvokeError> {
        let mut context = Context::default();
        context.request_id = request_id.to_owned();
        let timeout = SignedDuration::try_from(self.timeout).unwrap_or(SignedDuration::MAX);
        let end = self.platform.clock.now().saturating_add(timeout);
        context.deadline = end.map_or(0, |end| end.as_millisecond().unsigned_abs());
        let answer = (self.handler)(event.to_string(), context);
        tokio::time::timeout(self.timeout, answer).await.map_err(|_| InvokeError::TimedOut)?
    }
}

/// Takes an event's text, as Lambda's Runtime API hands it over.
type Handler = Arc<dyn Fn(String, Context) -> BoxFuture<'static, Result<Value, InvokeError>> + Send + Sync>;

async fn web<F: Boot>(
    env: &Env,
    platform: &Platform,
    registry: &dyn Registry,
) -> Result<Handler, ConfigError> {
    let frame = Frame::new(env)?;
    Ok(of_web(F::boot(env, platform, registry).await?, frame))
}

fn of_web(function: impl WebFunction, frame: Frame) -> Handler {
    let service = service(function, frame);
    Arc::new(move |event, context| {
        let service = service.clone();
        Box::pin(async move {
            let event = LambdaEvent::new(serde_json::from_str(&event)?, context);
            match service.oneshot(event).await {
                Ok(response) => Ok(serde_json::to_value(response)?),
                Err(never) => match never {},
            }
        })
    })
}

fn of_events(function: events::Function) -> Handler {
    let function = Arc::new(function);
    Arc::new(move |event, _context| {
        let function = Arc::clone(&function);
        Box::pin(async move { Ok(function.handle(&serde_json::from_str(&event)?).await) })
    })
}

fn of_token(function: token::Function) -> Handler {
    let function = Arc::new(function);
    Arc::new(move |event, context| {
        let function = Arc::clone(&function);
        Box::pin(async move { Ok(function.handle(&serde_json::from_str(&event)?, &context).await) })
    })
}

fn of_revoke(function: revoke::Function) -> Handler {
    let function = Arc::new(function);
    Arc::new(move |event, _context| {
        let function = Arc::clone(&function);
        Box::pin(async move { Ok(function.handle(&serde_json::from_str(&event)?).await) })
    })
}

fn of_sweep(function: health_check::Function) -> Handler {
    let function = Arc::new(function);
    Arc::new(move |event, context| {
        let function = Arc::clone(&function);
        Box::pin(async move {
            let summary = function.handle(&serde_json::from_str(&event)?, &context).await;
            let summary = summary.map_err(|diagnostic| InvokeError::Failed(diagnostic.error_message))?;
            Ok(serde_json::to_value(summary)?)
        })
    })
}
