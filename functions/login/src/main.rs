//! Boots the login function.

fn main() -> Result<(), lambda_http::Error> {
    evosync_connections::web::main::<login::Function>()
}
