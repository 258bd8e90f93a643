//! Pictures: uploaded through three routes, served as files, and found under one address that never changes.

mod initials;

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use frontdesk_kernel::UserId;
use frontdesk_profile::avatar::{AvatarSize, PicturePath, RenderError};
use frontdesk_profile::profile::Authority;
use frontdesk_profile::{Shown, UpdateError};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{to_the_end, users, v1_profile};
use crate::body::{Body, Received};
use crate::config::{HttpConfig, Services};
use crate::credential::{Anonymous, Caller, MaybeCaller};
use crate::dto::error::ErrorBody;
use crate::dto::view::AvatarBody;
use crate::entity_tag;
use crate::error::{ApiError, ApiResult};
use crate::input::refused_field;

/// The content of a file never changes: other content has another path.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// A picture, by its content JPEG, PNG, WebP or GIF; or one for each size. 5 MiB in all.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Body::parts` reads")]
pub(crate) struct UploadForm {
    /// Makes every size that has no picture of its own. At most one of `file`, `avatar` and `image`.
    #[schema(format = Binary, nullable = false)]
    file: Option<String>,
    /// Another name for `file`.
    #[schema(format = Binary, nullable = false)]
    avatar: Option<String>,
    /// Another name for `file`.
    #[schema(format = Binary, nullable = false)]
    image: Option<String>,
    #[schema(format = Binary, nullable = false)]
    thumbnail: Option<String>,
    #[schema(format = Binary, nullable = false)]
    small: Option<String>,
    #[schema(format = Binary, nullable = false)]
    medium: Option<String>,
    #[schema(format = Binary, nullable = false)]
    large: Option<String>,
}

/// The bytes of a picture.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes what a file is")]
pub(crate) struct PictureFile(Vec<u8>);

/// Who uploads, for whom.
struct Upload {
    user: UserId,
    authority: Authority,
    request: HttpRequest,
    body: Body,
    services: Data<Services>,
    config: Data<HttpConfig>,
}

/// Maps an upload of which nothing was made, naming the part.
fn not_rendered(error: RenderError) -> ApiError {
    match error {
        RenderError::NoPicture => refused_field("file", error.to_string()),
        RenderError::Broken { part, reason } => refused_field(part.as_str(), format!("cannot be decoded: {reason}")),
        RenderError::TooLarge { part, rule, width, height } => {
            refused_field(part.as_str(), format!("{rule}, not {width} x {height}"))
        }
        RenderError::Unsupported { part } => {
            let field = json!({ part.as_str(): ["must be a JPEG, PNG, WebP or GIF picture, by its content"] });
            ApiError::from(error).detail("fields", field)
        }
        RenderError::Unavailable(_) => ApiError::from(error),
    }
}

/// The one way in. `refused` maps what the profile refuses, for the facade that was called.
async fn take(
    upload: Upload,
    refused: impl FnOnce(UpdateError, &HttpConfig) -> ApiError + Send + 'static,
) -> ApiResult {
    let Upload { user, authority, request, body, services, config } = upload;
    let Received { parts, room } = body.parts().await?;
    let precondition = entity_tag::precondition(&request, user);
    // Not to the end: whoever hangs up leaves the line.
    let rendered = services.avatars.render(parts).await.map_err(not_rendered)?;
    drop(room);
    let (avatars, shared) = (services.avatars.clone(), config.clone());
    let set = to_the_end(async move {
        let set = avatars.set(user, authority, rendered, precondition).await;
        set.map_err(|error| refused(error, &shared))
    });
    let profile = set.await?.profile;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, entity_tag::of_profile(&profile)))
        .json(AvatarBody::of(&profile, &config.public_url)))
}

/// Uploads the caller's picture.
#[utoipa::path(post, path = "/api/v1/profile/avatar", operation_id = "uploadAvatar", tag = "v1",
    security(("bearer" = [])), request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 200, body = AvatarBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 412, body = ErrorBody), (status = 413, body = ErrorBody), (status = 415, body = ErrorBody)))]
pub(crate) async fn upload(
    (request, caller, body, services, config): (HttpRequest, Caller, Body, Data<Services>, Data<HttpConfig>),
) -> ApiResult {
    let upload = Upload { user: caller.user_id(), authority: Authority::Granted, request, body, services, config };
    take(upload, |error, config| v1_profile::refused(error, &config.public_url)).await
}

/// Takes the caller's picture away.
#[utoipa::path(delete, path = "/api/v1/profile/avatar", operation_id = "deleteAvatar", tag = "v1",
    security(("bearer" = [])), responses((status = 204), (status = 401, body = ErrorBody),
        (status = 412, body = ErrorBody)))]
pub(crate) async fn clear(
    (request, caller, services, config): (HttpRequest, Caller, Data<Services>, Data<HttpConfig>),
) -> ApiResult {
    let user = caller.user_id();
    let precondition = entity_tag::precondition(&request, user);
    let avatars = services.avatars.clone();
    let cleared = to_the_end(async move {
        let cleared = avatars.clear(user, Authority::Granted, precondition).await;
        cleared.map_err(|error| v1_profile::refused(error, &config.public_url))
    });
    let tag = entity_tag::of_profile(&cleared.await?.profile);
    Ok(HttpResponse::NoContent().insert_header((header::ETAG, tag)).finish())
}

type UserUpload = (HttpRequest, MaybeCaller, Path<String>, Body, Data<Services>, Data<HttpConfig>);

