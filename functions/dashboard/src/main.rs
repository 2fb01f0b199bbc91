//! Boots the dashboard function.

fn main() -> Result<(), lambda_http::Error> {
    evosync_connections::web::main::<dashboard::Function>()
}
