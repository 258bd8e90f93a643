//! `/api/v1/profile`: the whole profile, flat.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use frontdesk_kernel::UserId;
use frontdesk_profile::UpdateError;
use frontdesk_profile::profile::{Authority, Profile};
use serde_json::json;

use super::{own_update_refused, tagged, to_the_end};
use crate::body::Body;
use crate::config::{HttpConfig, PublicUrl, Services};
use crate::credential::Caller;
use crate::dto::change::{ProfileChanges, profile_patch};
use crate::dto::error::ErrorBody;
use crate::dto::view::{ProfileBody, PublicProfileBody};
use crate::entity_tag;
use crate::error::{ApiError, ApiResult};
use crate::input::Unknown;

fn answer(request: &HttpRequest, profile: &Profile, public: &PublicUrl) -> HttpResponse {
    tagged(request, entity_tag::of_profile(profile), ProfileBody::of(profile, public))
}

pub(super) fn refused(error: UpdateError, public: &PublicUrl) -> ApiError {
    own_update_refused(error, |current| json!(ProfileBody::of(&current.profile, public)))
}

/// The caller's profile.
#[utoipa::path(get, path = "/api/v1/profile", operation_id = "getProfile", tag = "v1", security(("bearer" = [])),
    responses((status = 200, body = ProfileBody), (status = 304), (status = 401, body = ErrorBody)))]
pub(crate) async fn show(
    (request, caller, services, config): (HttpRequest, Caller, Data<Services>, Data<HttpConfig>),
) -> ApiResult {
    let profile = services.profiles.profile(caller.user_id()).await?.ok_or_else(ApiError::unauthorized)?;
    Ok(answer(&request, &profile, &config.public_url))
}

/// Changes the caller's profile; absent fields stay.
#[utoipa::path(patch, path = "/api/v1/profile", operation_id = "updateProfile", tag = "v1", security(("bearer" = [])),
    request_body = ProfileChanges,
    responses((status = 200, body = ProfileBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 412, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 415, body = ErrorBody)))]
pub(crate) async fn update(
    (request, caller, body, services, config): (HttpRequest, Caller, Body, Data<Services>, Data<HttpConfig>),
) -> ApiResult {
    let user = caller.user_id();
    let patch = profile_patch(body.object().await?, Unknown::Refuse, &config.public_url)?;
    let precondition = entity_tag::precondition(&request, user);
    let profiles = services.profiles.clone();
    let shared = config.clone();
    let updated = to_the_end(async move {
        let updated = profiles.update(user, Authority::Granted, patch, None, precondition).await;
        updated.map_err(|error| refused(error, &shared.public_url))
    });
    Ok(answer(&request, &updated.await?.profile, &config.public_url))
}

/// Somebody's public profile.
#[utoipa::path(get, path = "/api/v1/profiles/{id}", operation_id = "getPublicProfile", tag = "v1",
    security(("bearer" = [])), params(("id" = String, Path, description = "User id (UUID)")),
    responses((status = 200, body = PublicProfileBody), (status = 304), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
pub(crate) async fn public(
    (request, _caller, id, services, config): (HttpRequest, Caller, Path<String>, Data<Services>, Data<HttpConfig>),
) -> ApiResult {
    let user: UserId = id.parse().map_err(|_| ApiError::not_found())?;
    let profile = services.profiles.profile(user).await?.filter(|profile| profile.public_profile);
    let profile = profile.ok_or_else(ApiError::not_found)?;
    Ok(tagged(&request, entity_tag::of_public(&profile), PublicProfileBody::of(&profile, &config.public_url)))
}
