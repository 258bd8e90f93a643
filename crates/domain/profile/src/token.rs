//! Access tokens: what they say, and the ports that sign ours and verify ours and those of trusted issuers.

use std::time::Duration;

use async_trait::async_trait;
use frontdesk_kernel::{Fault, FaultCode, SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::Email;
use crate::access::AuthenticationError;

/// How far a clock may be off when an expiry or a not-before is judged.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// How far ahead of our clock a token may claim to have been issued.
pub const MAX_AHEAD: Duration = Duration::from_mins(1);

/// How long a token of a trusted issuer may live; what lives longer is refused. A revocation has to be remembered for
/// as long.
pub const MAX_FOREIGN_LIFETIME: Duration = Duration::from_hours(7 * 24);

/// Who made a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This service, in a session of its own.
    Own,
    /// A trusted issuer.
    Foreign,
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    /// Who made it.
    pub origin: Origin,
    /// The user (`sub`).
    pub user_id: UserId,
    /// The sign-in it belongs to (`sid`). Of a trusted issuer's token: an id derived from its issuer and session, or
    /// from the token itself where it names none.
    pub session_id: SessionId,
    /// Its own id (`jti`).
    pub token_id: Uuid,
    /// When it was issued (`iat`), in whole seconds.
    pub issued_at: Timestamp,
    /// When it ends (`exp`), in whole seconds.
    pub expires_at: Timestamp,
    /// When the user last proved who they are (`auth_time`), in whole seconds. Where a trusted issuer does not say, the
    /// moment of issue counts.
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

/// A subject as a trusted issuer names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The issuer (`iss`).
    pub issuer: String,
    /// The subject (`sub`), which is not a UUID: one that is a UUID is the user id.
    pub subject: String,
}

/// What a token of a trusted issuer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignClaims {
    /// What every access token says.
    pub access: AccessClaims,
    /// Where the user id is not the subject itself but derived from it.
    pub identity: Option<Identity>,
    /// The address, where it is one.
    pub email: Option<Email>,
    /// Whether the issuer says that the address is the user's.
    pub email_verified: bool,
}

/// Verifies tokens of trusted issuers.
///
/// # Contract
/// - `verify` MUST refuse an issuer that is not configured, another algorithm than the one pinned for the issuer, a
///   wrong or missing audience, a critical header, a claim of another type, a token that lives longer than
///   [`MAX_FOREIGN_LIFETIME`], and a service's token: one whose `role` is `service_role`, or without a subject.
/// - `verify` MUST judge `exp`, `nbf` and `iat` by `now` with [`LEEWAY`] and [`MAX_AHEAD`].
/// - The same issuer and subject MUST always give the same user id; a subject that is a UUID MUST be the user id.
/// - `verify` MUST NOT fetch or read anything that the token names, and MUST say `Unavailable`, not refuse, where the
///   keys of the issuer are out of reach.
#[async_trait]
pub trait TrustedIssuers: Send + Sync + 'static {
    /// Verifies.
    async fn verify(&self, token: &str, now: Timestamp) -> Result<ForeignClaims, AuthenticationError>;
}
