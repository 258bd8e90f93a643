//! What went wrong, in words no protocol owns.

use std::error::Error;

/// The kinds of failure. An inbound adapter maps each to its protocol, exhaustively.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The request is wrong and stays wrong.
    Invalid,
    /// Nobody, or nobody we believe.
    Unauthenticated,
    /// Somebody, but not one who may.
    Forbidden,
    /// No such thing, or none that the caller may know of.
    NotFound,
    /// The request does not fit the present state.
    Conflict,
    /// The caller's copy is stale.
    PreconditionFailed,
    /// Too much, too fast.
    Exhausted,
    /// A dependency is out of reach, or a queue is full; the same request may succeed later.
    Unavailable,
    /// A bug.
    Internal,
}

/// The stable codes that domains give, part of the public contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultCode {
    /// A field breaks a rule.
    ValidationFailed,
    /// The content is of a type that is not taken.
    UnsupportedMediaType,
    /// A missing or refused credential.
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// The caller has to prove again who they are.
    ReauthenticationRequired,
    /// No such object.
    NotFound,
    /// The state forbids it.
    Conflict,
    /// The username belongs to somebody.
    UsernameTaken,
    /// The first request with this idempotency key still runs.
    IdempotencyInProgress,
    /// This idempotency key came with another request.
    IdempotencyKeyReused,
    /// The version named by the caller is not the current one.
    PreconditionFailed,
    /// The caller is over a limit.
    RateLimited,
    /// A dependency is out of reach or a queue is full.
    Unavailable,
    /// A bug.
    Internal,
}

impl FaultCode {
    /// The kind this code belongs to.
    pub const fn kind(self) -> FaultKind {
        match self {
            Self::ValidationFailed | Self::UnsupportedMediaType | Self::IdempotencyKeyReused => FaultKind::Invalid,
            Self::Unauthorized => FaultKind::Unauthenticated,
            Self::Forbidden | Self::ReauthenticationRequired => FaultKind::Forbidden,
            Self::NotFound => FaultKind::NotFound,
            Self::Conflict | Self::UsernameTaken | Self::IdempotencyInProgress => FaultKind::Conflict,
            Self::PreconditionFailed => FaultKind::PreconditionFailed,
            Self::RateLimited => FaultKind::Exhausted,
            Self::Unavailable => FaultKind::Unavailable,
            Self::Internal => FaultKind::Internal,
        }
    }
}

/// An error that an inbound adapter can answer with.
///
/// `Display` is for people and may be sent; `source` is for the log and never is.
pub trait Fault: Error {
    /// The stable code.
    fn code(&self) -> FaultCode;

    /// The kind, which follows from the code.
    fn kind(&self) -> FaultKind {
        self.code().kind()
    }
}

/// A dependency did not answer, or answered nonsense. The one infrastructure error of every port.
#[derive(Debug, thiserror::Error)]
#[error("the service is temporarily unavailable")]
pub struct Unavailable(#[source] Box<dyn Error + Send + Sync>);

impl Unavailable {
    /// Keeps the cause for the log.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl Fault for Unavailable {
    fn code(&self) -> FaultCode {
        FaultCode::Unavailable
    }
}
