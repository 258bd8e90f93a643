//! Settings of the interface.

use frontdesk_kernel::{Fault, FaultCode, Patch, Timestamp, Unavailable, UserId};

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Always light.
    Light,
    /// Always dark.
    Dark,
    /// As the device.
    #[default]
    System,
}

/// How a folder is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DefaultView {
    /// Tiles.
    #[default]
    Grid,
    /// Rows.
    List,
}

/// A closed set of words.
pub trait Words: Copy + Sized + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// The word on the wire and in the store.
    fn as_str(self) -> &'static str;

    /// Finds the value of a word.
    fn find(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.as_str() == word)
    }
}

impl Words for Theme {
    const ALL: &'static [Self] = &[Self::Light, Self::Dark, Self::System];

    fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
            Self::System => "system",
        }
    }
}

impl Words for DefaultView {
    const ALL: &'static [Self] = &[Self::Grid, Self::List];

    fn as_str(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::List => "list",
        }
    }
}

/// How many items a page may show.
pub const ITEMS_PER_PAGE: std::ops::RangeInclusive<i64> = 5..=200;

/// A number of items per page, 5 to 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemsPerPage(i32);

impl ItemsPerPage {
    /// Takes a number in range.
    pub fn new(count: i64) -> Option<Self> {
        if ITEMS_PER_PAGE.contains(&count) { i32::try_from(count).ok().map(Self) } else { None }
    }

    /// Takes what a store gives back.
    pub const fn from_stored(count: i32) -> Self {
        Self(count)
    }

    /// The number.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl Default for ItemsPerPage {
    fn default() -> Self {
        Self(20)
    }
}

/// A user's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Light or dark.
    pub theme: Theme,
    /// Less space between things.
    pub compact_mode: bool,
    /// How a folder is shown.
    pub default_view: DefaultView,
    /// How many items a page shows.
    pub items_per_page: ItemsPerPage,
    /// Pictures in lists.
    pub show_thumbnails: bool,
    /// Folders open by themselves.
    pub auto_expand_folders: bool,
    /// Ask before deleting.
    pub confirm_delete: bool,
    /// Others see when the user is active.
    pub show_activity: bool,
    /// Usage may be counted.
    pub allow_analytics: bool,
    /// When they last changed.
    pub updated_at: Timestamp,
    /// Counts changes, from 1.
    pub version: i64,
}

impl Settings {
    /// The settings of a new account.
    pub fn new(now: Timestamp) -> Self {
        Self {
            theme: Theme::default(),
            compact_mode: false,
            default_view: DefaultView::default(),
            items_per_page: ItemsPerPage::default(),
            show_thumbnails: true,
            auto_expand_folders: false,
            confirm_delete: true,
            show_activity: true,
            allow_analytics: true,
            updated_at: now,
            version: 1,
        }
    }
}

/// A change of settings; see [`Settings`] for the fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the fields are those of Settings, and documented there")]
pub struct SettingsPatch {
    pub theme: Patch<Theme>,
    pub compact_mode: Patch<bool>,
    pub default_view: Patch<DefaultView>,
    pub items_per_page: Patch<ItemsPerPage>,
    pub show_thumbnails: Patch<bool>,
    pub auto_expand_folders: Patch<bool>,
    pub confirm_delete: Patch<bool>,
    pub show_activity: Patch<bool>,
    pub allow_analytics: Patch<bool>,
}

/// The command to change settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsChange {
    /// Whose settings.
    pub user_id: UserId,
    /// What changes.
    pub patch: SettingsPatch,
    /// The versions that the caller has seen (`If-Match`); `None` asks nothing.
    pub seen: Option<Vec<i64>>,
    /// The moment of the change.
    pub now: Timestamp,
}

/// Why settings are not changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No such user.
    #[error("no such user")]
    NotFound,
    /// The caller's copy is stale; here is the current one.
    #[error("the copy is stale: read it again and repeat the change")]
    PreconditionFailed(Box<Settings>),
    /// The store is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Fault for SettingsError {
    fn code(&self) -> FaultCode {
        match self {
            Self::NotFound => FaultCode::NotFound,
            Self::PreconditionFailed(_) => FaultCode::PreconditionFailed,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}

/// Decides a change: the new settings, or `None` where nothing changes. Pure.
pub fn decide(stored: &Settings, change: &SettingsChange) -> Result<Option<Settings>, SettingsError> {
    let SettingsChange { user_id: _, patch, seen, now } = change;
    if seen.as_ref().is_some_and(|versions| !versions.contains(&stored.version)) {
        return Err(SettingsError::PreconditionFailed(Box::new(stored.clone())));
    }
    let merged = merge(stored, patch.clone());
    if merged == *stored {
        return Ok(None);
    }
    Ok(Some(Settings { updated_at: *now, version: stored.version + 1, ..merged }))
}

fn merge(stored: &Settings, patch: SettingsPatch) -> Settings {
    let SettingsPatch {
        theme,
        compact_mode,
        default_view,
        items_per_page,
        show_thumbnails,
        auto_expand_folders,
        confirm_delete,
        show_activity,
        allow_analytics,
    } = patch;
    let default = Settings::new(stored.updated_at);
    Settings {
        theme: theme.over_or(stored.theme, || default.theme),
        compact_mode: compact_mode.over_or(stored.compact_mode, || default.compact_mode),
        default_view: default_view.over_or(stored.default_view, || default.default_view),
        items_per_page: items_per_page.over_or(stored.items_per_page, || default.items_per_page),
        show_thumbnails: show_thumbnails.over_or(stored.show_thumbnails, || default.show_thumbnails),
        auto_expand_folders: auto_expand_folders.over_or(stored.auto_expand_folders, || default.auto_expand_folders),
        confirm_delete: confirm_delete.over_or(stored.confirm_delete, || default.confirm_delete),
        show_activity: show_activity.over_or(stored.show_activity, || default.show_activity),
        allow_analytics: allow_analytics.over_or(stored.allow_analytics, || default.allow_analytics),
        updated_at: stored.updated_at,
        version: stored.version,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds).unwrap()
    }

    fn change(patch: SettingsPatch) -> SettingsChange {
        SettingsChange { user_id: UserId::new(Uuid::from_u128(1)), patch, seen: None, now: at(9) }
    }

    #[test]
    fn a_change_bumps_the_version_once() {
        let patch = SettingsPatch {
            theme: Patch::Set(Theme::Dark),
            compact_mode: Patch::Set(true),
            ..SettingsPatch::default()
        };
        let settings = decide(&Settings::new(at(0)), &change(patch)).unwrap().unwrap();
        assert_eq!((settings.theme, settings.version, settings.updated_at), (Theme::Dark, 2, at(9)));
    }

    #[test]
    fn what_is_already_so_changes_nothing() {
        let patch = SettingsPatch { theme: Patch::Clear, confirm_delete: Patch::Set(true), ..SettingsPatch::default() };
        assert_eq!(decide(&Settings::new(at(0)), &change(patch)).unwrap(), None);
    }

    #[test]
    fn a_stale_copy_is_refused() {
        let mut stale = change(SettingsPatch::default());
        stale.seen = Some(vec![7]);
        assert!(matches!(decide(&Settings::new(at(0)), &stale), Err(SettingsError::PreconditionFailed(_))));
    }

    #[test]
    fn pages_have_5_to_200_items() {
        let allowed = [4, 5, 200, 201, -1, 1 << 33].map(|count| ItemsPerPage::new(count).is_some());
        assert_eq!(allowed, [false, true, true, false, false, false]);
    }
}
