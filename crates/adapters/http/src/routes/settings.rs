//! `/api/v1/settings`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use frontdesk_kernel::UserId;
use frontdesk_profile::SettingsError;
use frontdesk_profile::settings::Settings;
use serde_json::json;

use super::{tagged, to_the_end};
use crate::body::Body;
use crate::config::Services;
use crate::credential::Caller;
use crate::dto::error::ErrorBody;
use crate::dto::settings::{SettingsBody, SettingsChanges, settings_patch};
use crate::entity_tag;
use crate::error::{ApiError, ApiResult};

fn answer(request: &HttpRequest, settings: &Settings, user: UserId) -> HttpResponse {
    tagged(request, entity_tag::of_version(settings.version, user), SettingsBody::from(settings))
}

fn refused(error: SettingsError) -> ApiError {
    match error {
        SettingsError::NotFound => ApiError::unauthorized(),
        SettingsError::PreconditionFailed(ref current) => {
            let current = json!(SettingsBody::from(&**current));
            ApiError::from(error).detail("current", current)
        }
        other @ SettingsError::Unavailable(_) => ApiError::from(other),
    }
}

/// The caller's settings.
#[utoipa::path(get, path = "/api/v1/settings", operation_id = "getSettings", tag = "v1", security(("bearer" = [])),
    responses((status = 200, body = SettingsBody), (status = 304), (status = 401, body = ErrorBody)))]
pub(crate) async fn show((request, caller, services): (HttpRequest, Caller, Data<Services>)) -> ApiResult {
    let settings = services.settings.settings(caller.user_id()).await?.ok_or_else(ApiError::unauthorized)?;
    Ok(answer(&request, &settings, caller.user_id()))
}

/// Changes the caller's settings; absent fields stay.
#[utoipa::path(patch, path = "/api/v1/settings", operation_id = "updateSettings", tag = "v1",
    security(("bearer" = [])), request_body = SettingsChanges,
    responses((status = 200, body = SettingsBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 412, body = ErrorBody), (status = 413, body = ErrorBody), (status = 415, body = ErrorBody)))]
pub(crate) async fn update(
    (request, caller, body, services): (HttpRequest, Caller, Body, Data<Services>),
) -> ApiResult {
    let user = caller.user_id();
    let patch = settings_patch(body.object().await?)?;
    let seen = entity_tag::seen_versions(&request, user);
    let settings = services.settings.clone();
    let changed = to_the_end(async move { settings.change(user, patch, seen).await.map_err(refused) });
    Ok(answer(&request, &changed.await?, user))
}
