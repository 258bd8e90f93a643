//! Settings on the wire.

use frontdesk_kernel::Timestamp;
use frontdesk_profile::FieldError;
use frontdesk_profile::settings::{ItemsPerPage, Settings, SettingsPatch, Words};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::input::{Fields, Unknown};

const READ_ONLY: &[&str] = &["id", "user_id", "created_at", "updated_at", "version"];

/// All settings.
#[derive(Serialize, ToSchema)]
pub(crate) struct SettingsBody {
    /// light, dark or system.
    theme: &'static str,
    compact_mode: bool,
    /// grid or list.
    default_view: &'static str,
    /// 5 to 200.
    items_per_page: i32,
    show_thumbnails: bool,
    auto_expand_folders: bool,
    confirm_delete: bool,
    show_activity: bool,
    allow_analytics: bool,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Counts changes, from 1.
    version: i64,
}

impl From<&Settings> for SettingsBody {
    fn from(settings: &Settings) -> Self {
        let Settings {
            theme,
            compact_mode,
            default_view,
            items_per_page,
            show_thumbnails,
            auto_expand_folders,
            confirm_delete,
            show_activity,
            allow_analytics,
            updated_at,
            version,
        } = settings;
        Self {
            theme: theme.as_str(),
            compact_mode: *compact_mode,
            default_view: default_view.as_str(),
            items_per_page: items_per_page.get(),
            show_thumbnails: *show_thumbnails,
            auto_expand_folders: *auto_expand_folders,
            confirm_delete: *confirm_delete,
            show_activity: *show_activity,
            allow_analytics: *allow_analytics,
            updated_at: *updated_at,
            version: *version,
        }
    }
}

/// A change of settings: an absent field keeps its value, `null` takes it back to the default.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `settings_patch` reads; a test compares the two")]
pub(crate) struct SettingsChanges {
    /// light, dark or system.
    theme: Option<String>,
    compact_mode: Option<bool>,
    /// grid or list.
    default_view: Option<String>,
    #[schema(minimum = 5, maximum = 200)]
    items_per_page: Option<i32>,
    show_thumbnails: Option<bool>,
    auto_expand_folders: Option<bool>,
    confirm_delete: Option<bool>,
    show_activity: Option<bool>,
    allow_analytics: Option<bool>,
}

fn items_per_page(value: &Value) -> Result<ItemsPerPage, Vec<(String, FieldError)>> {
    value.as_i64().and_then(ItemsPerPage::new).ok_or_else(|| {
        let error = FieldError::new("must be a whole number from 5 to 200");
        vec![(String::new(), error.found(&value.to_string()))]
    })
}

/// Reads a change of settings.
pub(crate) fn settings_patch(object: Map<String, Value>) -> Result<SettingsPatch, ApiError> {
    let mut fields = Fields::new(object, Unknown::Refuse);
    let patch = SettingsPatch {
        theme: fields.word("theme"),
        compact_mode: fields.switch("compact_mode"),
        default_view: fields.word("default_view"),
        items_per_page: fields.with("items_per_page", |value| items_per_page(&value)),
        show_thumbnails: fields.switch("show_thumbnails"),
        auto_expand_folders: fields.switch("auto_expand_folders"),
        confirm_delete: fields.switch("confirm_delete"),
        show_activity: fields.switch("show_activity"),
        allow_analytics: fields.switch("allow_analytics"),
    };
    fields.finish(READ_ONLY)?;
    Ok(patch)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::PartialSchema as _;

    use super::*;

    #[test]
    fn every_described_field_is_read_and_no_other() {
        let schema = serde_json::to_value(SettingsChanges::schema()).unwrap();
        for name in schema["properties"].as_object().unwrap().keys() {
            let body = Map::from_iter([(name.clone(), json!([[]]))]);
            let message = settings_patch(body).unwrap_err().details["fields"].to_string();
            assert!(!message.contains("not a known field"), "{name}: {message}");
        }
    }

    #[test]
    fn numbers_that_are_no_count_are_refused() {
        for value in [json!(4), json!(201), json!(20.5), json!("20"), json!(1_u64 << 63)] {
            assert!(settings_patch(Map::from_iter([("items_per_page".to_owned(), value)])).is_err());
        }
    }
}
