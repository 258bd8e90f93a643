//! Signing in.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use frontdesk_profile::account::Account;
use frontdesk_profile::password::Password;
use frontdesk_profile::{Accounts, SignIn, SignInError};
use serde::Serialize;
use utoipa::ToSchema;

use super::to_the_end;
use crate::body::Body;
use crate::config::Services;
use crate::credential::{Anonymous, note_user};
use crate::dto::error::ErrorBody;
use crate::error::{ApiError, ApiResult};
use crate::input::{Fields, Unknown};

/// What a client sends from now on.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenBody {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// How long the access token lives, in seconds.
    expires_in: u64,
}

impl TokenBody {
    /// Issues a token to somebody who has just proved who they are.
    pub(super) fn issue(accounts: &Accounts, account: &Account) -> Self {
        Self {
            access_token: accounts.issue(account),
            token_type: "Bearer",
            expires_in: accounts.token_lifetime().as_secs(),
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
    responses((status = 200, body = TokenBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub(crate) async fn login(
    (request, caller, body, services): (HttpRequest, Anonymous, Body, Data<Services>),
) -> ApiResult {
    let mut fields = Fields::new(body.object().await?, Unknown::Refuse);
    let username = fields.required_secret("username").unwrap_or_default();
    let password = Password::typed(fields.required_secret("password").unwrap_or_default());
    fields.finish(&[])?;
    let sign_in = SignIn { username, password, address: caller.address };
    let accounts = services.accounts.clone();
    let signing_in = to_the_end(async move {
        accounts.sign_in(sign_in).await.map_err(|error| match error {
            SignInError::RateLimited { retry_after } => ApiError::rate_limited("too many failed sign-ins", retry_after),
            other => ApiError::from(other),
        })
    });
    let account = signing_in.await?;
    note_user(&request, account.id);
    Ok(HttpResponse::Ok().json(TokenBody::issue(&services.accounts, &account)))
}
