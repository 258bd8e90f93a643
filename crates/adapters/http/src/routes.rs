//! The route table: every path, its methods and its handlers, in one place.

use std::panic::AssertUnwindSafe;

use actix_web::guard::{self, Guard};
use actix_web::http::{Method, header};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Route};
use frontdesk_profile::UpdateError;
use frontdesk_profile::profile::View;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde_json::Value;

use crate::credential::Anonymous;
use crate::entity_tag;
use crate::error::{ApiError, ApiResult, Code};
use crate::metrics::Metrics;
use crate::ws;

pub(crate) mod account;
pub(crate) mod auth;
pub(crate) mod avatars;
pub(crate) mod export;
pub(crate) mod mobile;
pub(crate) mod operations;
pub(crate) mod realtime;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod users;
pub(crate) mod v1_profile;

/// The pattern a request was routed by, for the log and the metrics.
#[derive(Clone, Copy)]
pub(crate) struct Pattern(pub(crate) &'static str);

/// A path and what it answers to.
pub(crate) struct Path {
    pattern: &'static str,
    methods: Vec<Method>,
    resource: Resource,
}

/// A handler whose panic is an answer: actix would drop the connection.
#[derive(Clone)]
struct Contained<F>(F);

impl<F, Args> Handler<(HttpRequest, Args)> for Contained<F>
where
    F: Handler<Args, Output = ApiResult>,
    Args: 'static,
{
    type Output = ApiResult;
    type Future = LocalBoxFuture<'static, ApiResult>;

    fn call(&self, (request, args): (HttpRequest, Args)) -> Self::Future {
        let handler = self.0.clone();
        Box::pin(async move {
            let call = AssertUnwindSafe(async move { handler.call(args).await });
            call.catch_unwind().await.unwrap_or_else(|panic| {
                if let Some(metrics) = request.app_data::<Data<Metrics>>() {
                    metrics.panicked();
                }
                let words = panic.downcast_ref::<&str>().copied().map(str::to_owned);
                let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
                Err(ApiError::internal(format!("panic: {}", words.unwrap_or_default())))
            })
        })
    }
}

fn is_head_or(method: Method) -> impl Guard {
    let head = guard::Head();
    guard::fn_guard(move |context| context.head().method == method || (method == Method::GET && head.check(context)))
}

impl Path {
    fn new(pattern: &'static str) -> Self {
        Self { pattern, methods: Vec::new(), resource: web::resource(pattern) }
    }

    /// Adds a handler. Reading answers `HEAD` too.
    fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args, Output = ApiResult>,
        Args: FromRequest + 'static,
    {
        let route = Route::new().guard(is_head_or(method.clone())).to(Contained(handler));
        self.resource = self.resource.route(route);
        if method == Method::GET {
            self.methods.push(Method::HEAD);
        }
        self.methods.push(method);
        self
    }

    fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args, Output = ApiResult>,
        Args: FromRequest + 'static,
    {
        self.on(Method::GET, handler)
    }

    /// Adds what `GET` alone leads to: an upgrade has no head to be looked at.
    fn upgrade<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args, Output = ApiResult>,
        Args: FromRequest + 'static,
    {
        self.resource = self.resource.route(Route::new().guard(guard::Get()).to(Contained(handler)));
        self.methods.push(Method::GET);
        self
    }

    fn register(self, config: &mut ServiceConfig) {
        let mut allow: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        allow.sort_unstable();
        let allow = allow.join(", ");
        let refuse = move || {
            let allow = Some(allow.clone());
            let error = ApiError { allow, ..ApiError::new(Code::MethodNotAllowed, "Method Not Allowed") };
            async move { Err::<HttpResponse, _>(error) }
        };
        config.service(self.resource.app_data(Pattern(self.pattern)).default_service(web::to(refuse)));
    }
}

/// Every route.
pub(crate) fn table() -> Vec<Path> {
    // The router tries patterns in turn: the routes that are asked most stand first.
    vec![
        Path::new("/api/v1/profile").get(v1_profile::show).on(Method::PATCH, v1_profile::update),
        Path::new("/api/v1/settings").get(settings::show).on(Method::PATCH, settings::update),
        Path::new("/mobile/user/profile").get(mobile::show).on(Method::POST, mobile::update),
        Path::new("/avatars/{user}/{picture}/{file}").get(avatars::file),
        // Before the address of a size, whose pattern fits it too.
        Path::new("/avatars/upload/{id}").on(Method::POST, avatars::post),
        Path::new("/avatars/{user}/{size}").get(avatars::alias),
        Path::new("/users").on(Method::POST, users::register),
        Path::new("/users/{id}").get(users::show),
        Path::new("/users/{id}/profile").on(Method::PUT, users::update),
        Path::new("/users/{id}/avatar").on(Method::PUT, avatars::put),
        Path::new("/users/{id}/password").on(Method::PUT, users::set_password),
        Path::new("/update-user-name")
            .on(Method::POST, mobile::rename)
            .on(Method::PUT, mobile::rename)
            .on(Method::PATCH, mobile::rename),
        Path::new("/api/v1/auth/refresh").on(Method::POST, auth::refresh),
        Path::new("/api/v1/auth/login").on(Method::POST, auth::login),
        Path::new("/api/v1/auth/logout").on(Method::POST, auth::logout),
        Path::new("/api/v1/auth/sessions").get(sessions::list),
        Path::new("/api/v1/auth/sessions/{id}").on(Method::DELETE, sessions::end),
        Path::new("/api/v1/account").on(Method::DELETE, account::delete),
        Path::new("/api/v1/account/export").get(export::export),
        Path::new("/api/v1/profile/avatar").on(Method::POST, avatars::upload).on(Method::DELETE, avatars::clear),
        Path::new("/api/v1/realtime/ticket").on(Method::POST, realtime::ticket),
        Path::new("/ws/{room_id}/{user_id}").upgrade(ws::upgrade::connect),
        Path::new("/api/v1/profiles/{id}").get(v1_profile::public),
        Path::new("/.well-known/jwks.json").get(auth::jwks),
        Path::new("/").get(operations::health),
        Path::new("/health").get(operations::health),
        Path::new("/ready").get(operations::ready),
        Path::new("/metrics").get(operations::metrics),
        Path::new("/openapi.json").get(operations::openapi),
        Path::new("/asyncapi.json").get(operations::asyncapi),
        Path::new("/docs").get(operations::docs_home),
        Path::new("/docs/{file:.*}").get(operations::docs),
    ]
}

/// The methods and paths of the table that are described in the OpenAPI document.
#[cfg(test)]
pub(crate) fn described() -> Vec<(Method, &'static str)> {
    let of_the_page = |path: &Path| path.pattern.starts_with("/docs");
    table()
        .into_iter()
        .filter(|path| !of_the_page(path))
        .flat_map(|path| path.methods.into_iter().map(move |method| (method, path.pattern)))
        .filter(|(method, _)| method != Method::HEAD)
        .collect()
}

/// Registers the table.
pub(crate) fn configure(config: &mut ServiceConfig) {
    for path in table() {
        path.register(config);
    }
    // Looking for paths that are not there is limited as anything else.
    config.default_service(web::to(|_: Anonymous| async { Err::<HttpResponse, _>(ApiError::not_found()) }));
}

/// 200 with a tag, or 304 where a reader's copy is the current one.
fn tagged(request: &HttpRequest, tag: String, body: impl Serialize) -> HttpResponse {
    if request.method().is_safe() && entity_tag::is_current(request, &tag) {
        return HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish();
    }
    HttpResponse::Ok().insert_header((header::ETAG, tag)).json(body)
}

/// Maps an update that failed; a stale copy is answered with the current one, as the facade shows it.
fn update_refused(error: UpdateError, shown: impl FnOnce(&View) -> Value) -> ApiError {
    match error {
        UpdateError::Invalid { field, error } => ApiError::field(field, &error.to_string()),
        UpdateError::PreconditionFailed(ref current) => {
            let current = shown(current);
            ApiError::from(error).detail("current", current)
        }
        other => ApiError::from(other),
    }
}

/// As [`update_refused`], where the caller's own profile is meant: none means that the token is nobody's any more.
fn own_update_refused(error: UpdateError, shown: impl FnOnce(&View) -> Value) -> ApiError {
    if matches!(error, UpdateError::NotFound) { ApiError::unauthorized() } else { update_refused(error, shown) }
}

/// Runs a write to its end, even when the client hangs up half-way: a cancelled transaction would be rolled back,
/// and the next request would find a connection that still is in it.
pub(crate) async fn to_the_end<T, E>(work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, ApiError>
where
    T: Send + 'static,
    E: Send + 'static,
    ApiError: From<E>,
{
    match tokio::spawn(work).await {
        Ok(done) => done.map_err(ApiError::from),
        Err(failed) => Err(ApiError::internal(format!("a write was aborted: {failed}"))),
    }
}
