//! Boots the page function.

fn main() -> Result<(), lambda_http::Error> {
    evosync_connections::web::main::<page::Function>()
}
