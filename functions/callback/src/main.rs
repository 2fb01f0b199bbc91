//! Boots the callback function.

fn main() -> Result<(), lambda_http::Error> {
    evosync_connections::web::main::<callback::Function>()
}
