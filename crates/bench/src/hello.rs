//! The yardstick: what actix-web does when the application does nothing.

use actix_web::{App, HttpServer, web};
use serde::Serialize;

use crate::Outcome;

/// Where the yardstick listens.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The port on 127.0.0.1.
    #[arg(long)]
    port: u16,
}

#[derive(Serialize)]
struct Hello {
    message: &'static str,
}

async fn hello() -> web::Json<Hello> {
    web::Json(Hello { message: "hello" })
}

/// Serves until the process is ended, with as many workers as cores: actix-web's default, and the server's.
pub(crate) fn serve(options: &Options) -> Outcome<()> {
    let address = ("127.0.0.1", options.port);
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(|| App::new().route("/", web::get().to(hello)).route("/ready", web::get().to(hello)))
            .bind(address)?
            .run()
            .await
    })?;
    Ok(())
}
