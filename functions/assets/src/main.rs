//! Boots the assets function, which reads no environment.

fn main() -> Result<(), lambda_http::Error> {
    evosync_connections::web::run(assets::Function)
}
