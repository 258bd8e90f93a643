//! The outermost layer: every answer passes here, whoever made it.
//!
//! It gives the request its id, puts on the headers that all answers have, renders errors in the form of the facade
//! that was called, logs one line, and counts.

use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};
use frontdesk_kernel::gcra::Verdict;
use serde_json::{Value, json};

use crate::body::Unread;
use crate::config::Services;
use crate::credential::{Noted, POLICY};
use crate::error::{ApiError, Code};
use crate::metrics::Metrics;
use crate::routes::Pattern;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What logs say of a client that did not wait; no answer is ever sent with it.
const CLIENT_CLOSED: u16 = 499;

/// Nothing that this service answers may run or be framed; the documentation page has rules of its own.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// A request id that a client sent, if it is fit for a log.
fn sane(value: &HeaderValue) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    (1..=128).contains(&value.len()) && value.as_bytes().iter().all(allowed)
}

fn request_id(request: &ServiceRequest) -> HeaderValue {
    if let Some(sent) = request.headers().get(&REQUEST_ID).filter(|value| sane(value)) {
        return sent.clone();
    }
    let drawn = request
        .app_data::<Data<Services>>()
        .map(|services| services.entropy.uuid_v7(services.clock.now()).to_string())
        .and_then(|id| HeaderValue::from_maybe_shared(id).ok());
    drawn.unwrap_or(HeaderValue::from_static("none"))
}

