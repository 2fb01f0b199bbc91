//! The HTTP client of the AWS clients. It is the one that everything else uses, so that a function has one TLS
//! stack, reads the roots once, and keeps one pool of connections.

use std::error::Error as _;

use aws_sdk_dynamodb::config::SharedHttpClient;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::HttpError;
use aws_smithy_types::body::SdkBody;
use hyper::Response;

use super::CONNECT_WITHIN;
use crate::http_client;

/// An HTTP client for AWS clients, with a pool of connections of its own. They wait a second for a
/// connection, whatever their settings say; other time-outs are theirs.
pub fn http_client() -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Connector::new());
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Debug)]
struct Connector {
    /// `None` where TLS cannot be initialised: every call fails, and says why.
    client: Option<reqwest::Client>,
}

impl Connector {
    fn new() -> Self {
        let builder = http_client::builder(None).ok();
        Self { client: builder.and_then(|builder| builder.connect_timeout(CONNECT_WITHIN).build().ok()) }
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.client.clone() {
            Some(client) => HttpConnectorFuture::new(call(client, request)),
            None => HttpConnectorFuture::ready(Err(ConnectorError::other(
                "TLS cannot be initialised".into(),
                None,
            ))),
        }
    }
}

/// What comes stays a stream: the SDK would print a body that it has whole, at its finest level of logging.
#[expect(clippy::disallowed_methods, reason = "the SDK bounds its calls")]
async fn call(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let request = request.map(|body| body.bytes().map(<[u8]>::to_vec).unwrap_or_default());
    let request = request.try_into().map_err(|error: reqwest::Error| ConnectorError::user(error.into()))?;
    let response = Response::<reqwest::Body>::from(client.execute(request).await.map_err(failed)?);
    let response = response.map(SdkBody::from_body_1_x);
    response.try_into().map_err(|error: HttpError| ConnectorError::other(error.into(), None))
}

/// The SDK calls again after a time-out, and where the connection was not made or broke.
fn failed(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        return ConnectorError::timeout(error.into());
    }
    let is_network = error.is_connect() || is_cut_off(&error);
    if is_network { ConnectorError::io(error.into()) } else { ConnectorError::other(error.into(), None) }
}

/// Whether the connection ended before the answer did.
fn is_cut_off(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let is_ended = error
            .downcast_ref::<hyper::Error>()
            .is_some_and(|error| error.is_closed() || error.is_canceled() || error.is_incomplete_message());
        if is_ended || error.is::<std::io::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}
