//! Errors on the wire: one table of codes, and the value every handler fails with.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use frontdesk_kernel::{Fault, FaultCode, Unavailable};
use serde_json::{Map, Value, json};

macro_rules! codes {
    ($($code:ident, $text:literal, $status:ident, $meaning:literal, $remedy:literal;)*) => {
        /// The stable codes of the API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $code,)*
        }

        impl Code {
            /// Every code, by status.
            pub const ALL: &'static [Self] = &[$(Self::$code),*];

            /// The code as it is sent.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text,)* }
            }

            /// The status it is sent with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$code => StatusCode::$status,)* }
            }

            /// What it means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning,)* }
            }

            /// What a client does about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$code => $remedy,)* }
            }
        }
    };
}

codes! {
    MalformedRequest, "malformed_request", BAD_REQUEST,
        "The request cannot be read: broken JSON, a repeated key, a missing header.", "Mend the request.";
    ValidationFailed, "validation_failed", BAD_REQUEST,
        "Fields break their rules; `details.fields` names each.", "Show the messages beside the fields.";
    Unauthorized, "unauthorized", UNAUTHORIZED,
        "The credential is missing, malformed, expired, forged or revoked; or a sign-in failed.", "Sign in again.";
    Forbidden, "forbidden", FORBIDDEN,
        "The credential is good, but does not allow this.", "Ask with the right one.";
    ReauthenticationRequired, "reauthentication_required", FORBIDDEN,
        "The last sign-in is too long ago for this.", "Send the current password, or sign in and repeat.";
    NotFound, "not_found", NOT_FOUND,
        "No such path or object, or none that the caller may know of.", "Do not repeat.";
    MethodNotAllowed, "method_not_allowed", METHOD_NOT_ALLOWED,
        "The path exists and does not take this method; `Allow` lists those it takes.", "Use one of them.";
    RequestTimeout, "request_timeout", REQUEST_TIMEOUT,
        "The body did not come in time.", "Repeat on a better line.";
    Conflict, "conflict", CONFLICT,
        "The present state does not allow it.", "Read again, then decide.";
    UsernameTaken, "username_taken", CONFLICT,
        "Somebody has this username, in whatever case.", "Choose another.";
    IdempotencyInProgress, "idempotency_in_progress", CONFLICT,
        "The first request with this key still runs.", "Repeat the same request later.";
    PreconditionFailed, "precondition_failed", PRECONDITION_FAILED,
        "`If-Match` names an old copy; `details.current` is the present one.", "Merge, then repeat with its `ETag`.";
    PayloadTooLarge, "payload_too_large", PAYLOAD_TOO_LARGE,
        "The body is over `details.limit_bytes`.", "Send less.";
    UnsupportedMediaType, "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE,
        "The body is of a type or an encoding that the route does not read.", "Send JSON in UTF-8, or a JPEG, PNG, WebP or GIF picture where the route takes one.";
    IdempotencyKeyReused, "idempotency_key_reused", UNPROCESSABLE_ENTITY,
        "This `Idempotency-Key` came with another body before.", "Use a key of its own for every intent.";
    UpgradeRequired, "upgrade_required", UPGRADE_REQUIRED,
        "The path speaks WebSocket, and the request asks for no upgrade to it, or for another version than 13.",
        "Open a WebSocket.";
    RateLimited, "rate_limited", TOO_MANY_REQUESTS,
        "Too many requests, or too many failed sign-ins.", "Wait for `Retry-After` seconds.";
    Internal, "internal", INTERNAL_SERVER_ERROR,
        "A bug. The request id finds the cause in the log.", "Report the request id.";
    Unavailable, "unavailable", SERVICE_UNAVAILABLE,
        "The database or a queue is out of reach or full.", "Repeat after `Retry-After` seconds.";
}

impl From<FaultCode> for Code {
    fn from(code: FaultCode) -> Self {
        match code {
            FaultCode::ValidationFailed => Self::ValidationFailed,
            FaultCode::UnsupportedMediaType => Self::UnsupportedMediaType,
            FaultCode::Unauthorized => Self::Unauthorized,
            FaultCode::Forbidden => Self::Forbidden,
            FaultCode::ReauthenticationRequired => Self::ReauthenticationRequired,
            FaultCode::NotFound => Self::NotFound,
            FaultCode::Conflict => Self::Conflict,
            FaultCode::UsernameTaken => Self::UsernameTaken,
            FaultCode::IdempotencyInProgress => Self::IdempotencyInProgress,
            FaultCode::IdempotencyKeyReused => Self::IdempotencyKeyReused,
            FaultCode::PreconditionFailed => Self::PreconditionFailed,
            FaultCode::RateLimited => Self::RateLimited,
            FaultCode::Unavailable => Self::Unavailable,
            FaultCode::Internal => Self::Internal,
        }
    }
}

