//! Sessions on the wire.

use frontdesk_kernel::{SessionId, Timestamp};
use frontdesk_profile::session::{Client, Session};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::page::Pagination;

/// A sign-in on one device.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionBody {
    /// The `sid` of its tokens.
    id: Uuid,
    /// On what it runs, as `Safari on iPhone`; a label that the client gave.
    device: Option<String>,
    /// The `X-App-Type` that it began with.
    app_type: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last refreshed.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
}

impl SessionBody {
    pub(crate) fn of(session: Session, bearer: SessionId) -> Self {
        let Session { id, client: Client { device, app_type }, created_at, last_seen_at, .. } = session;
        Self { id: id.as_uuid(), device, app_type, created_at, last_seen_at, current: id == bearer }
    }
}

/// A page of sessions, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionsBody {
    pub(crate) data: Vec<SessionBody>,
    pub(crate) pagination: Pagination,
}
