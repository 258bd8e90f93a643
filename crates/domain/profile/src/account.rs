//! The account: who may act for a user before there is a password, how a password is set, and how it all ends.

use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, EventId, SessionId, Timestamp, Unavailable, UserId};
use uuid::Uuid;

use crate::password::PasswordHash;
use crate::revocation::Revocation;
use crate::session::{Ending, Notice, Session};

/// How recent a sign-in must be to stand in for the current password.
pub const FRESH_SIGN_IN: Duration = Duration::from_mins(5);

/// How recent a sign-in must be to delete an account without the password.
pub const RECENT_SIGN_IN: Duration = Duration::from_hours(24);

/// How long nobody may take the username of a deleted account.
pub const USERNAME_RESTS_FOR: Duration = Duration::from_hours(30 * 24);

/// How long the tombstone of a deleted account stands: longer than its username rests and any token lives.
pub const TOMBSTONE_STANDS_FOR: Duration = Duration::from_hours(90 * 24);

/// What is known of a user besides the profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub id: UserId,
    /// Absent until one is set.
    pub password: Option<PasswordHash>,
    /// Until when whoever has the id may act as the owner. `None` once the account is claimed: for good.
    pub claim_open_until: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
}

impl Account {
    /// Tells whether the account is still unclaimed.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.claim_open_until.is_some_and(|until| now < until)
    }
}

/// On what ground a password is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordGround {
    /// The account is open to whoever has its id.
    Unclaimed,
    /// The owner's token, and a proof where one is needed.
    Owner,
}

/// The command to set a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetPassword {
    /// Whose password.
    pub user_id: UserId,
    /// On what ground.
    pub ground: PasswordGround,
    /// The password that the proof was made against; another one stored meanwhile refuses the change.
    pub seen: Option<PasswordHash>,
    /// The new password.
    pub hash: PasswordHash,
    /// The session of whoever sets it. Every other one ends.
    pub session: Session,
    /// The moment of the change.
    pub now: Timestamp,
    /// The id of the event.
    pub event_id: EventId,
    /// For the sessions that end.
    pub notice: Notice,
}

/// A new password, all that is stored of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordDecision {
    /// The account after it.
    pub account: Account,
    /// The event that tells of it.
    pub event: Event,
    /// Every session there was.
    pub ending: Ending,
    /// The one that begins.
    pub session: Session,
}

/// What a store says to a new password.
#[derive(Debug, thiserror::Error)]
pub enum StorePasswordError {
    /// No such account.
    #[error("no such account")]
    NotFound,
    /// The account has been claimed, or its window has ended.
    #[error("the account is not open")]
    NotOpen,
    /// Another password was set since the proof was made.
    #[error("the password was changed by another request")]
    ChangedMeanwhile,
    /// The store is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Decides a change of password. `live` are the sessions of the user. Pure; the store calls it on the locked account.
pub fn decide_password(
    stored: &Account,
    live: &[SessionId],
    command: &SetPassword,
) -> Result<PasswordDecision, StorePasswordError> {
    let SetPassword { user_id, ground, seen, hash, session, now, event_id, notice } = command;
    if *ground == PasswordGround::Unclaimed && !stored.is_open(*now) {
        return Err(StorePasswordError::NotOpen);
    }
    if stored.password != *seen {
        return Err(StorePasswordError::ChangedMeanwhile);
    }
    Ok(PasswordDecision {
        account: Account {
            id: stored.id,
            password: Some(hash.clone()),
            claim_open_until: None,
            created_at: stored.created_at,
        },
        event: Event { id: *event_id, user_id: *user_id, occurred_at: *now, body: EventBody::PasswordChanged },
        ending: Ending::everywhere(*user_id, live, *now, *notice),
        session: session.clone(),
    })
}

/// The command to delete an account.
#[derive(Debug, Clone, Copy)]
pub struct DeleteAccount {
    /// Whose.
    pub user_id: UserId,
    /// What the user is given to refer to it.
    pub receipt_id: Uuid,
    /// The moment of it.
    pub now: Timestamp,
    /// For what has to be told.
    pub notice: Notice,
}

/// What is left of a deleted account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    /// Who the user was.
    pub user_id: UserId,
    /// When.
    pub deleted_at: Timestamp,
    /// What the user was given to refer to it.
    pub receipt_id: Uuid,
}

impl Tombstone {
    /// Tells whether a trusted issuer's token of that moment, in whole seconds, must not bring the account back.
    pub fn stops(&self, issued_at: Timestamp) -> bool {
        issued_at.unix_seconds() <= self.deleted_at.unix_seconds()
    }
}