/// For the account with an id, whoever may write to it.
async fn upload_of_user((request, caller, id, body, services, config): UserUpload) -> ApiResult {
    let user = users::user_id(&id)?;
    let authority = services.accounts.authority(user, caller.claims.as_ref()).await?;
    let sees_all = users::sees_all(&caller, authority);
    let upload = Upload { user, authority, request, body, services, config };
    take(upload, move |error, config| users::refused(error, sees_all, &config.public_url)).await
}

/// Uploads a user's picture.
#[utoipa::path(put, path = "/users/{id}/avatar", operation_id = "putUserAvatar", tag = "users",
    security((), ("bearer" = [])), params(("id" = String, Path, description = "User id (UUID)")),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 200, body = AvatarBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 412, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 415, body = ErrorBody)))]
pub(crate) async fn put(upload: UserUpload) -> ApiResult {
    upload_of_user(upload).await
}

/// Uploads a user's picture, where the existing web client does.
#[utoipa::path(post, path = "/avatars/upload/{id}", operation_id = "uploadUserAvatar", tag = "users",
    security((), ("bearer" = [])), params(("id" = String, Path, description = "User id (UUID)")),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 200, body = AvatarBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 412, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 415, body = ErrorBody)))]
pub(crate) async fn post(upload: UserUpload) -> ApiResult {
    upload_of_user(upload).await
}

/// The headers that all answers about pictures have: pages of other origins may show them.
fn public(mut response: HttpResponseBuilder, tag: String, caching: &'static str) -> HttpResponseBuilder {
    response
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, caching))
        .insert_header(("cross-origin-resource-policy", "cross-origin"));
    response
}

fn inline(file_name: &str) -> (header::HeaderName, String) {
    (header::CONTENT_DISPOSITION, format!("inline; filename=\"{file_name}\""))
}

/// User, picture and file.
type FileSegments = Path<(String, String, String)>;
/// User and size.
type SizeSegments = Path<(String, String)>;

/// A file of a picture.
#[utoipa::path(get, path = "/avatars/{user}/{picture}/{file}", operation_id = "getAvatarFile", tag = "users",
    params(("user" = String, Path, description = "User id (UUID)"),
        ("picture" = String, Path, description = "32 hexadecimal digits"),
        ("file" = String, Path, description = "The size and `.jpg` or `.png`")),
    responses((status = 200, description = "The picture; it never changes",
            content((PictureFile = "image/jpeg"), (PictureFile = "image/png"))),
        (status = 304), (status = 404, body = ErrorBody)))]
pub(crate) async fn file(
    (request, _caller, segments, services): (HttpRequest, Anonymous, FileSegments, Data<Services>),
) -> ApiResult {
    let (user, picture, name) = segments.into_inner();
    let path = PicturePath::from_segments(&user, &picture, &name).map_err(|_| ApiError::not_found())?;
    // An id can be written in more ways than one; a file has one path.
    if path.user_id.to_string() != user {
        return Err(ApiError::not_found());
    }
    let bytes = services.avatars.file(&path).await?.ok_or_else(ApiError::not_found)?;
    let tag = format!("\"{}-{}\"", path.picture, path.file_name());
    if entity_tag::is_current(&request, &tag) {
        return Ok(public(HttpResponse::NotModified(), tag, FOREVER).finish());
    }
    Ok(public(HttpResponse::Ok(), tag, FOREVER)
        .content_type(path.format.media_type())
        .insert_header(inline(&path.file_name()))
        .body(bytes))
}

/// The tag of an answer that is small enough to be digested.
fn tag_of(answer: &str) -> String {
    let digest = Sha256::digest(answer);
    format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(digest.get(..12).unwrap_or_default()))
}

/// What is to be seen of a user: the way to the picture, or the initials where there is none.
#[utoipa::path(get, path = "/avatars/{user}/{size}", operation_id = "getAvatar", tag = "users",
    params(("user" = String, Path, description = "User id (UUID)"),
        ("size" = String, Path, description = "`thumbnail`, `small`, `medium` or `large`")),
    responses((status = 200, description = "The initials", content_type = "image/svg+xml", body = String),
        (status = 302, description = "The picture", headers(("Location" = String, description = "Its file"))),
        (status = 304), (status = 404, body = ErrorBody)))]
pub(crate) async fn alias(
    (request, _caller, segments, services, config): (
        HttpRequest,
        Anonymous,
        SizeSegments,
        Data<Services>,
        Data<HttpConfig>,
    ),
) -> ApiResult {
    let (user, size) = segments.into_inner();
    let user: UserId = user.parse().map_err(|_| ApiError::not_found())?;
    let size: AvatarSize = size.parse().map_err(|_| ApiError::not_found())?;
    let shown = services.avatars.shown(user, size).await?.ok_or_else(ApiError::not_found)?;
    let answer = match &shown {
        Shown::Picture(path) => config.public_url.shown(&path.to_string()).into_owned(),
        Shown::Initials(initials) => initials::drawn(initials, size),
    };
    let tag = tag_of(&answer);
    if entity_tag::is_current(&request, &tag) {
        return Ok(public(HttpResponse::NotModified(), tag, "no-cache").finish());
    }
    Ok(match shown {
        Shown::Picture(_) => {
            public(HttpResponse::Found(), tag, "no-cache").insert_header((header::LOCATION, answer)).finish()
        }
        Shown::Initials(_) => public(HttpResponse::Ok(), tag, "no-cache")
            .content_type("image/svg+xml")
            .insert_header(inline(&format!("{}.svg", size.as_str())))
            .body(answer),
    })
}
