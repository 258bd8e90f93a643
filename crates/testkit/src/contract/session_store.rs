//! The contract of [`SessionStore`](frontdesk_profile::SessionStore).

use std::time::Duration;

use frontdesk_kernel::{EventBody, Page, SessionId, Timestamp, UserId};
use frontdesk_profile::OpenSessionError;
use frontdesk_profile::revocation::{Reach, Revocation};
use frontdesk_profile::session::{IDLE_LIFETIME, MOST_SESSIONS, Refreshed, Session, Which};

use super::{Stores, race};
use crate::builders::{
    delete, end, noon, notice, open, refresh, registered, session_at, session_id, set_password, user_id, with_password,
};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! session_store_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] session_store:
            open_stores_the_whole_session,
            open_keeps_microseconds,
            open_without_an_account_is_refused,
            open_after_the_password_changed_is_refused_and_stores_nothing,
            open_past_the_most_ends_the_one_seen_least_recently_and_tells_of_it,
            of_64_sessions_opened_at_once_none_is_lost,
            refresh_rotates_and_keeps_the_whole_decision,
            refresh_of_the_last_token_within_the_time_repeats_and_changes_nothing,
            refresh_of_the_last_token_later_ends_the_session,
            refresh_of_an_old_token_ends_the_session_and_tells_of_it,
            refresh_of_another_family_is_refused_and_ends_nothing,
            refresh_of_a_session_that_has_expired_is_refused,
            refresh_of_an_unknown_session_is_refused,
            of_64_refreshes_of_one_token_at_once_one_rotates_and_the_others_repeat,
            end_of_one_session_leaves_the_others,
            end_of_a_session_that_is_not_there_is_none_and_tells_nothing,
            end_of_the_bearers_session_needs_no_row,
            end_of_all_ends_the_bearers_too_and_reaches_issuers,
            of_32_ends_of_one_session_at_once_one_ends_it,
            a_session_that_ended_cannot_be_refreshed,
            list_is_newest_first_and_counts_all,
            list_by_key_neither_repeats_nor_hides_a_session_when_one_opens_meanwhile,
            list_leaves_out_what_has_expired,
            another_users_sessions_are_not_there,
            revocations_are_remembered_until_they_reach_no_token,
            revocations_of_a_deleted_account_remain,
            purge_removes_what_is_over_and_nothing_else,
        }
    };
}

const FIRST: Page<(Timestamp, SessionId)> = Page { limit: 100, offset: 0, after: None };

async fn live(stores: &Stores, user: UserId) -> Vec<Session> {
    stores.sessions.list(user, FIRST, noon() + Duration::from_mins(2)).await.unwrap().rows
}

/// A session of a new account.
async fn given(stores: &Stores, username: &str) -> Session {
    let user = stores.given(registered(username)).await;
    opened(stores, user, 0).await
}

/// A session of an account, opened some seconds after noon.
async fn opened(stores: &Stores, user: UserId, seconds: u64) -> Session {
    let session = session_at(user, noon() + Duration::from_secs(seconds));
    stores.sessions.open(&open(&session)).await.unwrap();
    session
}

async fn reached(stores: &Stores, user: UserId) -> Vec<Reach> {
    let revocations = stores.sessions.revocations_of(user, noon()).await.unwrap();
    revocations.into_iter().map(|revocation| revocation.reach).collect()
}

/// The bodies of the events that tell of ends.
async fn ends(stores: &Stores, user: UserId) -> Vec<(Vec<SessionId>, bool)> {
    let told = stores.events_of(user).await.into_iter().filter_map(|event| match event.body {
        EventBody::SessionsEnded { sessions, everywhere } => Some((sessions, everywhere)),
        _ => None,
    });
    told.collect()
}

pub async fn open_stores_the_whole_session(stores: &Stores) {
    let session = given(stores, "ada").await;
    assert_eq!(live(stores, session.user_id).await, [session]);
}

pub async fn open_keeps_microseconds(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let micros = |micros| noon() + Duration::from_micros(micros);
    let mut session = session_at(user, micros(1));
    (session.last_seen_at, session.authenticated_at, session.rotation.rotated_at) = (micros(2), micros(3), micros(4));
    session.expires_at = micros(5) + IDLE_LIFETIME;
    stores.sessions.open(&open(&session)).await.unwrap();
    assert_eq!(live(stores, user).await, [session]);
}

pub async fn open_without_an_account_is_refused(stores: &Stores) {
    let refused = stores.sessions.open(&open(&session_at(user_id(), noon()))).await;
    assert!(matches!(refused, Err(OpenSessionError::Refused)), "{refused:?}");
}

