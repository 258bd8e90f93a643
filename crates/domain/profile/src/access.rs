//! Why somebody is not believed, or may not.

use frontdesk_kernel::{Fault, FaultCode, Unavailable};

use crate::token::TokenRefused;

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// It is not one of ours, or not any more.
    #[error(transparent)]
    Refused(#[from] TokenRefused),
    /// Something is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Fault for AuthenticationError {
    fn code(&self) -> FaultCode {
        match self {
            Self::Refused(cause) => cause.code(),
            Self::Unavailable(cause) => cause.code(),
        }
    }
}

/// Why a profile may not be written.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// No credential, and the account is not open.
    #[error(transparent)]
    Refused(#[from] TokenRefused),
    /// The profile is another user's, or nobody's.
    #[error("User not found")]
    NotFound,
    /// Something is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Fault for AuthorityError {
    fn code(&self) -> FaultCode {
        match self {
            Self::Refused(cause) => cause.code(),
            Self::NotFound => FaultCode::NotFound,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}
