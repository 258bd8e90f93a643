//! Accounts, passwords, sessions, profiles, avatars, preferences and settings.
//!
//! One row per user, seen through three facades. Everything here is decided by pure functions
//! ([`profile::decide`], [`settings::decide`], [`account::decide_password`], [`session::decide_refresh`]); the services
//! ([`Accounts`], [`Authentication`], [`Sessions`], [`Profiles`], [`Avatars`], [`UserSettings`]) hold ports and join the
//! decisions to the world.

mod access;
pub mod account;
mod account_store;
mod accounts;
mod attempts;
mod authentication;
pub mod avatar;
mod avatars;
pub mod channels;
mod deletion;
mod field;
pub mod password;
mod password_change;
mod personal_data;
pub mod preferences;
pub mod profile;
mod profiles;
pub mod refresh_token;
mod remembered;
pub mod revocation;
mod revocations;
pub mod session;
mod session_store;
mod sessions;
pub mod settings;
mod sign_in;
mod text;
pub mod token;
mod user_settings;
mod web;

pub use access::{AuthenticationError, AuthorityError};
pub use account::StorePasswordError;
pub use account_store::{AccountStore, CreateError, DeleteError, Login, Provision, Provisioned, Registered};
pub use accounts::{Accounts, AccountsPorts, ClaimPolicy, Registration, RegistrationError};
pub use authentication::{Authentication, AuthenticationPorts};
pub use avatars::{
    AvatarFiles, AvatarRenderer, Avatars, AvatarsPorts, CLAIMED_FOR, ClaimedPicture, FILES_WITHIN, Picture,
    PictureStore, RELEASED_FOR, RESERVED_FOR, Reservation, ReserveError, Shown,
};
pub use deletion::{DeletionError, DeletionRequest};
pub use field::{FieldError, FieldText};
pub use password_change::{PasswordChange, PasswordChangeError};
pub use personal_data::HOLDINGS;
pub use profile::UpdateError;
pub use profiles::{ProfileStore, Profiles};
pub use revocations::Revocations;
pub use session_store::{OpenSessionError, SessionKey, SessionStore};
pub use sessions::{RefreshError, Sessions, SessionsPorts, TokenPair};
pub use settings::SettingsError;
pub use sign_in::{SignIn, SignInError};
pub use text::{DefaultScenario, Handle, Language, Line, Paragraph, Phone, Timezone, Username, Voice};
pub use user_settings::{SettingsStore, UserSettings};
pub use web::{AvatarUrl, Email, WebUrl};