pub async fn open_after_the_password_changed_is_refused_and_stores_nothing(stores: &Stores) {
    let user = stores.given(with_password("ada", "old")).await;
    stores.accounts.set_password(&set_password(user, Some("old"), "new")).await.unwrap();
    let before = live(stores, user).await;
    let mut command = open(&session_at(user, noon()));
    command.seen = Some(frontdesk_profile::password::PasswordHash::new("old"));
    let refused = stores.sessions.open(&command).await;
    assert!(matches!(refused, Err(OpenSessionError::Refused)), "{refused:?}");
    assert_eq!(live(stores, user).await, before);
}

pub async fn open_past_the_most_ends_the_one_seen_least_recently_and_tells_of_it(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let first = opened(stores, user, 0).await;
    let second = opened(stores, user, 1).await;
    for seconds in 2..100 {
        opened(stores, user, seconds).await;
    }
    stores.sessions.refresh(&refresh(&first)).await.unwrap();
    assert_eq!(live(stores, user).await.len(), MOST_SESSIONS);
    let last = session_at(user, noon() + Duration::from_secs(100));
    let ending = stores.sessions.open(&open(&last)).await.unwrap().unwrap();
    assert_eq!(ending.sessions, [second.id]);
    let left: Vec<_> = live(stores, user).await.into_iter().map(|session| session.id).collect();
    assert_eq!(left.len(), MOST_SESSIONS);
    assert!(left.contains(&first.id) && left.contains(&last.id) && !left.contains(&second.id));
    assert_eq!(ends(stores, user).await, [(vec![second.id], false)]);
    assert_eq!(reached(stores, user).await, [Reach::Session(second.id)]);
}

pub async fn of_64_sessions_opened_at_once_none_is_lost(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let done = race(64, |_| {
        let sessions = stores.sessions.clone();
        async move { sessions.open(&open(&session_at(user, noon()))).await.is_ok() }
    });
    assert!(done.await.into_iter().all(|is_open| is_open));
    assert_eq!(live(stores, user).await.len(), 64);
}

pub async fn refresh_rotates_and_keeps_the_whole_decision(stores: &Stores) {
    let session = given(stores, "ada").await;
    let command = refresh(&session);
    let Refreshed::Rotated(rotated) = stores.sessions.refresh(&command).await.unwrap() else {
        panic!("not rotated");
    };
    assert_eq!(rotated.rotation.current, command.next);
    assert_eq!(live(stores, session.user_id).await, [rotated]);
    assert_eq!(ends(stores, session.user_id).await, []);
}

pub async fn refresh_of_the_last_token_within_the_time_repeats_and_changes_nothing(stores: &Stores) {
    let session = given(stores, "ada").await;
    let command = refresh(&session);
    stores.sessions.refresh(&command).await.unwrap();
    let rotated = live(stores, session.user_id).await;
    let mut again = refresh(&session);
    again.now = command.now + Duration::from_secs(30);
    let repeated = stores.sessions.refresh(&again).await.unwrap();
    assert_eq!(repeated, Refreshed::Repeated(rotated[0].clone()));
    assert_eq!(live(stores, session.user_id).await, rotated);
}

pub async fn refresh_of_the_last_token_later_ends_the_session(stores: &Stores) {
    let session = given(stores, "ada").await;
    let command = refresh(&session);
    stores.sessions.refresh(&command).await.unwrap();
    let mut late = refresh(&session);
    late.now = command.now + Duration::from_micros(30_000_001);
    assert!(matches!(stores.sessions.refresh(&late).await.unwrap(), Refreshed::Reused(_)));
    assert_eq!(live(stores, session.user_id).await, []);
}

pub async fn refresh_of_an_old_token_ends_the_session_and_tells_of_it(stores: &Stores) {
    let session = given(stores, "ada").await;
    let Refreshed::Rotated(second) = stores.sessions.refresh(&refresh(&session)).await.unwrap() else {
        panic!("not rotated");
    };
    stores.sessions.refresh(&refresh(&second)).await.unwrap();
    assert!(matches!(stores.sessions.refresh(&refresh(&session)).await.unwrap(), Refreshed::Reused(_)));
    assert_eq!(live(stores, session.user_id).await, []);
    assert_eq!(ends(stores, session.user_id).await, [(vec![session.id], false)]);
    assert_eq!(reached(stores, session.user_id).await, [Reach::Session(session.id)]);
}

pub async fn refresh_of_another_family_is_refused_and_ends_nothing(stores: &Stores) {
    let session = given(stores, "ada").await;
    let mut invented = refresh(&session);
    invented.family = session.rotation.family.map(|byte| !byte);
    assert_eq!(stores.sessions.refresh(&invented).await.unwrap(), Refreshed::Refused);
    assert_eq!(live(stores, session.user_id).await, [session]);
}

