//! `GET /assets/{file}`: the embedded static files. Also the 404 page for every route that no other
//! function serves.

use evosync_connections::domain::Provider;
use evosync_connections::pages::{Problem, assets};
use evosync_connections::web::{Answer, Failure, WebFunction, path};
use lambda_http::{Request, RequestExt as _};

/// The function. It needs no configuration and has no permissions.
pub struct Function;

impl WebFunction for Function {
    const SHOWS_PAGES: bool = true;

    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        let parameters = request.path_parameters_ref();
        let asset = parameters.and_then(|parameters| parameters.first("file")).and_then(assets::find);
        Ok(match asset {
            Some(asset) => Answer::asset(asset.media_type, asset.bytes),
            None => callback(request).map_or(Answer::problem(Problem::NotFound), Answer::see_other),
        })
    }
}

/// Where a callback belongs that came with a slash after its path, as Evotor's documentation has it. API Gateway
/// takes it for another path, and no route may end in a slash.
fn callback(request: &Request) -> Option<String> {
    let path = path(request).strip_suffix('/')?;
    let mut callbacks = Provider::ALL.iter().map(|provider| provider.callback_path());
    let callback = callbacks.find(|callback| callback == path)?;
    Some(format!("{callback}?{}", request.uri().query().unwrap_or_default()))
}
