//! What is refused although its signature is good.

use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, SessionId, Timestamp, UserId};

use crate::token::{AccessClaims, Origin};

/// What a revocation reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The tokens of one session.
    Session(SessionId),
    /// Every token of a trusted issuer that was issued up to this moment, in whole seconds.
    Foreign(Timestamp),
    /// Every token that was issued up to this moment, in whole seconds: the account was deleted.
    All(Timestamp),
}

/// How long what is refused has to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remember {
    /// As long as a token of ours may live.
    pub own: Duration,
    /// As long as a token of a trusted issuer may live; zero where none is trusted.
    pub foreign: Duration,
}

/// How long the end of a trusted issuer's session is remembered. The issuer does not know that it ended and goes on
/// making tokens for it.
pub const FOREIGN_SESSION_REMEMBERED_FOR: Duration = Duration::from_hours(90 * 24);

impl Remember {
    /// How long a refusal with this reach is remembered.
    fn how_long(self, reach: Reach) -> Duration {
        match reach {
            // Ids that were derived from what an issuer says are UUIDv8; ours are UUIDv7.
            Reach::Session(session) if session.as_uuid().get_version_num() == 8 => FOREIGN_SESSION_REMEMBERED_FOR,
            Reach::Session(_) => self.own,
            Reach::Foreign(_) => self.foreign,
            Reach::All(_) => self.own.max(self.foreign),
        }
    }
}

/// A refusal of a user's tokens, until they have run out by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Whose tokens.
    pub user_id: UserId,
    /// Which of them.
    pub reach: Reach,
    /// From when on no token that it reaches can be good any more.
    pub until: Timestamp,
}

impl Revocation {
    /// Tells whether a token is refused.
    pub fn refuses(&self, claims: &AccessClaims) -> bool {
        let is_before = |cut: Timestamp| claims.issued_at.unix_seconds() <= cut.unix_seconds();
        self.user_id == claims.user_id
            && match self.reach {
                Reach::Session(session) => claims.session_id == session,
                Reach::Foreign(cut) => claims.origin == Origin::Foreign && is_before(cut),
                Reach::All(cut) => is_before(cut),
            }
    }

    /// What an event revokes.
    pub fn of(event: &Event, remember: Remember) -> Vec<Self> {
        let Event { id: _, user_id, occurred_at, body } = event;
        let revoked = |reach| Self { user_id: *user_id, reach, until: *occurred_at + remember.how_long(reach) };
        match body {
            EventBody::SessionsEnded { sessions, everywhere } => {
                let of_issuers = everywhere.then_some(Reach::Foreign(*occurred_at));
                sessions.iter().map(|session| Reach::Session(*session)).chain(of_issuers).map(revoked).collect()
            }
            EventBody::AccountDeleted { sessions } => {
                let of_sessions = sessions.iter().map(|session| Reach::Session(*session));
                std::iter::once(Reach::All(*occurred_at)).chain(of_sessions).map(revoked).collect()
            }
            EventBody::AccountCreated
            | EventBody::ProfileUpdated { .. }
            | EventBody::AvatarChanged { .. }
            | EventBody::PasswordChanged
            | EventBody::RoomEntered { .. }
            | EventBody::RoomLeft { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_kernel::EventId;
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds).unwrap()
    }

    fn claims(origin: Origin, session: u128, issued_at: i64) -> AccessClaims {
        AccessClaims {
            origin,
            user_id: UserId::new(Uuid::from_u128(1)),
            session_id: SessionId::new(Uuid::from_u128(session)),
            token_id: Uuid::from_u128(9),
            issued_at: at(issued_at),
            expires_at: at(issued_at + 900),
            authenticated_at: at(issued_at),
            claims_until: None,
        }
    }

    fn refuses(body: EventBody, claims: &AccessClaims) -> bool {
        let user_id = UserId::new(Uuid::from_u128(1));
        let occurred_at = at(100) + Duration::from_millis(900);
        let event = Event { id: EventId::new(Uuid::from_u128(5)), user_id, occurred_at, body };
        let remember = Remember { own: Duration::from_mins(1), foreign: Duration::from_mins(2) };
        Revocation::of(&event, remember).iter().any(|revocation| revocation.refuses(claims))
    }

    fn deleted() -> EventBody {
        EventBody::AccountDeleted { sessions: vec![SessionId::new(Uuid::from_u128(2))] }
    }

    fn ended(everywhere: bool) -> EventBody {
        EventBody::SessionsEnded { sessions: vec![SessionId::new(Uuid::from_u128(2))], everywhere }
    }

    #[test]
    fn the_end_of_a_session_refuses_its_tokens_whenever_they_were_issued() {
        for issued_at in [1, 100, 200] {
            assert!(refuses(ended(false), &claims(Origin::Own, 2, issued_at)));
            assert!(!refuses(ended(false), &claims(Origin::Own, 3, issued_at)));
        }
    }

    #[test]
    fn a_logout_everywhere_refuses_what_issuers_issued_until_then() {
        assert!(refuses(ended(true), &claims(Origin::Foreign, 3, 100)));
        assert!(!refuses(ended(true), &claims(Origin::Foreign, 3, 101)));
        assert!(!refuses(ended(false), &claims(Origin::Foreign, 3, 100)));
    }

    #[test]
    fn a_logout_everywhere_spares_the_session_that_is_opened_in_the_same_second() {
        assert!(!refuses(ended(true), &claims(Origin::Own, 3, 100)));
    }

    #[test]
    fn a_deletion_refuses_everything_issued_until_then() {
        for origin in [Origin::Own, Origin::Foreign] {
            assert!(refuses(deleted(), &claims(origin, 3, 100)));
            assert!(!refuses(deleted(), &claims(origin, 3, 101)));
        }
    }

    #[test]
    fn a_deletion_refuses_its_sessions_whenever_their_tokens_were_issued() {
        assert!(refuses(deleted(), &claims(Origin::Own, 2, 200)));
    }

    #[test]
    fn another_users_tokens_are_not_reached() {
        let mut others = claims(Origin::Own, 2, 50);
        others.user_id = UserId::new(Uuid::from_u128(7));
        assert!(!refuses(ended(true), &others));
        assert!(!refuses(deleted(), &others));
    }

    #[test]
    fn each_refusal_is_remembered_as_long_as_what_it_refuses_may_live() {
        let remember = Remember { own: Duration::from_mins(15), foreign: Duration::from_hours(1) };
        let session = |uuid| Reach::Session(SessionId::new(uuid));
        let derived = uuid::Builder::from_custom_bytes([7; 16]).into_uuid();
        assert_eq!(remember.how_long(session(Uuid::from_u128(1))), remember.own);
        assert_eq!(remember.how_long(session(derived)), FOREIGN_SESSION_REMEMBERED_FOR);
        assert_eq!(remember.how_long(Reach::Foreign(at(0))), remember.foreign);
        assert_eq!(remember.how_long(Reach::All(at(0))), remember.foreign);
    }
}