/// A deletion, all that is stored of it. Everything else of the user goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// What stands in the place of the account.
    pub tombstone: Tombstone,
    /// Until when nobody may take the username.
    pub username_rests_until: Timestamp,
    /// What is refused from now on.
    pub revocations: Vec<Revocation>,
    /// What is told.
    pub event: Event,
}

/// Decides a deletion. `live` are the sessions of the user. Pure; the store calls it on the locked account.
pub fn decide_deletion(live: &[SessionId], command: &DeleteAccount) -> Deletion {
    let DeleteAccount { user_id, receipt_id, now, notice } = *command;
    let body = EventBody::AccountDeleted { sessions: live.to_vec() };
    let event = Event { id: notice.event_id, user_id, occurred_at: now, body };
    Deletion {
        tombstone: Tombstone { user_id, deleted_at: now, receipt_id },
        username_rests_until: now + USERNAME_RESTS_FOR,
        revocations: Revocation::of(&event, notice.remember),
        event,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::revocation::Remember;
    use crate::session::{Client, Rotation};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds).unwrap()
    }

    fn account(open_until: Option<i64>, password: Option<&str>) -> Account {
        Account {
            id: UserId::new(Uuid::from_u128(1)),
            password: password.map(PasswordHash::new),
            claim_open_until: open_until.map(at),
            created_at: at(0),
        }
    }

    fn set(ground: PasswordGround, seen: Option<&str>) -> SetPassword {
        SetPassword {
            user_id: UserId::new(Uuid::from_u128(1)),
            ground,
            seen: seen.map(PasswordHash::new),
            hash: PasswordHash::new("new"),
            session: session(),
            now: at(10),
            event_id: EventId::new(Uuid::from_u128(2)),
            notice: notice(),
        }
    }

    fn notice() -> Notice {
        Notice {
            event_id: EventId::new(Uuid::from_u128(3)),
            remember: Remember { own: Duration::from_mins(15), foreign: Duration::ZERO },
        }
    }

    fn session() -> Session {
        Session {
            id: SessionId::new(Uuid::from_u128(4)),
            user_id: UserId::new(Uuid::from_u128(1)),
            client: Client::default(),
            created_at: at(10),
            last_seen_at: at(10),
            authenticated_at: at(10),
            expires_at: at(11),
            rotation: Rotation {
                family: [0; 32],
                current: [0; 32],
                previous: None,
                rotated_at: at(10),
                access_token_id: Uuid::from_u128(5),
            },
        }
    }

    #[test]
    fn the_first_password_closes_the_account() {
        let decision = decide_password(&account(Some(11), None), &[], &set(PasswordGround::Unclaimed, None)).unwrap();
        assert!(!decision.account.is_open(at(10)));
    }

    #[test]
    fn the_window_ends_to_the_moment() {
        let refused = decide_password(&account(Some(10), None), &[], &set(PasswordGround::Unclaimed, None));
        assert_eq!(refused.unwrap_err().to_string(), StorePasswordError::NotOpen.to_string());
    }

    #[test]
    fn a_password_set_meanwhile_wins() {
        let refused = decide_password(&account(None, Some("other")), &[], &set(PasswordGround::Owner, Some("seen")));
        assert!(matches!(refused, Err(StorePasswordError::ChangedMeanwhile)));
    }

    #[test]
    fn a_new_password_ends_every_session_that_there_is_and_not_the_one_it_opens() {
        let live = [6, 7].map(|number| SessionId::new(Uuid::from_u128(number)));
        let decision = decide_password(&account(None, None), &live, &set(PasswordGround::Owner, None)).unwrap();
        assert_eq!(decision.ending.sessions, live);
        assert_eq!(decision.session, session());
    }

    #[test]
    fn a_tombstone_stops_tokens_of_its_own_second_and_before() {
        let deleted_at = at(10) + Duration::from_millis(900);
        let user_id = UserId::new(Uuid::from_u128(1));
        let tombstone = Tombstone { user_id, deleted_at, receipt_id: Uuid::from_u128(2) };
        assert!(tombstone.stops(at(9)) && tombstone.stops(at(10)));
        assert!(!tombstone.stops(at(11)));
    }

    #[test]
    fn a_deletion_revokes_everything_and_lets_the_username_rest() {
        let user_id = UserId::new(Uuid::from_u128(1));
        let command = DeleteAccount { user_id, receipt_id: Uuid::from_u128(2), now: at(10), notice: notice() };
        let live = [SessionId::new(Uuid::from_u128(6))];
        let deletion = decide_deletion(&live, &command);
        assert_eq!(deletion.username_rests_until, at(10) + USERNAME_RESTS_FOR);
        assert_eq!(deletion.revocations[0].until, at(10) + Duration::from_mins(15));
        assert_eq!(deletion.revocations.len(), 2);
        assert_eq!(deletion.event.body, EventBody::AccountDeleted { sessions: live.to_vec() });
    }
}
