//! Boots the connect function.

fn main() -> Result<(), lambda_http::Error> {
    evosync_connections::web::main::<connect::Function>()
}
