//! `openidconnect`'s calls, made by our bounded client.

use std::pin::Pin;

use evosync_connections::http::{HttpClient, HttpError};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

/// Carries requests to the issuer.
pub(crate) struct Transport(pub(crate) HttpClient);

impl Transport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = reqwest::Request::try_from(request).map_err(|_| HttpError::Network)?;
        let request = reqwest::RequestBuilder::from_parts(self.0.requests().clone(), request);
        let answer = self.0.send(request).await?;
        let mut response = HttpResponse::new(answer.body);
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
