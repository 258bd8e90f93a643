//! Accounts, passwords, profiles, preferences and settings.
//!
//! One row per user, seen through three facades. Everything here is decided by pure functions
//! ([`profile::decide`], [`settings::decide`], [`account::decide_password`]); the services ([`Accounts`],
//! [`Profiles`], [`UserSettings`]) hold ports and join the decisions to the world.

pub mod account;
mod accounts;
pub mod channels;
mod field;
pub mod password;
pub mod preferences;
pub mod profile;
mod profiles;
pub mod settings;
mod text;
pub mod token;
mod user_settings;
mod web;

pub use accounts::{
    AccountStore, Accounts, AccountsPorts, AuthenticationError, AuthorityError, ClaimPolicy, CreateError, Login,
    PasswordChange, PasswordChangeError, Registered, Registration, RegistrationError, SignIn, SignInError,
    StorePasswordError,
};
pub use field::{FieldError, FieldText};
pub use profiles::{ProfileStore, Profiles, UpdateError};
pub use text::{DefaultScenario, Handle, Language, Line, Paragraph, Phone, Timezone, Username, Voice};
pub use user_settings::{SettingsError, SettingsStore, UserSettings};
pub use web::{AvatarUrl, Email, WebUrl};
