//! Boots the disconnect function.

fn main() -> Result<(), lambda_http::Error> {
    evosync_connections::web::main::<disconnect::Function>()
}
