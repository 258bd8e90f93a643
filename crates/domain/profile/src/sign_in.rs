//! Signing in: the request and why it is refused.

use std::net::IpAddr;
use std::time::Duration;

use frontdesk_kernel::{Fault, FaultCode, Unavailable};

use crate::password::Password;
use crate::session::Client;

/// A sign-in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The username as typed.
    pub username: String,
    /// The password as typed.
    pub password: Password,
    /// Where it comes from.
    pub address: IpAddr,
    /// On what the session runs.
    pub client: Client,
}

/// Why a sign-in is refused.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No such user or another password; which of the two is not told.
    #[error("the username or the password is wrong")]
    Refused,
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

impl Fault for SignInError {
    fn code(&self) -> FaultCode {
        match self {
            Self::Refused => FaultCode::Unauthorized,
            Self::RateLimited { .. } => FaultCode::RateLimited,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}