/// How soon an unavailable dependency is worth another try.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(1);

/// What a handler fails with. The edge renders it for the facade that was called, and logs the cause.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) code: Code,
    pub(crate) message: Cow<'static, str>,
    pub(crate) details: Map<String, Value>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) allow: Option<String>,
    /// For the log alone.
    pub(crate) cause: Option<String>,
}

pub(crate) type ApiResult = Result<HttpResponse, ApiError>;

impl ApiError {
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        let retry_after = (code == Code::Unavailable).then_some(UNAVAILABLE_RETRY);
        Self { code, message: message.into(), details: Map::new(), retry_after, allow: None, cause: None }
    }

    pub(crate) fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::MalformedRequest, message)
    }

    /// The one 401 for every credential that is not believed.
    pub(crate) fn unauthorized() -> Self {
        Self::from(frontdesk_profile::token::TokenRefused)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "Not Found")
    }

    /// The 404 that the existing web client looks for.
    pub(crate) fn no_user() -> Self {
        Self::new(Code::NotFound, "User not found")
    }

    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(Code::Internal, "an internal error occurred") }
    }

    pub(crate) fn rate_limited(message: &'static str, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Code::RateLimited, message) }
    }

    pub(crate) fn field(name: &str, message: &str) -> Self {
        let details = Map::from_iter([("fields".to_owned(), json!({ name: [message] }))]);
        Self { details, ..Self::new(Code::ValidationFailed, "1 field is invalid") }
    }

    pub(crate) fn detail(mut self, name: &str, value: Value) -> Self {
        self.details.insert(name.to_owned(), value);
        self
    }

    /// The `error` object: all there is on v1, one half elsewhere.
    pub(crate) fn object(&self) -> Value {
        json!({ "code": self.code.as_str(), "message": self.message, "details": self.details })
    }
}

/// Any fault of a domain. What may be sent is its `Display`; its sources go to the log.
impl<F: Fault> From<F> for ApiError {
    fn from(fault: F) -> Self {
        let code = Code::from(fault.code());
        let cause = matches!(code, Code::Internal | Code::Unavailable).then(|| chain(&fault));
        let message = if code == Code::Internal { "an internal error occurred".to_owned() } else { fault.to_string() };
        Self { cause, ..Self::new(code, message) }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {source}");
        next = source.source();
    }
    text
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    /// Empty: which rendering is right depends on the path, which only the edge knows.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// A store or a queue that is out of reach, for code that has no error of its own.
pub(crate) fn unavailable(cause: Unavailable) -> ApiError {
    ApiError::from(cause)
}

/// `docs/errors.md`, from the table above.
pub fn errors_page() -> String {
    let mut page = String::from(
        "# Errors\n\n\
         Generated from the table in `crates/adapters/http/src/error.rs`; a test keeps it true.\n\n\
         `/api/v1/*`, `/internal/v1/*` and `/webhooks/*` answer\n\
         `{\"error\": {\"code\", \"message\", \"details\"}}`; every other path answers `{\"detail\": \"<message>\"}`\n\
         and the same `error` object. `code` is stable, `message` is for people, `details` is always an object.\n\n\
         | status | code | meaning | what a client does |\n|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let _ = writeln!(
            page,
            "| {} | `{}` | {} | {} |",
            code.status().as_u16(),
            code.as_str(),
            code.meaning(),
            code.remedy()
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_errors_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/errors.md");
        let page = std::fs::read_to_string(path).unwrap_or_default();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, errors_page()).unwrap();
        } else {
            assert_eq!(page, errors_page(), "docs/errors.md is stale: run the test with UPDATE_DOCS=1");
        }
    }

    #[test]
    fn codes_are_unique_and_sorted_by_status() {
        let statuses: Vec<_> = Code::ALL.iter().map(|code| code.status().as_u16()).collect();
        assert!(statuses.is_sorted());
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn a_cause_is_kept_for_the_log_and_never_in_the_object() {
        let error = ApiError::from(Unavailable::new("password=hunter2"));
        assert!(!error.object().to_string().contains("hunter2"));
        assert!(error.cause.is_some_and(|cause| cause.contains("hunter2")));
    }
}
