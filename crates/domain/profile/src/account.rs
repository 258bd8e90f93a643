//! The account: who may act for a user before there is a password, and how a password is set.

use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, EventId, Timestamp, Unavailable, UserId};

use crate::password::PasswordHash;

/// How recent a sign-in must be to stand in for the current password.
pub const FRESH_SIGN_IN: Duration = Duration::from_mins(5);

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
    /// The moment of the change.
    pub now: Timestamp,
    /// The id of the event.
    pub event_id: EventId,
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

/// Decides a change of password: the account after it, and the event. Pure; the store calls it on the locked account.
pub fn decide_password(stored: &Account, command: &SetPassword) -> Result<(Account, Event), StorePasswordError> {
    let SetPassword { user_id, ground, seen, hash, now, event_id } = command;
    if *ground == PasswordGround::Unclaimed && !stored.is_open(*now) {
        return Err(StorePasswordError::NotOpen);
    }
    if stored.password != *seen {
        return Err(StorePasswordError::ChangedMeanwhile);
    }
    let account =
        Account { id: stored.id, password: Some(hash.clone()), claim_open_until: None, created_at: stored.created_at };
    let event = Event { id: *event_id, user_id: *user_id, occurred_at: *now, body: EventBody::PasswordChanged };
    Ok((account, event))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

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
            now: at(10),
            event_id: EventId::new(Uuid::from_u128(2)),
        }
    }

    #[test]
    fn the_first_password_closes_the_account() {
        let (after, _) = decide_password(&account(Some(11), None), &set(PasswordGround::Unclaimed, None)).unwrap();
        assert!(!after.is_open(at(10)));
    }

    #[test]
    fn the_window_ends_to_the_moment() {
        let refused = decide_password(&account(Some(10), None), &set(PasswordGround::Unclaimed, None));
        assert_eq!(refused.unwrap_err().to_string(), StorePasswordError::NotOpen.to_string());
    }

    #[test]
    fn a_password_set_meanwhile_wins() {
        let refused = decide_password(&account(None, Some("other")), &set(PasswordGround::Owner, Some("seen")));
        assert!(matches!(refused, Err(StorePasswordError::ChangedMeanwhile)));
    }
}
