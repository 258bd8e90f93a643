//! The existing web client's facade.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use frontdesk_kernel::UserId;
use frontdesk_kernel::idempotency::{Answer, Fingerprint, Scope};
use frontdesk_profile::password::Password;
use frontdesk_profile::profile::{Authority, Profile, View};
use frontdesk_profile::session::Client;
use frontdesk_profile::{
    PasswordChange, PasswordChangeError, Registered, Registration, RegistrationError, TokenPair, UpdateError,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::auth::TokenBody;
use super::{tagged, to_the_end, update_refused};
use crate::body::Body;
use crate::config::{HttpConfig, PublicUrl, Services};
use crate::credential::{Anonymous, MaybeCaller, client, note_user};
use crate::dto::change::{ProfileChanges, profile_patch};
use crate::dto::error::ErrorBody;
use crate::dto::view::{PublicUserBody, UserBody};
use crate::entity_tag;
use crate::error::{ApiError, ApiResult};
use crate::idempotency::{self, Claimed, Key, claim, completion, fingerprint, replay};
use crate::input::{Fields, Unknown};

/// The secrets of an answer to `POST /users`: shown once, `null` in a replay.
const SECRETS: &[&str] = &["access_token", "refresh_token"];

/// A new account. Without a password it is unclaimed: whoever has its id may act for it, for a while.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `registration` reads")]
pub(crate) struct RegisterRequest {
    /// 3 to 32 of `[A-Za-z0-9_.-]`.
    username: String,
    #[schema(max_length = 100)]
    display_name: Option<String>,
    #[schema(max_length = 255)]
    email: Option<String>,
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    password: Option<String>,
}

/// A new account and the tokens of its first session.
#[derive(Serialize, ToSchema)]
pub(crate) struct RegisteredBody<'a> {
    #[serde(flatten)]
    user: UserBody<'a>,
    #[serde(flatten)]
    #[schema(value_type = FirstTokens)]
    token: TokenBody,
}

/// The tokens of a new account. In a replay (`Idempotent-Replayed: true`) both are `null`: secrets are shown once.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `register` answers, the first time and again")]
struct FirstTokens {
    #[schema(required = true)]
    access_token: Option<String>,
    #[schema(required = true)]
    refresh_token: Option<String>,
    /// Always `Bearer`.
    token_type: String,
    /// How long an access token lives, in seconds.
    expires_in: u64,
}

/// A new password.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `set_password` reads")]
pub(crate) struct PasswordRequest {
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    new_password: String,
    /// Needed where there is a password and the last sign-in is over 5 minutes ago.
    #[schema(format = Password)]
    current_password: Option<String>,
}

/// The password is set; here are the tokens of a new session.
#[derive(Serialize, ToSchema)]
pub(crate) struct PasswordSetBody {
    success: bool,
    message: &'static str,
    #[serde(flatten)]
    token: TokenBody,
}