pub async fn refresh_of_a_session_that_has_expired_is_refused(stores: &Stores) {
    let session = given(stores, "ada").await;
    let mut late = refresh(&session);
    late.now = session.expires_at;
    assert_eq!(stores.sessions.refresh(&late).await.unwrap(), Refreshed::Refused);
}

pub async fn refresh_of_an_unknown_session_is_refused(stores: &Stores) {
    let session = given(stores, "ada").await;
    for unknown in [Session { id: session_id(), ..session.clone() }, Session { user_id: user_id(), ..session.clone() }]
    {
        assert_eq!(stores.sessions.refresh(&refresh(&unknown)).await.unwrap(), Refreshed::Refused);
    }
    assert_eq!(live(stores, session.user_id).await, [session]);
}

pub async fn of_64_refreshes_of_one_token_at_once_one_rotates_and_the_others_repeat(stores: &Stores) {
    let session = given(stores, "ada").await;
    let done = race(64, |_| {
        let (sessions, command) = (stores.sessions.clone(), refresh(&session));
        async move { sessions.refresh(&command).await.unwrap() }
    });
    let (mut rotated, done) = (0, done.await);
    let after = live(stores, session.user_id).await;
    for refreshed in done {
        match refreshed {
            Refreshed::Rotated(of) => {
                rotated += 1;
                assert_eq!(after, [of]);
            }
            Refreshed::Repeated(of) => assert_eq!(after, [of]),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rotated, 1);
}

pub async fn end_of_one_session_leaves_the_others(stores: &Stores) {
    let first = given(stores, "ada").await;
    let user = first.user_id;
    let second = opened(stores, user, 1).await;
    let ending = stores.sessions.end(&end(user, Which::One(first.id))).await.unwrap().unwrap();
    assert_eq!(ending.sessions, [first.id]);
    assert_eq!(live(stores, user).await, [second]);
    assert_eq!(ends(stores, user).await, [(vec![first.id], false)]);
    assert_eq!(reached(stores, user).await, [Reach::Session(first.id)]);
}

pub async fn end_of_a_session_that_is_not_there_is_none_and_tells_nothing(stores: &Stores) {
    let session = given(stores, "ada").await;
    for (user, which) in [
        (session.user_id, Which::One(session_id())),
        (user_id(), Which::One(session.id)),
        (user_id(), Which::All { bearer: session.id }),
    ] {
        assert_eq!(stores.sessions.end(&end(user, which)).await.unwrap(), None);
        assert_eq!(reached(stores, user).await, []);
    }
    assert_eq!(ends(stores, session.user_id).await, []);
    assert_eq!(live(stores, session.user_id).await, [session]);
}

pub async fn end_of_the_bearers_session_needs_no_row(stores: &Stores) {
    let session = given(stores, "ada").await;
    let foreign = session_id();
    assert!(stores.sessions.end(&end(session.user_id, Which::Bearer(foreign))).await.unwrap().is_some());
    assert_eq!(reached(stores, session.user_id).await, [Reach::Session(foreign)]);
    assert_eq!(live(stores, session.user_id).await, [session]);
}

pub async fn end_of_all_ends_the_bearers_too_and_reaches_issuers(stores: &Stores) {
    let first = given(stores, "ada").await;
    let user = first.user_id;
    let second = opened(stores, user, 1).await;
    let foreign = session_id();
    let command = end(user, Which::All { bearer: foreign });
    let ending = stores.sessions.end(&command).await.unwrap().unwrap();
    assert_eq!(ending.sessions.len(), 3);
    assert_eq!(live(stores, user).await, []);
    let reached = reached(stores, user).await;
    for session in [first.id, second.id, foreign] {
        assert!(reached.contains(&Reach::Session(session)));
    }
    assert!(reached.contains(&Reach::Foreign(command.now)));
    assert!(ends(stores, user).await.iter().all(|(sessions, everywhere)| sessions.len() == 3 && *everywhere));
}

pub async fn of_32_ends_of_one_session_at_once_one_ends_it(stores: &Stores) {
    let session = given(stores, "ada").await;
    let done = race(32, |_| {
        let (sessions, command) = (stores.sessions.clone(), end(session.user_id, Which::One(session.id)));
        async move { sessions.end(&command).await.unwrap().is_some() }
    });
    assert_eq!(done.await.into_iter().filter(|is_ended| *is_ended).count(), 1);
    assert_eq!(ends(stores, session.user_id).await.len(), 1);
}

pub async fn a_session_that_ended_cannot_be_refreshed(stores: &Stores) {
    let session = given(stores, "ada").await;
    stores.sessions.end(&end(session.user_id, Which::One(session.id))).await.unwrap();
    assert_eq!(stores.sessions.refresh(&refresh(&session)).await.unwrap(), Refreshed::Refused);
}

pub async fn list_is_newest_first_and_counts_all(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let mut all = Vec::new();
    for seconds in [3, 1, 4, 1, 5] {
        all.push(opened(stores, user, seconds).await);
    }
    all.sort_by_key(|session| std::cmp::Reverse((session.created_at, session.id)));
    for (limit, offset) in [(100, 0), (2, 0), (2, 2), (2, 4), (2, 5), (1, 1_000_000)] {
        let listed = stores.sessions.list(user, Page { limit, offset, after: None }, noon()).await.unwrap();
        let (limit, offset) = (limit as usize, offset as usize);
        let rows: Vec<_> = all.iter().skip(offset).take(limit).cloned().collect();
        assert_eq!((listed.total, listed.has_more), (5, offset + limit < 5), "{limit} {offset}");
        assert_eq!(listed.rows, rows, "{limit} {offset}");
    }
}

pub async fn list_by_key_neither_repeats_nor_hides_a_session_when_one_opens_meanwhile(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    for seconds in [1, 2, 2, 3] {
        opened(stores, user, seconds).await;
    }
    let all = live(stores, user).await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let listed = stores.sessions.list(user, Page { limit: 1, offset: 0, after }, noon()).await.unwrap();
        let Some(last) = listed.rows.last() else { break };
        after = Some((last.created_at, last.id));
        seen.extend(listed.rows.clone());
        opened(stores, user, 100 + seen.len() as u64).await;
        if !listed.has_more {
            break;
        }
    }
    assert_eq!(seen, all);
}

