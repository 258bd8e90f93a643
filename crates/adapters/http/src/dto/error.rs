//! The description of errors; `edge` renders them.

use serde_json::{Map, Value};
use utoipa::ToSchema;

/// An error. Outside `/api/v1` a `detail` with the message stands beside `error`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the edge renders")]
pub(crate) struct ErrorBody {
    detail: Option<String>,
    error: ErrorObject,
}

/// What went wrong.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the edge renders")]
pub(crate) struct ErrorObject {
    /// Stable; see the table of errors.
    code: String,
    /// For people.
    message: String,
    #[schema(value_type = Object)]
    details: Map<String, Value>,
}