/// A user as the caller may see it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the two answers of `show` and `update`")]
enum Seen<'a> {
    All(UserBody<'a>),
    Public(PublicUserBody<'a>),
}

pub(super) fn user_id(path: &str) -> Result<UserId, ApiError> {
    path.parse().map_err(|_| ApiError::no_user())
}

fn registration(user_id: UserId, object: Map<String, Value>, client: Client) -> Result<Registration, ApiError> {
    let mut fields = Fields::new(object, Unknown::Ignore);
    let username = fields.required("username");
    let display_name = fields.nullable("display_name").value();
    let email = fields.nullable("email").value();
    let password = fields.secret("password");
    fields.finish(&[])?;
    let username = username.ok_or_else(|| ApiError::field("username", "is required"))?;
    Ok(Registration { user_id, username, display_name, email, password, client })
}

async fn prepare(services: &Services, registration: Registration) -> Result<(Registered, TokenPair), ApiError> {
    services.accounts.prepare(registration).await.map_err(|error| match error {
        RegistrationError::Password(error) => ApiError::field("password", &error.to_string()),
        RegistrationError::Unavailable(cause) => ApiError::from(cause),
    })
}

/// What a registration answers with.
enum Registering {
    /// A new account.
    Created { profile: Box<Profile>, body: Value },
    /// The answer to the first request with this key.
    Replay(Answer),
}

/// Registers under a key, once. The answer is stored in the transaction that stores the account.
async fn register_once(
    services: &Services,
    public: &PublicUrl,
    scope: Scope,
    print: Fingerprint,
    object: Map<String, Value>,
    client: Client,
) -> Result<Registering, ApiError> {
    let user_id = services.accounts.draw_user_id();
    let claim = match claim(services, scope, user_id, &print).await? {
        Claimed::Replay(answer) => return Ok(Registering::Replay(answer)),
        Claimed::Yes(claim) => claim,
    };
    let registering = async {
        let (new, tokens) = prepare(services, registration(user_id, object, client)?).await?;
        let token = TokenBody::of(tokens, &services.sessions);
        let body = json!(RegisteredBody { user: UserBody::of(&new.profile, public), token });
        let kept = completion(claim.clone(), StatusCode::CREATED, body.clone(), SECRETS);
        services.accounts.create(&new, Some(&kept)).await?;
        Ok::<_, ApiError>(Registering::Created { profile: Box::new(new.profile), body })
    };
    let registered = registering.await;
    if let Err(refused) = &registered {
        idempotency::release(services, claim, refused).await;
    }
    registered
}

async fn register_freely(
    services: &Services,
    public: &PublicUrl,
    object: Map<String, Value>,
    client: Client,
) -> Result<Registering, ApiError> {
    let registration = registration(services.accounts.draw_user_id(), object, client)?;
    let (new, tokens) = prepare(services, registration).await?;
    services.accounts.create(&new, None).await?;
    let token = TokenBody::of(tokens, &services.sessions);
    let body = json!(RegisteredBody { user: UserBody::of(&new.profile, public), token });
    Ok(Registering::Created { profile: Box::new(new.profile), body })
}

/// Makes an account.
#[utoipa::path(post, path = "/users", operation_id = "createUser", tag = "users", request_body = RegisterRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 201, body = RegisteredBody), (status = 400, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
        (status = 422, body = ErrorBody)))]
pub(crate) async fn register(
    (request, _caller, body, services, config): (HttpRequest, Anonymous, Body, Data<Services>, Data<HttpConfig>),
) -> ApiResult {
    let key = Key::of(&request)?;
    let object = body.object().await?;
    let keyed = key.map(|key| Ok::<_, ApiError>((key.anonymous_scope("POST /users"), fingerprint(&config, &object)?)));
    let keyed = keyed.transpose()?;
    let (services, client) = (services.into_inner(), client(&request));
    let registered = to_the_end(async move {
        let public = &config.public_url;
        match keyed {
            Some((scope, print)) => register_once(&services, public, scope, print, object, client).await,
            None => register_freely(&services, public, object, client).await,
        }
    });
    match registered.await? {
        Registering::Replay(answer) => replay(answer),
        Registering::Created { profile, body } => {
            note_user(&request, profile.id);
            Ok(HttpResponse::Created()
                .insert_header((header::LOCATION, format!("/users/{}", profile.id)))
                .insert_header((header::ETAG, entity_tag::of_profile(&profile)))
                .json(body))
        }
    }
}

fn answer(request: &HttpRequest, profile: &Profile, sees_all: bool, public: &PublicUrl) -> HttpResponse {
    if sees_all {
        return tagged(request, entity_tag::of_profile(profile), UserBody::of(profile, public));
    }
    tagged(request, entity_tag::of_public(profile), PublicUserBody::of(profile, public))
}

