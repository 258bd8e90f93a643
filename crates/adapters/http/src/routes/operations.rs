//! What operators and tools ask: health, readiness, metrics, the description of the API.

use std::sync::{Arc, LazyLock};

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use bytes::Bytes;
use frontdesk_kernel::Timestamp;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_swagger_ui::Config;

use crate::config::{HttpConfig, Services};
use crate::dto::error::ErrorBody;
use crate::error::{ApiError, ApiResult, Code};
use crate::metrics::Metrics;
use crate::openapi::openapi_json;
use crate::ws::asyncapi_json;

/// The page draws itself from its own origin, and sets styles as it goes.
const DOCS_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'unsafe-inline'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";

/// Nothing but its own script, style and sockets.
const ROOMS_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static DOCS: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from("/openapi.json")));

/// The descriptions of the API, each made when it is first asked for: a start is to be quick.
pub(crate) struct Descriptions {
    openapi: LazyLock<Bytes, fn() -> Bytes>,
    asyncapi: LazyLock<Bytes, fn() -> Bytes>,
}

impl Descriptions {
    pub(crate) const fn new() -> Self {
        Self { openapi: LazyLock::new(|| openapi_json().into()), asyncapi: LazyLock::new(|| asyncapi_json().into()) }
    }
}

/// When the process began to serve.
pub(crate) struct Uptime(Timestamp);

impl Uptime {
    pub(crate) const fn since(started: Timestamp) -> Self {
        Self(started)
    }
}

/// The process is alive.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthBody {
    /// Always `ok`.
    status: &'static str,
    version: &'static str,
    /// `memory` or `postgres`.
    storage: &'static str,
    uptime_seconds: u64,
}

/// Everything the process needs is there.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReadyBody {
    /// Always `ready`.
    status: &'static str,
}

/// Alive; answers without the database.
#[utoipa::path(get, path = "/health", operation_id = "health", tag = "operations",
    responses((status = 200, body = HealthBody)))]
pub(crate) async fn health((services, config, uptime): (Data<Services>, Data<HttpConfig>, Data<Uptime>)) -> ApiResult {
    Ok(HttpResponse::Ok().json(HealthBody {
        status: "ok",
        version: config.version,
        storage: config.storage.as_str(),
        uptime_seconds: services.clock.now().since(uptime.0).as_secs(),
    }))
}

/// Describes `GET /`, which answers as `/health` does.
#[utoipa::path(get, path = "/", operation_id = "root", tag = "operations",
    responses((status = 200, body = HealthBody)))]
#[expect(dead_code, reason = "carries the description; the handler is `health`")]
fn root() {}

/// Ready to serve, or what is missing.
#[utoipa::path(get, path = "/ready", operation_id = "ready", tag = "operations",
    responses((status = 200, body = ReadyBody), (status = 503, body = ErrorBody)))]
pub(crate) async fn ready(services: Data<Services>) -> ApiResult {
    let missing = services.readiness.missing().await;
    if missing.is_empty() {
        return Ok(HttpResponse::Ok().json(ReadyBody { status: "ready" }));
    }
    Err(ApiError::new(Code::Unavailable, missing.join("; ")).detail("missing", json!(missing)))
}

/// Prometheus metrics.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(crate) async fn metrics((metrics, services): (Data<Metrics>, Data<Services>)) -> ApiResult {
    let text = metrics.render(services.rooms.hub().counts()).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(text))
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "operations",
    responses((status = 200, body = Object)))]
pub(crate) async fn openapi(descriptions: Data<Descriptions>) -> ApiResult {
    Ok(HttpResponse::Ok().content_type("application/json").body(descriptions.openapi.clone()))
}

/// The frames of the rooms (`AsyncAPI` 3.0).
#[utoipa::path(get, path = "/asyncapi.json", operation_id = "asyncapi", tag = "operations",
    responses((status = 200, body = Object)))]
pub(crate) async fn asyncapi(descriptions: Data<Descriptions>) -> ApiResult {
    Ok(HttpResponse::Ok().content_type("application/json").body(descriptions.asyncapi.clone()))
}

/// The page lives below a slash, which its own links need.
pub(crate) async fn docs_home() -> ApiResult {
    Ok(HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish())
}

/// The page that shows a room at work, and its parts.
fn of_rooms(file: &str) -> Option<(&'static str, &'static str)> {
    match file {
        "rooms" => Some(("text/html; charset=utf-8", include_str!("../../assets/rooms.html"))),
        "rooms.js" => Some(("text/javascript; charset=utf-8", include_str!("../../assets/rooms.js"))),
        "rooms.css" => Some(("text/css; charset=utf-8", include_str!("../../assets/rooms.css"))),
        _ => None,
    }
}

/// The documentation pages and their parts, all inside the binary.
pub(crate) async fn docs(file: Path<String>) -> ApiResult {
    if let Some((content_type, text)) = of_rooms(&file) {
        let policy = (header::CONTENT_SECURITY_POLICY, ROOMS_SECURITY_POLICY);
        return Ok(HttpResponse::Ok().insert_header(policy).content_type(content_type).body(text));
    }
    let found = utoipa_swagger_ui::serve(&file, DOCS.clone());
    let found = found.map_err(|error| ApiError::internal(error.to_string()))?;
    let found = found.ok_or_else(ApiError::not_found)?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_SECURITY_POLICY, DOCS_SECURITY_POLICY));
    if found.gzpipped {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(response.content_type(found.content_type).body(found.bytes.into_owned()))
}