pub async fn list_leaves_out_what_has_expired(stores: &Stores) {
    let session = given(stores, "ada").await;
    let at = async |now| stores.sessions.list(session.user_id, FIRST, now).await.unwrap().total;
    assert_eq!(at(session.expires_at - Duration::from_micros(1)).await, 1);
    assert_eq!(at(session.expires_at).await, 0);
}

pub async fn another_users_sessions_are_not_there(stores: &Stores) {
    let ada = given(stores, "ada").await;
    let bob = given(stores, "bob").await;
    assert_eq!(stores.sessions.end(&end(bob.user_id, Which::One(ada.id))).await.unwrap(), None);
    stores.sessions.end(&end(bob.user_id, Which::All { bearer: bob.id })).await.unwrap();
    assert_eq!(reached(stores, ada.user_id).await, []);
    assert_eq!(live(stores, ada.user_id).await, [ada]);
}

pub async fn revocations_are_remembered_until_they_reach_no_token(stores: &Stores) {
    let session = given(stores, "ada").await;
    let command = end(session.user_id, Which::One(session.id));
    let ending = stores.sessions.end(&command).await.unwrap().unwrap();
    let until = command.now + command.notice.remember.own;
    let revocation = Revocation { user_id: session.user_id, reach: Reach::Session(session.id), until };
    assert_eq!(ending.revocations, [revocation]);
    let last = until - Duration::from_micros(1);
    assert_eq!(stores.sessions.revocations_of(session.user_id, last).await.unwrap(), [revocation]);
    assert_eq!(stores.sessions.revocations(last).await.unwrap(), [revocation]);
    assert_eq!(stores.sessions.revocations_of(session.user_id, until).await.unwrap(), []);
    assert_eq!(stores.sessions.revocations(until).await.unwrap(), []);
}

pub async fn revocations_of_a_deleted_account_remain(stores: &Stores) {
    let session = given(stores, "ada").await;
    let command = delete(session.user_id);
    stores.accounts.delete(&command).await.unwrap();
    let reached = reached(stores, session.user_id).await;
    assert!(reached.contains(&Reach::All(command.now)) && reached.contains(&Reach::Session(session.id)));
}

pub async fn purge_removes_what_is_over_and_nothing_else(stores: &Stores) {
    let session = given(stores, "ada").await;
    let other = opened(stores, session.user_id, 1).await;
    let mut command = end(session.user_id, Which::One(other.id));
    command.notice = notice();
    stores.sessions.end(&command).await.unwrap();
    let until = command.now + command.notice.remember.own;
    assert_eq!(stores.sessions.purge(until - Duration::from_micros(1)).await.unwrap(), 0);
    assert_eq!(stores.sessions.purge(until).await.unwrap(), 1);
    assert_eq!(stores.sessions.purge(session.expires_at - Duration::from_micros(1)).await.unwrap(), 0);
    let (user, expires_at) = (session.user_id, session.expires_at);
    assert_eq!(live(stores, user).await, [session]);
    assert_eq!(stores.sessions.purge(expires_at).await.unwrap(), 1);
    assert_eq!(stores.sessions.purge(expires_at).await.unwrap(), 0);
}
