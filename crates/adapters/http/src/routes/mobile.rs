//! The iOS app's facade.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use frontdesk_kernel::UserId;
use frontdesk_profile::UpdateError;
use frontdesk_profile::channels::ChannelsPatch;
use frontdesk_profile::profile::{Authority, ProfilePatch, View};
use serde_json::json;

use super::{own_update_refused, tagged, to_the_end};
use crate::body::Body;
use crate::config::{HttpConfig, PublicUrl, Services};
use crate::credential::Caller;
use crate::dto::change::{MobileChanges, NameChange, mobile_patch, name_patch};
use crate::dto::error::ErrorBody;
use crate::dto::view::{MobileBody, MobileUpdatedBody};
use crate::entity_tag;
use crate::error::{ApiError, ApiResult};

/// The label that the app puts on its requests. It grants nothing.
fn require_label(request: &HttpRequest) -> Result<(), ApiError> {
    let label = request.headers().get("x-app-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if label.trim().eq_ignore_ascii_case("mobile") {
        return Ok(());
    }
    Err(ApiError::malformed("the header X-App-Type: mobile is required"))
}

fn refused(error: UpdateError, public: &PublicUrl) -> ApiError {
    own_update_refused(error, |current| json!(MobileBody::of(current, public)))
}

async fn change(
    request: &HttpRequest,
    services: &Services,
    config: Data<HttpConfig>,
    user: UserId,
    patch: ProfilePatch,
    channels: ChannelsPatch,
) -> Result<View, ApiError> {
    let precondition = entity_tag::precondition(request, user);
    let profiles = services.profiles.clone();
    to_the_end(async move {
        let updated = profiles.update(user, Authority::Granted, patch, Some(channels), precondition).await;
        updated.map_err(|error| refused(error, &config.public_url))
    })
    .await
}

/// The caller's profile as the app shows it.
#[utoipa::path(get, path = "/mobile/user/profile", operation_id = "getMobileProfile", tag = "mobile",
    security(("bearer" = [])), params(("X-App-Type" = String, Header, description = "`mobile`")),
    responses((status = 200, body = MobileBody), (status = 304), (status = 400, body = ErrorBody),
        (status = 401, body = ErrorBody)))]
pub(crate) async fn show(
    (request, caller, services, config): (HttpRequest, Caller, Data<Services>, Data<HttpConfig>),
) -> ApiResult {
    require_label(&request)?;
    let view = services.profiles.view(caller.user_id()).await?.ok_or_else(ApiError::unauthorized)?;
    Ok(tagged(&request, entity_tag::of_view(&view), MobileBody::of(&view, &config.public_url)))
}

/// Changes name, preferences and notification channels.
#[utoipa::path(post, path = "/mobile/user/profile", operation_id = "updateMobileProfile", tag = "mobile",
    security(("bearer" = [])), params(("X-App-Type" = String, Header, description = "`mobile`")),
    request_body = MobileChanges,
    responses((status = 200, body = MobileUpdatedBody), (status = 400, body = ErrorBody),
        (status = 401, body = ErrorBody), (status = 412, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 415, body = ErrorBody)))]
pub(crate) async fn update(
    (request, caller, body, services, config): (HttpRequest, Caller, Body, Data<Services>, Data<HttpConfig>),
) -> ApiResult {
    require_label(&request)?;
    let (patch, channels) = mobile_patch(body.object().await?)?;
    let view = change(&request, &services, config.clone(), caller.user_id(), patch, channels).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, entity_tag::of_view(&view)))
        .json(MobileUpdatedBody::of(&view, &config.public_url)))
}

/// The first app's way to change the name.
#[utoipa::path(method(post, put, patch), path = "/update-user-name", operation_id = "updateUserName", tag = "mobile",
    security(("bearer" = [])), params(("X-App-Type" = String, Header, description = "`mobile`")),
    request_body(content((NameChange = "application/json"), (NameChange = "application/x-www-form-urlencoded"))),
    responses((status = 200, body = MobileUpdatedBody), (status = 400, body = ErrorBody),
        (status = 401, body = ErrorBody), (status = 412, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 415, body = ErrorBody)))]
pub(crate) async fn rename(
    (request, caller, body, services, config): (HttpRequest, Caller, Body, Data<Services>, Data<HttpConfig>),
) -> ApiResult {
    require_label(&request)?;
    let patch = name_patch(body.object_or_form().await?)?;
    let view = change(&request, &services, config.clone(), caller.user_id(), patch, ChannelsPatch::default()).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, entity_tag::of_view(&view)))
        .insert_header(("deprecation", "true"))
        .insert_header((header::LINK, "</mobile/user/profile>; rel=\"successor-version\""))
        .json(MobileUpdatedBody::of(&view, &config.public_url)))
}
