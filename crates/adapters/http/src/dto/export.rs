//! Everything held about a user, on the wire.

use frontdesk_kernel::Timestamp;
use frontdesk_profile::Picture;
use frontdesk_profile::account::Account;
use frontdesk_profile::session::{Client, Session};
use frontdesk_profile::token::Identity;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::settings::SettingsBody;
use super::view::{ChannelsBody, ProfileBody};

/// The account.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountBody {
    id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    has_password: bool,
}

impl AccountBody {
    pub(crate) fn of(account: Account) -> Self {
        let Account { id, password, claim_open_until: _, created_at } = account;
        Self { id: id.as_uuid(), created_at, has_password: password.is_some() }
    }
}

/// A sign-in, without the digests of its tokens.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedSessionBody {
    id: Uuid,
    device: Option<String>,
    app_type: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    authenticated_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl ExportedSessionBody {
    pub(crate) fn of(session: Session) -> Self {
        let Session { id, user_id: _, client, created_at, last_seen_at, authenticated_at, expires_at, rotation: _ } =
            session;
        let Client { device, app_type } = client;
        Self { id: id.as_uuid(), device, app_type, created_at, last_seen_at, authenticated_at, expires_at }
    }
}

/// A picture that was uploaded and of which files may exist.
#[derive(Serialize, ToSchema)]
pub(crate) struct PictureBody {
    id: String,
    /// Of the files of all its sizes.
    bytes: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From when on its files may go; null while the profile shows it.
    #[schema(value_type = Option<String>, format = DateTime)]
    purge_after: Option<Timestamp>,
}

impl PictureBody {
    pub(crate) fn of(picture: Picture) -> Self {
        let Picture { id, bytes, created_at, purge_after } = picture;
        Self { id: id.to_string(), bytes, created_at, purge_after }
    }
}

/// How a trusted issuer names the user.
#[derive(Serialize, ToSchema)]
pub(crate) struct IdentityBody {
    issuer: String,
    subject: String,
}

impl IdentityBody {
    pub(crate) fn of(identity: Identity) -> Self {
        let Identity { issuer, subject } = identity;
        Self { issuer, subject }
    }
}

/// Everything held about the caller. No secrets: neither hashes nor digests.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `export` writes; a test compares the two")]
pub(crate) struct ExportBody<'a> {
    #[schema(value_type = String, format = DateTime)]
    exported_at: Timestamp,
    account: AccountBody,
    profile: ProfileBody<'a>,
    settings: SettingsBody,
    notification_preferences: ChannelsBody,
    sessions: Vec<ExportedSessionBody>,
    pictures: Vec<PictureBody>,
    identities: Vec<IdentityBody>,
}
