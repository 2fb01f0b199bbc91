//! `GET /assets/{file}`: the embedded static files. Also the 404 page for every route that no other
//! function serves.

use evosync_connections::pages::{Problem, assets};
use evosync_connections::web::{Answer, Failure, WebFunction};
use lambda_http::{Request, RequestExt as _};

/// The function. It needs no configuration and has no permissions.
pub struct Function;

impl WebFunction for Function {
    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        let parameters = request.path_parameters_ref();
        let asset = parameters.and_then(|parameters| parameters.first("file")).and_then(assets::find);
        Ok(match asset {
            Some(asset) => Answer::asset(asset.media_type, asset.bytes),
            None => Answer::problem(Problem::NotFound),
        })
    }
}
