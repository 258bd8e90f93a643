//! Access tokens: what they say, and the port that signs and verifies them.

use std::time::Duration;

use frontdesk_kernel::{Fault, FaultCode, SessionId, Timestamp, UserId};
use uuid::Uuid;

/// How far a clock may be off when an expiry or a not-before is judged.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// How far ahead of our clock a token may claim to have been issued.
pub const MAX_AHEAD: Duration = Duration::from_mins(1);

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    /// The user (`sub`).
    pub user_id: UserId,
    /// The sign-in it belongs to (`sid`).
    pub session_id: SessionId,
    /// Its own id (`jti`).
    pub token_id: Uuid,
    /// When it was issued (`iat`), in whole seconds.
    pub issued_at: Timestamp,
    /// When it ends (`exp`), in whole seconds.
    pub expires_at: Timestamp,
    /// When the user last proved who they are (`auth_time`), in whole seconds.
    pub authenticated_at: Timestamp,
    /// Until when the account may still be unclaimed (`claim_until`): the first use of such a token claims it.
    pub claims_until: Option<Timestamp>,
}

/// A token that is not believed. Deliberately says nothing more: the caller learns nothing from a forgery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credential is missing, malformed, expired or revoked")]
pub struct TokenRefused;

impl Fault for TokenRefused {
    fn code(&self) -> FaultCode {
        FaultCode::Unauthorized
    }
}

/// Signs and verifies access tokens.
///
/// # Contract
/// - `verify` MUST refuse everything that `sign` of the same signer did not make: another algorithm, key, type,
///   issuer or audience, a critical header, a missing claim or one of another type.
/// - `verify` MUST refuse a token whose life is longer than the configured one, and judge `exp`, `nbf` and `iat` by
///   `now` with [`LEEWAY`] and [`MAX_AHEAD`].
/// - `verify` MUST NOT fetch or read anything that the token names.
pub trait TokenSigner: Send + Sync + 'static {
    /// How long an access token lives.
    fn lifetime(&self) -> Duration;

    /// Signs.
    fn sign(&self, claims: &AccessClaims) -> String;

    /// Verifies.
    fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenRefused>;
}
