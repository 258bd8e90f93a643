//! The port that keeps accounts.

use async_trait::async_trait;
use frontdesk_kernel::idempotency::Completion;
use frontdesk_kernel::{Event, Fault, FaultCode, Timestamp, Unavailable, UserId};

use crate::account::{Account, DeleteAccount, Deletion, SetPassword, StorePasswordError};
use crate::channels::Channels;
use crate::password::PasswordHash;
use crate::profile::Profile;
use crate::session::{Ending, Session};
use crate::settings::Settings;
use crate::token::Identity;

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
    /// The session that begins with it; a trusted issuer keeps its own.
    pub session: Option<Session>,
    /// The event that tells of it.
    pub event: Event,
}

/// The command to make sure that the user of a trusted issuer has an account.
#[derive(Debug, Clone)]
pub struct Provision {
    /// What is stored where there is none.
    pub new: Registered,
    /// How the issuer names the user, where the user id is not the name.
    pub identity: Option<Identity>,
    /// When the token was issued that the user came with.
    pub issued_at: Timestamp,
}

/// What became of a provision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provisioned {
    /// An account was made.
    Made,
    /// There was one.
    Known,
    /// There was one, and it was deleted after the token was issued.
    Deleted,
}

/// What a store says to a deletion.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// No such account.
    #[error("no such account")]
    NotFound,
    /// The store is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
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
/// - `create` MUST store account, profile, settings, channels, session, event and completion together or not at all.
/// - `create` MUST refuse a username that another user has, or that rests, without regard to case.
/// - `create` with a completion MUST refuse when its claim no longer holds the scope.
/// - `find_login` MUST find an account by the comparison form of its username and nothing else.
/// - `set_password` MUST lock the account, ask [`decide_password`](crate::account::decide_password), and store the
///   whole decision together: account, both events, the end of every session and the new one.
/// - `provision` MUST make at most one account of a user, however many ask at once, and MUST make none where the
///   [`Tombstone`](crate::account::Tombstone) stops the token; a newer token makes a fresh, empty account in its place.
/// - `delete` MUST lock the account, ask [`decide_deletion`](crate::account::decide_deletion), and in one transaction
///   store the whole decision and remove every other row of the user, the answers to idempotency keys included. The
///   username MUST rest.
/// - After `delete`, no method MUST find anything of the user but the tombstone's effect.
/// - `purge` MUST free usernames that have rested and remove tombstones from before `now` less
///   [`TOMBSTONE_STANDS_FOR`](crate::account::TOMBSTONE_STANDS_FOR), and only those.
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

    /// Sets a password and closes the account to strangers; gives the end of the sessions there were.
    async fn set_password(&self, command: &SetPassword) -> Result<Ending, StorePasswordError>;

    /// Closes the account to strangers.
    async fn close_claim(&self, user: UserId) -> Result<(), Unavailable>;

    /// Makes sure that there is an account.
    async fn provision(&self, command: &Provision) -> Result<Provisioned, Unavailable>;

    /// How trusted issuers name the user.
    async fn identities(&self, user: UserId) -> Result<Vec<Identity>, Unavailable>;

    /// Deletes an account.
    async fn delete(&self, command: &DeleteAccount) -> Result<Deletion, DeleteError>;

    /// Forgets what has rested; tells how many rows.
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable>;
}
