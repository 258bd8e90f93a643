//! The port that keeps accounts.

use async_trait::async_trait;
use frontdesk_kernel::idempotency::Completion;
use frontdesk_kernel::{Event, Fault, FaultCode, Unavailable, UserId};

use crate::account::{Account, SetPassword, StorePasswordError};
use crate::channels::Channels;
use crate::password::PasswordHash;
use crate::profile::Profile;
use crate::settings::Settings;

/// A new account, as it is stored: all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The account.
    pub account: Account,
    /// Its profile.
    pub profile: Profile,
    /// Its settings.
    pub settings: Settings,
    /// Its channels.
    pub channels: Channels,
    /// The event that tells of it.
    pub event: Event,
}

/// What a store says to a new account.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The username belongs to somebody.
    #[error("the username is taken")]
    UsernameTaken,
    /// Somebody else holds the idempotency key by now.
    #[error("another request with this Idempotency-Key is running")]
    ClaimLost,
    /// The store is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Fault for CreateError {
    fn code(&self) -> FaultCode {
        match self {
            Self::UsernameTaken => FaultCode::UsernameTaken,
            Self::ClaimLost => FaultCode::IdempotencyInProgress,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}

/// What a sign-in needs to know of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user_id: UserId,
    /// The password, where there is one.
    pub password: Option<PasswordHash>,
}

/// Keeps accounts.
///
/// # Contract
/// - `create` MUST store account, profile, settings, channels, event and completion together or not at all.
/// - `create` MUST refuse a username that another user has, without regard to case.
/// - `create` with a completion MUST refuse when its claim no longer holds the scope.
/// - `find_login` MUST find an account by the comparison form of its username and nothing else.
/// - `set_password` MUST lock the account, ask [`decide_password`](crate::account::decide_password), and store
///   account and event together.
/// - `close_claim` MUST be idempotent, and MUST do nothing for an unknown user.
/// - A method that names a user MUST NOT read or write another user's rows.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Stores a new account.
    async fn create(&self, new: &Registered, completion: Option<&Completion>) -> Result<(), CreateError>;

    /// Reads an account.
    async fn account(&self, user: UserId) -> Result<Option<Account>, Unavailable>;

    /// Finds the account of a username in its comparison form.
    async fn find_login(&self, username_key: &str) -> Result<Option<Login>, Unavailable>;

    /// Sets a password and closes the account to strangers.
    async fn set_password(&self, command: &SetPassword) -> Result<(), StorePasswordError>;

    /// Closes the account to strangers.
    async fn close_claim(&self, user: UserId) -> Result<(), Unavailable>;
}
