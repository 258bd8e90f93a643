//! Accounts, passwords, profiles, preferences and settings.
//!
//! One row per user, seen through three facades. Everything here is decided by pure functions
//! ([`profile::decide`], [`settings::decide`], [`account::decide_password`]); the services ([`Accounts`],
//! [`Profiles`], [`UserSettings`]) hold ports and join the decisions to the world.

mod access;
pub mod account;
mod account_store;
mod accounts;
mod attempts;
pub mod channels;
mod claimed;
mod field;
pub mod password;
mod password_change;
pub mod preferences;
pub mod profile;
mod profiles;
pub mod settings;
mod sign_in;
mod text;
pub mod token;
mod user_settings;
mod web;

pub use access::{AuthenticationError, AuthorityError};
pub use account::StorePasswordError;
pub use account_store::{AccountStore, CreateError, Login, Registered};
pub use accounts::{Accounts, AccountsPorts, ClaimPolicy, Registration, RegistrationError};
pub use field::{FieldError, FieldText};
pub use password_change::{PasswordChange, PasswordChangeError};
pub use profile::UpdateError;
pub use profiles::{ProfileStore, Profiles};
pub use settings::SettingsError;
pub use sign_in::{SignIn, SignInError};
pub use text::{DefaultScenario, Handle, Language, Line, Paragraph, Phone, Timezone, Username, Voice};
pub use user_settings::{SettingsStore, UserSettings};
pub use web::{AvatarUrl, Email, WebUrl};
