//! `openidconnect`'s calls, made by our bounded client.

use std::pin::Pin;

use evosync_connections::config::is_private;
use evosync_connections::error_chain::Cause;
use evosync_connections::http_client::{HttpClient, HttpError};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

/// Carries requests to the issuer.
pub(crate) struct Transport(pub(crate) HttpClient);

impl Transport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // Endpoints are named by the issuer's metadata, and the client secret travels to one of them.
        if !is_private(&request.uri().to_string()) {
            return Err(HttpError::Tls(Some(Cause::new("an address in the clear"))));
        }
        let request = reqwest::Request::try_from(request).map_err(|_| HttpError::Network(None))?;
        let request = reqwest::RequestBuilder::from_parts(self.0.requests().clone(), request);
        let answer = self.0.send(request).await?;
        let mut response = HttpResponse::new(answer.body.to_vec());
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Transport {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

#[cfg(test)]
mod tests {
    use evosync_connections::http_client::Limits;

    use super::*;

    #[tokio::test]
    async fn an_endpoint_in_the_clear_is_never_called() {
        let transport = Transport(HttpClient::new(Limits::default(), None).unwrap());
        let mut request = HttpRequest::new(Vec::new());
        *request.uri_mut() = "http://issuer.example/token".parse().unwrap();
        assert!(matches!(transport.send(request).await.unwrap_err(), HttpError::Tls(_)));
    }
}
