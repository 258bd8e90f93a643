//! `/api/v1/auth/sessions`: where the caller is signed in.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use frontdesk_profile::session::Which;

use super::to_the_end;
use crate::config::Services;
use crate::credential::Caller;
use crate::dto::error::ErrorBody;
use crate::dto::session::{SessionBody, SessionsBody};
use crate::error::{ApiError, ApiResult};
use crate::page::{PageParams, Pagination, page};

/// The caller's sessions, newest first.
#[utoipa::path(get, path = "/api/v1/auth/sessions", operation_id = "listSessions", tag = "v1",
    security(("bearer" = [])), params(PageParams),
    responses((status = 200, body = SessionsBody), (status = 400, body = ErrorBody),
        (status = 401, body = ErrorBody)))]
pub(crate) async fn list((request, caller, services): (HttpRequest, Caller, Data<Services>)) -> ApiResult {
    let page = page(&request)?;
    let listed = services.sessions.list(caller.user_id(), page).await?;
    let pagination = Pagination::of(&page, &listed, |session| (session.created_at, session.id));
    let bearer = caller.claims.session_id;
    let data = listed.rows.into_iter().map(|session| SessionBody::of(session, bearer)).collect();
    Ok(HttpResponse::Ok().json(SessionsBody { data, pagination }))
}

/// Ends one of the caller's sessions. Its tokens are refused from then on; to end the present one is to sign out.
#[utoipa::path(delete, path = "/api/v1/auth/sessions/{id}", operation_id = "endSession", tag = "v1",
    security(("bearer" = [])), params(("id" = String, Path, description = "Session id (UUID)")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn end((caller, id, services): (Caller, Path<String>, Data<Services>)) -> ApiResult {
    let which = Which::One(id.parse().map_err(|_| ApiError::not_found())?);
    let (sessions, user) = (services.sessions.clone(), caller.user_id());
    let ended = to_the_end(async move { sessions.end(user, which).await }).await?;
    if ended { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::not_found()) }
}
