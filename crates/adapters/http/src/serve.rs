//! Starting the server.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_cors::Cors;
use actix_http::HttpService;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, Server};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use frontdesk_profile::ClaimPolicy;

use crate::body::UploadRoom;
use crate::config::{CorsPolicy, HttpConfig, OriginPattern, Services};
use crate::edge::edge;
use crate::metrics::Metrics;
use crate::routes;
use crate::routes::operations::{Descriptions, Uptime};
use crate::upgraded::{LINGER, upgraded};
use crate::ws::Tickets;

/// How long a client may take to send the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);

/// How long requests in flight may take once the server stops, in seconds. Whoever stops it waits a second longer.
const SHUTDOWN_SECONDS: u64 = 7;

/// How long browsers may remember what CORS allows, in seconds.
const PREFLIGHT_SECONDS: usize = 3_600;

/// How long the system tries to hand over what a peer does not take. Where nothing can be written, nothing else is asked
/// either: the timers of an answer, or of a socket, would never be looked at.
#[cfg(target_os = "linux")]
const STALLED_FOR: Duration = Duration::from_secs(20);

/// Frames are small and go out at once; a peer that has vanished, or never reads, is let go.
fn tune(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it began");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(STALLED_FOR)) {
        tracing::debug!(%error, "a connection has no limit on what its peer does not take");
    }
}

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
    let descriptions = Data::new(Descriptions::new());
    let tickets = Data::new(Tickets::new(&config.fingerprint_key));
    let room = Data::new(UploadRoom::new());
    let services = Data::new(services);
    let config = Data::new(config);
    let application = move || {
        App::new()
            .app_data(services.clone())
            .app_data(config.clone())
            .app_data(metrics.clone())
            .app_data(uptime.clone())
            .app_data(descriptions.clone())
            .app_data(tickets.clone())
            .app_data(room.clone())
            .wrap(cors(&config.cors))
            .wrap(from_fn(edge))
            .configure(routes::configure)
    };
    let server = Server::build().workers(workers).shutdown_timeout(SHUTDOWN_SECONDS).disable_signals();
    let stopping = server.graceful_shutdown_signal();
    // What `HttpServer` of actix-web does, which hands no connection over. (The address in its `AppConfig` stands in for a
    // missing `Host` where the framework builds URLs; nothing here does.)
    let service = move || {
        let stopping = stopping.clone();
        HttpService::build()
            .client_request_timeout(HEAD_PATIENCE)
            .client_disconnect_timeout(LINGER)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|connection, _| tune(connection))
            .upgrade(upgraded(application.clone()))
            .finish(map_config(application().into_factory().map_err(|error| error.error_response()), |()| {
                AppConfig::default()
            }))
            .tcp()
    };
    Ok(server.listen("frontdesk", listener, service)?.run())
}
