//! `GET /api/v1/account/export`: everything held about the caller.
//!
//! The document is written section by section: each is read while the one before it is on its way, so that neither a
//! connection nor the whole document is held for long.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use frontdesk_kernel::{Page, UserId};
use futures_util::future::ready;
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};

use crate::config::{PublicUrl, Services};
use crate::credential::Caller;
use crate::dto::error::ErrorBody;
use crate::dto::export::{AccountBody, ExportBody, ExportedSessionBody, IdentityBody, PictureBody};
use crate::dto::settings::SettingsBody;
use crate::dto::view::{ChannelsBody, ProfileBody};
use crate::error::{ApiError, ApiResult};

/// How many rows of a list are read at once.
const ROWS: u32 = 100;

/// A part of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Account,
    Profile,
    Settings,
    NotificationPreferences,
    Sessions,
    Pictures,
    Identities,
}

impl Section {
    /// After the account, which is read before anything is sent: a store out of reach is then a plain 503.
    const REST: &'static [Self] = &[
        Self::Profile,
        Self::Settings,
        Self::NotificationPreferences,
        Self::Sessions,
        Self::Pictures,
        Self::Identities,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Profile => "profile",
            Self::Settings => "settings",
            Self::NotificationPreferences => "notification_preferences",
            Self::Sessions => "sessions",
            Self::Pictures => "pictures",
            Self::Identities => "identities",
        }
    }

    /// Reads it. A row that is not there means that the account was deleted meanwhile.
    async fn read(self, services: &Services, user: UserId) -> Result<Value, ApiError> {
        let gone = ApiError::unauthorized;
        Ok(match self {
            Self::Account => json!(AccountBody::of(services.accounts.account(user).await?.ok_or_else(gone)?)),
            Self::Profile => {
                let profile = services.profiles.profile(user).await?.ok_or_else(gone)?;
                // Pictures by their paths: as they are held.
                json!(ProfileBody::of(&profile, &PublicUrl::default()))
            }
            Self::Settings => json!(SettingsBody::from(&services.settings.settings(user).await?.ok_or_else(gone)?)),
            Self::NotificationPreferences => {
                let view = services.profiles.view(user).await?.ok_or_else(gone)?;
                json!(ChannelsBody::from(view.channels.unwrap_or_default()))
            }
            Self::Sessions => sessions(services, user).await?,
            Self::Pictures => {
                let pictures = services.avatars.pictures(user).await?;
                pictures.into_iter().map(|picture| json!(PictureBody::of(picture))).collect()
            }
            Self::Identities => {
                let identities = services.accounts.identities(user).await?;
                identities.into_iter().map(|identity| json!(IdentityBody::of(identity))).collect()
            }
        })
    }
}

async fn sessions(services: &Services, user: UserId) -> Result<Value, ApiError> {
    let mut all = Vec::new();
    let mut page = Page { limit: ROWS, offset: 0, after: None };
    loop {
        let listed = services.sessions.list(user, page).await?;
        page.after = listed.rows.last().map(|last| (last.created_at, last.id));
        all.extend(listed.rows.into_iter().map(|session| json!(ExportedSessionBody::of(session))));
        if !listed.has_more {
            return Ok(Value::Array(all));
        }
    }
}

/// The sections after the first, each read when the one before it has been taken. A failure breaks the answer off: a
/// client sees that it is not whole.
fn rest(services: Data<Services>, user: UserId) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::iter(Section::REST).then(move |section| {
        let services = services.clone();
        async move {
            let value = section.read(&services, user).await.map_err(|error| {
                tracing::error!(section = section.name(), cause = error.cause, %error, "an export broke off");
                std::io::Error::other("the export broke off")
            })?;
            Ok(Bytes::from(format!(",\"{}\":{value}", section.name())))
        }
    })
}

/// Everything held about the caller, as one document to keep.
#[utoipa::path(get, path = "/api/v1/account/export", operation_id = "exportAccount", tag = "v1",
    security(("bearer" = [])), responses((status = 200, body = ExportBody), (status = 401, body = ErrorBody)))]
pub(crate) async fn export((caller, services): (Caller, Data<Services>)) -> ApiResult {
    let user = caller.user_id();
    let account = Section::Account.read(&services, user).await?;
    let exported_at = json!(services.clock.now());
    let head = format!("{{\"exported_at\":{exported_at},\"{}\":{account}", Section::Account.name());
    let once = |text: String| stream::once(ready(Ok(Bytes::from(text))));
    let document = once(head).chain(rest(services, user)).chain(once("}".to_owned()));
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"frontdesk-export.json\""))
        .streaming(document))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use frontdesk_kernel::personal::InExport;
    use frontdesk_profile::HOLDINGS;
    use utoipa::PartialSchema as _;

    use super::*;

    fn sections() -> BTreeSet<String> {
        [Section::Account].iter().chain(Section::REST).map(|section| section.name().to_owned()).collect()
    }

    #[test]
    fn every_table_that_is_to_be_shown_has_its_section() {
        let held = HOLDINGS.iter().chain(frontdesk_rooms::HOLDINGS).filter_map(|holding| match holding.in_export {
            InExport::Section(name) => Some(name.to_owned()),
            InExport::Omitted(_) => None,
        });
        assert_eq!(held.collect::<BTreeSet<_>>(), sections());
    }

    #[test]
    fn the_document_is_described_as_it_is_written() {
        let schema = serde_json::to_value(ExportBody::schema()).unwrap();
        let described = schema["properties"].as_object().unwrap().keys().cloned();
        let written = sections().into_iter().chain(["exported_at".to_owned()]);
        assert_eq!(described.collect::<BTreeSet<_>>(), written.collect());
    }
}
