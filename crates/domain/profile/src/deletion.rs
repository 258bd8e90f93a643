//! Deleting an account: the request and why it is refused.

use std::net::IpAddr;
use std::time::Duration;

use frontdesk_kernel::{Fault, FaultCode, Timestamp, Unavailable, UserId};

use crate::password::Password;
use crate::token::TokenRefused;

/// A request to delete an account.
#[derive(Debug, Clone)]
pub struct DeletionRequest {
    /// Whose.
    pub user_id: UserId,
    /// When the caller last signed in, by their token.
    pub signed_in_at: Timestamp,
    /// When their token was issued.
    pub issued_at: Timestamp,
    /// The password as typed (`X-Confirm-Password`).
    pub password: Option<Password>,
    /// Where it comes from.
    pub address: IpAddr,
}

/// Why an account is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
    /// The account is gone already.
    #[error(transparent)]
    Unauthorized(#[from] TokenRefused),
    /// Neither a recent sign-in nor the password came along.
    #[error("sign in again, or send the password in X-Confirm-Password: the last sign-in is more than 24 hours ago")]
    ReauthenticationRequired,
    /// The password is another.
    #[error("the password in X-Confirm-Password is wrong")]
    WrongPassword,
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

impl Fault for DeletionError {
    fn code(&self) -> FaultCode {
        match self {
            Self::Unauthorized(cause) => cause.code(),
            Self::ReauthenticationRequired => FaultCode::ReauthenticationRequired,
            Self::WrongPassword => FaultCode::Forbidden,
            Self::RateLimited { .. } => FaultCode::RateLimited,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}
