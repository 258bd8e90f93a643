//! `DELETE /api/v1/account`: the end of an account.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use frontdesk_kernel::Timestamp;
use frontdesk_profile::password::Password;
use frontdesk_profile::{DeletionError, DeletionRequest};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::to_the_end;
use crate::config::Services;
use crate::credential::Caller;
use crate::dto::error::ErrorBody;
use crate::error::{ApiError, ApiResult};

const CONFIRMATION: &str = "x-confirm-password";

/// The account is gone.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeletedBody {
    /// Always true.
    success: bool,
    #[schema(value_type = String, format = DateTime)]
    deleted_at: Timestamp,
    /// What to refer to in a question about it.
    receipt_id: Uuid,
    /// How many credits went with it.
    forfeited_credits: i64,
}

/// The password that came along. Its value is in no error.
fn confirmation(request: &HttpRequest) -> Result<Option<Password>, ApiError> {
    let mut values = request.headers().get_all(CONFIRMATION);
    let Some(value) = values.next() else { return Ok(None) };
    let typed = std::str::from_utf8(value.as_bytes()).ok().filter(|_| values.next().is_none());
    let malformed = || ApiError::malformed("X-Confirm-Password must be one value in UTF-8");
    // An empty line is a wrong password: whoever left the field blank has not confirmed anything.
    typed.map(|typed| Some(Password::typed(typed))).ok_or_else(malformed)
}

fn refused(error: DeletionError) -> ApiError {
    match error {
        DeletionError::RateLimited { retry_after } => ApiError::rate_limited("too many wrong passwords", retry_after),
        other => ApiError::from(other),
    }
}

/// Deletes the caller's account and everything in it, at once and for good. A sign-in of the last 24 hours is enough;
/// after that, `X-Confirm-Password` is needed. The username rests for 30 days.
#[utoipa::path(delete, path = "/api/v1/account", operation_id = "deleteAccount", tag = "v1",
    security(("bearer" = [])),
    params(("X-Confirm-Password" = Option<String>, Header, description = "The password, in UTF-8")),
    responses((status = 200, body = DeletedBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody)))]
pub(crate) async fn delete((request, caller, services): (HttpRequest, Caller, Data<Services>)) -> ApiResult {
    let deletion = DeletionRequest {
        user_id: caller.user_id(),
        signed_in_at: caller.claims.authenticated_at,
        issued_at: caller.claims.issued_at,
        password: confirmation(&request)?,
        address: caller.address,
    };
    let accounts = services.accounts.clone();
    let deleting = to_the_end(async move { accounts.delete(deletion).await.map_err(refused) });
    let tombstone = deleting.await?;
    Ok(HttpResponse::Ok().json(DeletedBody {
        success: true,
        deleted_at: tombstone.deleted_at,
        receipt_id: tombstone.receipt_id,
        forfeited_credits: 0,
    }))
}
