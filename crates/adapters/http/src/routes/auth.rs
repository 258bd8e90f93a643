//! Signing in, staying signed in, signing out.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use frontdesk_profile::password::Password;
use frontdesk_profile::session::Which;
use frontdesk_profile::{Sessions, SignIn, SignInError, TokenPair};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::to_the_end;
use crate::body::Body;
use crate::config::{HttpConfig, Services};
use crate::credential::{Anonymous, Caller, client, note_user};
use crate::dto::error::ErrorBody;
use crate::error::{ApiError, ApiResult};
use crate::input::{Fields, Unknown};

/// What a client holds from now on. Both tokens are secrets, and shown here only.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenBody {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// For `POST /api/v1/auth/refresh`, once.
    refresh_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// How long an access token lives, in seconds.
    expires_in: u64,
}

impl TokenBody {
    pub(super) fn of(tokens: TokenPair, sessions: &Sessions) -> Self {
        let TokenPair { access, refresh } = tokens;
        Self {
            access_token: access,
            refresh_token: refresh,
            token_type: "Bearer",
            expires_in: sessions.access_lifetime().as_secs(),
        }
    }
}

/// A username and a password.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `login` reads")]
pub(crate) struct LoginRequest {
    username: String,
    #[schema(format = Password)]
    password: String,
}

/// Signs in.
#[utoipa::path(post, path = "/api/v1/auth/login", operation_id = "login", tag = "v1", request_body = LoginRequest,
    params(("X-App-Type" = Option<String>, Header, description = "A label for the list of sessions")),
    responses((status = 200, body = TokenBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub(crate) async fn login(
    (request, caller, body, services): (HttpRequest, Anonymous, Body, Data<Services>),
) -> ApiResult {
    let mut fields = Fields::new(body.object().await?, Unknown::Refuse);
    let username = fields.required_secret("username").unwrap_or_default();
    let password = Password::typed(fields.required_secret("password").unwrap_or_default());
    fields.finish(&[])?;
    let sign_in = SignIn { username, password, address: caller.address, client: client(&request) };
    let accounts = services.accounts.clone();
    let signing_in = to_the_end(async move {
        accounts.sign_in(sign_in).await.map_err(|error| match error {
            SignInError::RateLimited { retry_after } => ApiError::rate_limited("too many failed sign-ins", retry_after),
            other => ApiError::from(other),
        })
    });
    let (user, tokens) = signing_in.await?;
    note_user(&request, user);
    Ok(HttpResponse::Ok().json(TokenBody::of(tokens, &services.sessions)))
}

/// A refresh token.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `refresh` reads")]
pub(crate) struct RefreshRequest {
    #[schema(format = Password)]
    refresh_token: String,
}

/// Gives a new pair for a refresh token, which is spent by it. The same token within 30 seconds gets the same pair,
/// until the new one is used; later it ends the session.
#[utoipa::path(post, path = "/api/v1/auth/refresh", operation_id = "refresh", tag = "v1",
    request_body = RefreshRequest,
    responses((status = 200, body = TokenBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody)))]
pub(crate) async fn refresh(
    (request, _caller, body, services): (HttpRequest, Anonymous, Body, Data<Services>),
) -> ApiResult {
    let mut fields = Fields::new(body.object().await?, Unknown::Refuse);
    let presented = fields.required_secret("refresh_token").unwrap_or_default();
    fields.finish(&[])?;
    let sessions = services.sessions.clone();
    let (user, tokens) = to_the_end(async move { sessions.refresh(&presented).await }).await?;
    note_user(&request, user);
    Ok(HttpResponse::Ok().json(TokenBody::of(tokens, &services.sessions)))
}

/// What is to end; without it, this session.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `logout` reads")]
pub(crate) struct LogoutRequest {
    /// Every session of the user, and every token of a trusted issuer until now.
    #[schema(default = false)]
    all: Option<bool>,
}

/// Ends this session, or all.
#[utoipa::path(post, path = "/api/v1/auth/logout", operation_id = "logout", tag = "v1", security(("bearer" = [])),
    request_body = Option<LogoutRequest>,
    responses((status = 204), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody)))]
pub(crate) async fn logout((caller, body, services): (Caller, Body, Data<Services>)) -> ApiResult {
    let bearer = caller.claims.session_id;
    let which = if ends_all(body.optional_object().await?)? { Which::All { bearer } } else { Which::Bearer(bearer) };
    let (sessions, user) = (services.sessions.clone(), caller.user_id());
    to_the_end(async move { sessions.end(user, which).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn ends_all(object: Map<String, Value>) -> Result<bool, ApiError> {
    let mut fields = Fields::new(object, Unknown::Refuse);
    let all = fields.switch("all").value().unwrap_or_default();
    fields.finish(&[])?;
    Ok(all)
}

/// The public keys of access tokens.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the composition gives")]
pub(crate) struct JwksBody {
    /// None where access tokens are signed with a secret.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<Map<String, Value>>,
}

/// The keys that access tokens are verified with (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "jwks", tag = "operations",
    responses((status = 200, body = JwksBody)))]
pub(crate) async fn jwks(config: Data<HttpConfig>) -> ApiResult {
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .content_type("application/json")
        .body(config.jwks.to_string()))
}
