//! Opening, refreshing, listing and ending sessions.

use std::sync::Arc;

use frontdesk_kernel::{
    Clock, Entropy, Event, EventId, Fault, FaultCode, Listed, Page, SessionId, Timestamp, Unavailable, UserId,
};

use crate::password::PasswordHash;
use crate::refresh_token::{RefreshToken, SecretDigest};
use crate::revocations::Revocations;
use crate::session::{
    Client, EndSessions, IDLE_LIFETIME, Notice, OpenSession, Refresh, Refreshed, Rotation, Session, Which,
};
use crate::session_store::{OpenSessionError, SessionKey};
use crate::token::{AccessClaims, Origin, TokenRefused, TokenSigner};
use crate::{AccountStore, SessionStore};

/// What a client holds of a session. Shown to its owner once.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenPair {
    /// For every request.
    pub access: String,
    /// For the next pair.
    pub refresh: String,
}

impl std::fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenPair(…)")
    }
}

/// Why there is no new pair.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// No token, a spent one, or one of a session that is over.
    #[error(transparent)]
    Refused(#[from] TokenRefused),
    /// The store is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Fault for RefreshError {
    fn code(&self) -> FaultCode {
        match self {
            Self::Refused(cause) => cause.code(),
            Self::Unavailable(cause) => cause.code(),
        }
    }
}

/// The ports that [`Sessions`] holds.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the port or service its type names")]
pub struct SessionsPorts {
    pub sessions: Arc<dyn SessionStore>,
    pub accounts: Arc<dyn AccountStore>,
    pub revocations: Arc<Revocations>,
    pub signer: Arc<dyn TokenSigner>,
    pub digest: Arc<dyn SecretDigest>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Opens, refreshes, lists and ends sessions.
#[derive(Clone)]
pub struct Sessions {
    ports: SessionsPorts,
}

impl Sessions {
    /// Joins the ports.
    pub const fn new(ports: SessionsPorts) -> Self {
        Self { ports }
    }

    /// How long an access token lives.
    pub fn access_lifetime(&self) -> std::time::Duration {
        self.ports.signer.lifetime()
    }

    /// Makes a session and its first tokens, without storing it. `claims_until` is the end of the window in which the
    /// first use of the token claims the account.
    pub(crate) fn prepare(
        &self,
        user_id: UserId,
        client: Client,
        claims_until: Option<Timestamp>,
    ) -> (Session, TokenPair) {
        let SessionsPorts { digest, clock, entropy, .. } = &self.ports;
        let now = clock.now();
        let id = SessionId::new(entropy.uuid_v7(now));
        let token = RefreshToken::first(user_id, id, entropy.as_ref());
        let session = Session {
            id,
            user_id,
            client,
            created_at: now,
            last_seen_at: now,
            authenticated_at: now,
            expires_at: now + IDLE_LIFETIME,
            rotation: Rotation {
                family: token.family_digest(digest.as_ref()),
                current: token.digest(digest.as_ref()),
                previous: None,
                rotated_at: now,
                access_token_id: entropy.uuid_v7(now),
            },
        };
        let tokens = self.pair(&session, &token, claims_until);
        (session, tokens)
    }

    /// What the end of a session at this moment needs.
    pub(crate) fn notice(&self, now: Timestamp) -> Notice {
        let event_id = EventId::new(self.ports.entropy.uuid_v7(now));
        Notice { event_id, remember: self.ports.revocations.remember() }
    }

    /// The pair of the session's present rotation: the same one, however often it is asked for.
    fn pair(&self, session: &Session, token: &RefreshToken, claims_until: Option<Timestamp>) -> TokenPair {
        let whole = |at: Timestamp| Timestamp::from_unix_seconds(at.unix_seconds()).unwrap_or(at);
        let issued_at = whole(session.rotation.rotated_at);
        let access = self.ports.signer.sign(&AccessClaims {
            origin: Origin::Own,
            user_id: session.user_id,
            session_id: session.id,
            token_id: session.rotation.access_token_id,
            issued_at,
            expires_at: issued_at + self.ports.signer.lifetime(),
            authenticated_at: whole(session.authenticated_at),
            claims_until,
        });
        TokenPair { access, refresh: token.expose() }
    }

    /// Gives a new pair for a refresh token; the same pair for the same token within
    /// [`REPEATABLE_FOR`](crate::session::REPEATABLE_FOR). The use of a token that was used before ends the session.
    pub async fn refresh(&self, presented: &str) -> Result<(UserId, TokenPair), RefreshError> {
        let SessionsPorts { digest, clock, entropy, .. } = &self.ports;
        let presented = RefreshToken::parse(presented).ok_or(TokenRefused)?;
        let (user_id, now) = (presented.user_id, clock.now());
        let next = presented.next(entropy.as_ref());
        let command = Refresh {
            user_id,
            session_id: presented.session_id,
            family: presented.family_digest(digest.as_ref()),
            presented: presented.digest(digest.as_ref()),
            next: next.digest(digest.as_ref()),
            sealed: presented.seal(&next, digest.as_ref()),
            access_token_id: entropy.uuid_v7(now),
            now,
            notice: self.notice(now),
        };
        let (session, token) = match self.ports.sessions.refresh(&command).await? {
            Refreshed::Rotated(session) => (session, next),
            Refreshed::Repeated(session) => {
                let sealed = session.rotation.previous.map(|spent| spent.sealed).ok_or(TokenRefused)?;
                (session, presented.unseal(sealed, digest.as_ref()))
            }
            Refreshed::Reused(ending) => {
                self.ports.revocations.hear(&ending.event);
                return Err(TokenRefused.into());
            }
            Refreshed::Refused => return Err(TokenRefused.into()),
        };
        // Whoever holds a token of the account has claimed it.
        self.ports.accounts.close_claim(user_id).await?;
        Ok((user_id, self.pair(&session, &token, None)))
    }

    /// Lists the caller's sessions, newest first.
    pub async fn list(&self, user: UserId, page: Page<SessionKey>) -> Result<Listed<Session>, Unavailable> {
        self.ports.sessions.list(user, page, self.ports.clock.now()).await
    }

    /// Ends sessions; tells whether there was anything to end. On this node the tokens are refused when this returns, on
    /// the others as soon as they hear of it.
    pub async fn end(&self, user_id: UserId, which: Which) -> Result<bool, Unavailable> {
        let now = self.ports.clock.now();
        let command = EndSessions { user_id, which, now, notice: self.notice(now) };
        let ended = self.ports.sessions.end(&command).await?;
        if let Some(ending) = &ended {
            self.ports.revocations.hear(&ending.event);
        }
        Ok(ended.is_some())
    }

    /// Stores a session for somebody who has proved the password `seen`.
    pub(crate) async fn open(&self, session: Session, seen: PasswordHash) -> Result<(), OpenSessionError> {
        let notice = self.notice(session.created_at);
        let command = OpenSession { session, seen: Some(seen), notice };
        if let Some(ending) = self.ports.sessions.open(&command).await? {
            self.ports.revocations.hear(&ending.event);
        }
        Ok(())
    }

    /// Refuses on this node what an event revokes, without waiting for the bus to bring it.
    pub(crate) fn revoke(&self, event: &Event) {
        self.ports.revocations.hear(event);
    }
}
