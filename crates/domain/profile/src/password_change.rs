//! Changing a password: the request and why it is refused.

use std::net::IpAddr;
use std::time::Duration;

use frontdesk_kernel::{Fault, FaultCode, Timestamp, Unavailable, UserId};

use crate::FieldError;
use crate::account::PasswordGround;
use crate::password::Password;
use crate::session::Client;
use crate::token::TokenRefused;

/// A request to change a password.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// Whose password.
    pub user_id: UserId,
    /// On what ground; see [`Accounts::password_ground`](crate::Accounts::password_ground).
    pub ground: PasswordGround,
    /// When the caller last signed in, by their token.
    pub signed_in_at: Option<Timestamp>,
    /// The new password as typed.
    pub new_password: String,
    /// The current one as typed.
    pub current_password: Option<Password>,
    /// Where it comes from.
    pub address: IpAddr,
    /// On what the new session runs.
    pub client: Client,
}

/// Why a password is not changed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordChangeError {
    /// No credential, and the account is not open; or the account is gone.
    #[error(transparent)]
    Unauthorized(#[from] TokenRefused),
    /// The account is another user's, or nobody's.
    #[error("User not found")]
    NotFound,
    /// The new password may not be one.
    #[error("the new password is refused")]
    Invalid(FieldError),
    /// The account has a password, and neither it nor a fresh sign-in came along.
    #[error("send current_password, or sign in again: the last sign-in is more than 5 minutes ago")]
    ReauthenticationRequired,
    /// The current password is another.
    #[error("the current password is wrong")]
    WrongPassword,
    /// Another change was faster.
    #[error("the password was changed by another request meanwhile")]
    ChangedMeanwhile,
    /// Too many wrong passwords.
    #[error("too many failed attempts")]
    RateLimited {
        /// Until the next attempt is heard.
        retry_after: Duration,
    },
    /// Something is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Fault for PasswordChangeError {
    fn code(&self) -> FaultCode {
        match self {
            Self::Unauthorized(cause) => cause.code(),
            Self::NotFound => FaultCode::NotFound,
            Self::Invalid(_) => FaultCode::ValidationFailed,
            Self::ReauthenticationRequired => FaultCode::ReauthenticationRequired,
            Self::WrongPassword => FaultCode::Forbidden,
            Self::ChangedMeanwhile => FaultCode::Conflict,
            Self::RateLimited { .. } => FaultCode::RateLimited,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}