/// Which facades answer with the bare envelope.
fn is_v1(path: &str) -> bool {
    ["/api/v1", "/internal/v1", "/webhooks"]
        .iter()
        .any(|prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The path that decides the form of an error: the pattern a request was routed by, so that an encoded letter in the
/// path makes no other surface of it.
fn surface(request: &HttpRequest) -> &str {
    request.app_data::<Pattern>().map_or_else(|| request.path(), |pattern| pattern.0)
}

/// Puts a made-up method under one name: a label for each would grow without bound.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The error behind an answer that is none of ours: the router's, the framework's, the CORS layer's.
fn foreign(status: StatusCode) -> ApiError {
    match status {
        StatusCode::NOT_FOUND => ApiError::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => ApiError::new(Code::MethodNotAllowed, "Method Not Allowed"),
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(Code::PayloadTooLarge, "the body is too large"),
        StatusCode::REQUEST_TIMEOUT => ApiError::new(Code::RequestTimeout, "the request took too long"),
        StatusCode::SERVICE_UNAVAILABLE => ApiError::new(Code::Unavailable, "the service is temporarily unavailable"),
        status if status.is_client_error() => ApiError::malformed("the request cannot be read"),
        status => ApiError::internal(format!("a layer answered {status}")),
    }
}

fn render(error: &ApiError, is_v1: bool) -> Value {
    let object = error.object();
    if is_v1 { json!({ "error": object }) } else { json!({ "detail": error.message, "error": object }) }
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::from_maybe_shared(value) {
        headers.insert(name, value);
    }
}

pub(crate) fn error_response(error: &ApiError, is_v1: bool) -> HttpResponse {
    let mut response = HttpResponse::build(error.code.status()).json(render(error, is_v1));
    let headers = response.headers_mut();
    if error.code == Code::Unauthorized {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if error.code == Code::UpgradeRequired {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    if let Some(wait) = error.retry_after {
        put(headers, header::RETRY_AFTER, seconds(wait).max(1).to_string());
    }
    if let Some(allow) = &error.allow {
        put(headers, header::ALLOW, allow.clone());
    }
    response
}

/// The headers of the rate limit (draft-ietf-httpapi-ratelimit-headers).
fn rate_headers(headers: &mut HeaderMap, noted: Noted) {
    let Some((quota, verdict)) = noted.rate else { return };
    let (remaining, reset) = match verdict {
        Verdict::Allowed { remaining, reset } => (remaining, reset),
        Verdict::Refused { retry_after } => (0, retry_after),
    };
    let policy = format!("\"{POLICY}\";q={};w={}", quota.per_period(), quota.period().as_secs());
    put(headers, RATE_LIMIT_POLICY.clone(), policy);
    put(headers, RATE_LIMIT.clone(), format!("\"{POLICY}\";r={remaining};t={}", seconds(reset)));
}

fn common_headers(headers: &mut HeaderMap, id: HeaderValue, noted: Noted) {
    headers.insert(REQUEST_ID.clone(), id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    }
    // The CORS layer says these to every caller; they mean something to an origin that may read the answer.
    if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
        headers.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
    }
    rate_headers(headers, noted);
}

/// One line a request; no body, no query, no credential.
fn log(id: &HeaderValue, method: &'static str, route: &'static str, status: u16, took: Duration, noted: Noted) {
    let id = id.to_str().unwrap_or_default();
    let ms = took.as_secs_f64() * 1_000.0;
    let ms = (ms * 1_000.0).round() / 1_000.0;
    if let Some(user) = noted.user_id {
        tracing::info!(target: "frontdesk::access", request_id = id, method, route, status, ms, user_id = %user);
    } else {
        tracing::info!(target: "frontdesk::access", request_id = id, method, route, status, ms);
    }
}

/// Takes an answer that failed and gives the one to send, the error's cause logged.
fn finish<B: MessageBody + 'static>(response: ServiceResponse<B>, id: &HeaderValue) -> ServiceResponse {
    let status = response.status();
    let failed = response.response().error().is_some();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !failed && (status.as_u16() < 400 || is_json) {
        return response.map_into_boxed_body();
    }
    let own = response.response().error().and_then(|error| error.as_error::<ApiError>());
    let other = own.is_none().then(|| foreign(status));
    let replaced = own.or(other.as_ref()).map(|error| {
        if let Some(cause) = &error.cause {
            let id = id.to_str().unwrap_or_default();
            tracing::error!(request_id = id, code = error.code.as_str(), cause, "a request failed");
        }
        error_response(error, is_v1(surface(response.request())))
    });
    let Some(mut replaced) = replaced else { return response.map_into_boxed_body() };
    // What other layers have put on stays: CORS above all, without which a browser hides the error.
    for (name, value) in response.headers() {
        if !replaced.headers().contains_key(name) && name != header::CONTENT_LENGTH {
            replaced.headers_mut().append(name.clone(), value.clone());
        }
    }
    let (request, _) = response.into_parts();
    ServiceResponse::new(request, replaced)
}

/// Tells of a request whose client hung up before the answer: the framework drops it without a word.
struct HungUp<'a> {
    id: &'a HeaderValue,
    method: &'static str,
    started: Instant,
    is_answered: bool,
}

impl Drop for HungUp<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            log(self.id, self.method, "hung-up", CLIENT_CLOSED, self.started.elapsed(), Noted::default());
        }
    }
}

/// The layer itself.
pub(crate) async fn edge(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let started = Instant::now();
    Unread::set_aside(&mut request);
    let id = request_id(&request);
    let method = method_name(request.method());
    let mut hung_up = HungUp { id: &id, method, started, is_answered: false };
    let response = next.call(request).await;
    hung_up.is_answered = true;
    drop(hung_up);
    let response = response?;
    let mut response = finish(response, &id);
    let noted = response.request().extensions().get::<Noted>().copied().unwrap_or_default();
    let route = response.request().app_data::<Pattern>().map_or("unmatched", |pattern| pattern.0);
    let status = response.status().as_u16();
    log(&id, method, route, status, started.elapsed(), noted);
    if let Some(metrics) = response.request().app_data::<Data<Metrics>>() {
        metrics.answered(method, route, status, started.elapsed());
    }
    common_headers(response.headers_mut(), id, noted);
    let request = response.request().clone();
    Ok(response.map_body(|_, answer| Unread::behind(&request, answer)))
}
