//! AWS as a deployed function finds it: region, endpoints and credentials in the variables that Lambda sets.
//!
//! The SDK's own chain (`aws-config`) reads the same variables first, and would go on to profiles, web identities,
//! containers and instances. In Lambda there are none, and code for them is a tenth of a binary.

mod http;
mod variables;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_types::SdkConfig;

pub use http::http_client;
use variables::{Endpoints, credentials, is_on};

use crate::config::Env;

/// How long an AWS client waits for a connection, TLS included.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// The configuration of AWS clients by `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
/// `AWS_SESSION_TOKEN`, `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_USE_FIPS_ENDPOINT` and
/// `AWS_USE_DUALSTACK_ENDPOINT` ("Environment variables" in the AWS SDKs and Tools reference guide). All clients
/// share their connections.
///
/// The time-outs leave a function room to answer: API Gateway gives up after 30 seconds.
pub fn sdk_config(env: Env) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_WITHIN)
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(5))
        .build();
    let env = Arc::new(env);
    let region = env.optional("AWS_REGION").or_else(|| env.optional("AWS_DEFAULT_REGION"));
    let endpoints = Endpoints::of(Arc::clone(&env));
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http_client())
        .region(region.map(Region::new))
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(50)))
        .use_fips(is_on(&env, "AWS_USE_FIPS_ENDPOINT"))
        .use_dual_stack(is_on(&env, "AWS_USE_DUALSTACK_ENDPOINT"));
    config.set_endpoint_url(endpoints.of_all());
    config.set_credentials_provider(credentials(&env));
    config.service_config(endpoints).build()
}