/// A user: everything for the owner, the public view for others.
#[utoipa::path(get, path = "/users/{id}", operation_id = "getUser", tag = "users", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "User id (UUID)")),
    responses((status = 200, body = inline(Seen), description = "All of it for the owner, the public view for others"),
        (status = 304), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn show(
    (request, caller, id, services, config): (HttpRequest, MaybeCaller, Path<String>, Data<Services>, Data<HttpConfig>),
) -> ApiResult {
    let user = user_id(&id)?;
    let profile = services.profiles.profile(user).await?.ok_or_else(ApiError::no_user)?;
    let sees_all = services.accounts.sees_all(user, caller.claims.as_ref()).await?;
    Ok(answer(&request, &profile, sees_all, &config.public_url))
}

/// As far as the caller may see it.
pub(super) fn refused(error: UpdateError, sees_all: bool, public: &PublicUrl) -> ApiError {
    update_refused(error, |View { profile, .. }| {
        if sees_all { json!(UserBody::of(profile, public)) } else { json!(PublicUserBody::of(profile, public)) }
    })
}

/// Whether an answer may show all of a profile that was just written: `USERS_AUTH=open` lets strangers write; it does
/// not let them read.
pub(super) fn sees_all(caller: &MaybeCaller, authority: Authority) -> bool {
    caller.claims.is_some() || authority == Authority::Unclaimed
}

/// Changes a profile; absent fields stay, unknown ones are ignored.
#[utoipa::path(put, path = "/users/{id}/profile", operation_id = "updateUserProfile", tag = "users",
    security((), ("bearer" = [])), params(("id" = String, Path, description = "User id (UUID)")),
    request_body = ProfileChanges,
    responses((status = 200, body = inline(Seen)), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 412, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody)))]
pub(crate) async fn update(
    (request, caller, id, body, services, config): (
        HttpRequest,
        MaybeCaller,
        Path<String>,
        Body,
        Data<Services>,
        Data<HttpConfig>,
    ),
) -> ApiResult {
    let user = user_id(&id)?;
    let authority = services.accounts.authority(user, caller.claims.as_ref()).await?;
    let patch = profile_patch(body.object().await?, Unknown::Ignore, &config.public_url)?;
    let precondition = entity_tag::precondition(&request, user);
    let sees_all = sees_all(&caller, authority);
    let (profiles, shared) = (services.profiles.clone(), config.clone());
    let updated = to_the_end(async move {
        let updated = profiles.update(user, authority, patch, None, precondition).await;
        updated.map_err(|error| refused(error, sees_all, &shared.public_url))
    });
    Ok(answer(&request, &updated.await?.profile, sees_all, &config.public_url))
}

fn password_refused(error: PasswordChangeError) -> ApiError {
    match error {
        PasswordChangeError::Invalid(error) => ApiError::field("new_password", &error.to_string()),
        PasswordChangeError::RateLimited { retry_after } => {
            ApiError::rate_limited("too many wrong passwords", retry_after)
        }
        other => ApiError::from(other),
    }
}

/// Sets a password. Every other session ends.
#[utoipa::path(put, path = "/users/{id}/password", operation_id = "setPassword", tag = "users",
    security((), ("bearer" = [])), params(("id" = String, Path, description = "User id (UUID)")),
    request_body = PasswordRequest,
    responses((status = 200, body = PasswordSetBody), (status = 400, body = ErrorBody),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
        (status = 429, body = ErrorBody)))]
pub(crate) async fn set_password(
    (request, caller, id, body, services): (HttpRequest, MaybeCaller, Path<String>, Body, Data<Services>),
) -> ApiResult {
    let user_id = user_id(&id)?;
    let MaybeCaller { claims, address } = caller;
    let ground = services.accounts.password_ground(user_id, claims.as_ref()).await.map_err(password_refused)?;
    let mut fields = Fields::new(body.object().await?, Unknown::Ignore);
    let new_password = fields.required_secret("new_password").unwrap_or_default();
    let current_password = fields.secret("current_password").map(Password::typed);
    fields.finish(&[])?;
    let signed_in_at = claims.map(|claims| claims.authenticated_at);
    let client = client(&request);
    let change = PasswordChange { user_id, ground, signed_in_at, new_password, current_password, address, client };
    let accounts = services.accounts.clone();
    let tokens = to_the_end(async move { accounts.change_password(change).await.map_err(password_refused) }).await?;
    let token = TokenBody::of(tokens, &services.sessions);
    Ok(HttpResponse::Ok().json(PasswordSetBody { success: true, message: "Password updated successfully", token }))
}
