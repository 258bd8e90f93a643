//! Starting the server.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use frontdesk_profile::ClaimPolicy;

use crate::body::UploadRoom;
use crate::config::{CorsPolicy, HttpConfig, OriginPattern, Services};
use crate::edge::edge;
use crate::metrics::Metrics;
use crate::openapi::openapi_json;
use crate::routes;
use crate::routes::operations::{Description, Uptime};

/// How long a client may take to send the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);

/// How long requests in flight may take once the server stops, in seconds. Whoever stops it waits a second longer.
const SHUTDOWN_SECONDS: u64 = 7;

/// How long browsers may remember what CORS allows, in seconds.
const PREFLIGHT_SECONDS: usize = 3_600;

fn cors(policy: &CorsPolicy) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "x-app-type",
            "x-confirm-password",
            "x-request-id",
        ])
        .expose_headers([
            "deprecation",
            "etag",
            "idempotent-replayed",
            "link",
            "location",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "x-request-id",
        ])
        .max_age(PREFLIGHT_SECONDS);
    let cors = if policy.allow_credentials { cors.supports_credentials() } else { cors };
    if policy.origins.contains(&OriginPattern::Any) {
        return cors.allow_any_origin().send_wildcard();
    }
    let policy = policy.clone();
    cors.allowed_origin_fn(move |origin, _| origin.to_str().is_ok_and(|origin| policy.allows(origin)))
}

/// Serves on a listener until the server's handle stops it. Signals are the caller's business.
pub fn serve(listener: TcpListener, services: Services, config: HttpConfig) -> io::Result<Server> {
    let workers = config.workers.max(1);
    let metrics = Data::new(Metrics::new(config.users_auth == ClaimPolicy::Open));
    let uptime = Data::new(Uptime::since(services.clock.now()));
    let description = Data::new(Description::made_by(|| openapi_json().into()));
    let room = Data::new(UploadRoom::new());
    let services = Data::new(services);
    let config = Data::new(config);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(services.clone())
            .app_data(config.clone())
            .app_data(metrics.clone())
            .app_data(uptime.clone())
            .app_data(description.clone())
            .app_data(room.clone())
            .wrap(cors(&config.cors))
            .wrap(from_fn(edge))
            .configure(routes::configure)
    });
    let server = server
        .workers(workers)
        .client_request_timeout(HEAD_PATIENCE)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}
