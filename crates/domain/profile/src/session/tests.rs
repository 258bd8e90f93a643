use frontdesk_kernel::EventId;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

fn id(number: u128) -> SessionId {
    SessionId::new(Uuid::from_u128(number))
}

fn user() -> UserId {
    UserId::new(Uuid::from_u128(1))
}

fn notice() -> Notice {
    Notice {
        event_id: EventId::new(Uuid::from_u128(9)),
        remember: Remember { own: Duration::from_mins(15), foreign: Duration::ZERO },
    }
}

fn session() -> Session {
    Session {
        id: id(2),
        user_id: user(),
        client: Client::default(),
        created_at: at(0),
        last_seen_at: at(0),
        authenticated_at: at(0),
        expires_at: at(0) + IDLE_LIFETIME,
        rotation: Rotation {
            family: [1; 32],
            current: [2; 32],
            previous: None,
            rotated_at: at(0),
            access_token_id: Uuid::from_u128(3),
        },
    }
}

fn presenting(presented: u8, now: Timestamp) -> Refresh {
    Refresh {
        user_id: user(),
        session_id: id(2),
        family: [1; 32],
        presented: [presented; 32],
        next: [presented + 1; 32],
        sealed: [100 + presented; 32],
        access_token_id: Uuid::from_u128(u128::from(presented)),
        now,
        notice: notice(),
    }
}

fn rotated(session: &Session, command: &Refresh) -> Session {
    match decide_refresh(session, command) {
        Refreshed::Rotated(session) => session,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refresh_makes_the_next_token_the_one_that_is_good_and_keeps_the_sign_in() {
    let after = rotated(&session(), &presenting(2, at(60)));
    assert_eq!((after.rotation.current, after.rotation.rotated_at), ([3; 32], at(60)));
    assert_eq!(after.rotation.previous, Some(Spent { digest: [2; 32], sealed: [102; 32] }));
    assert_eq!((after.authenticated_at, after.created_at), (at(0), at(0)));
    assert_eq!((after.last_seen_at, after.expires_at), (at(60), at(60) + IDLE_LIFETIME));
}

#[test]
fn the_last_token_gets_the_same_answer_for_thirty_seconds() {
    let after = rotated(&session(), &presenting(2, at(60)));
    assert_eq!(decide_refresh(&after, &presenting(2, at(90))), Refreshed::Repeated(after.clone()));
    let late = at(90) + Duration::from_micros(1);
    assert!(matches!(decide_refresh(&after, &presenting(2, late)), Refreshed::Reused(_)));
}

#[test]
fn once_the_new_token_was_used_the_old_one_ends_the_session_at_once() {
    let second = rotated(&session(), &presenting(2, at(60)));
    let third = rotated(&second, &presenting(3, at(61)));
    let Refreshed::Reused(ending) = decide_refresh(&third, &presenting(2, at(62))) else { panic!("not reused") };
    assert_eq!(ending.sessions, [id(2)]);
    assert_eq!(ending.revocations.len(), 1);
}

#[test]
fn a_clock_that_goes_backwards_ends_no_session() {
    let after = rotated(&session(), &presenting(2, at(60)));
    assert!(matches!(decide_refresh(&after, &presenting(2, at(0))), Refreshed::Repeated(_)));
}

#[test]
fn an_invented_token_ends_nothing() {
    let mut invented = presenting(7, at(60));
    invented.family = [8; 32];
    assert_eq!(decide_refresh(&session(), &invented), Refreshed::Refused);
    let of_another = Refresh { user_id: UserId::new(Uuid::from_u128(5)), ..presenting(2, at(60)) };
    assert_eq!(decide_refresh(&session(), &of_another), Refreshed::Refused);
}

#[test]
fn a_session_ends_by_itself_to_the_moment() {
    let end = at(0) + IDLE_LIFETIME;
    assert_eq!(decide_refresh(&session(), &presenting(2, end)), Refreshed::Refused);
    assert!(matches!(
        decide_refresh(&session(), &presenting(2, end - Duration::from_micros(1))),
        Refreshed::Rotated(_)
    ));
}

fn account(password: Option<&str>) -> Account {
    Account { id: user(), password: password.map(PasswordHash::new), claim_open_until: None, created_at: at(0) }
}

fn opening(seen: Option<&str>) -> OpenSession {
    OpenSession { session: session(), seen: seen.map(PasswordHash::new), notice: notice() }
}

#[test]
fn a_session_opens_only_for_the_password_that_was_proved() {
    assert!(decide_open(&account(Some("new")), &[], &opening(Some("old"))).is_none());
    assert_eq!(decide_open(&account(Some("old")), &[], &opening(Some("old"))), Some(None));
}

#[test]
fn the_session_seen_least_recently_gives_way() {
    let live: Vec<_> = (10..).map(id).take(MOST_SESSIONS).collect();
    let ending = decide_open(&account(None), &live, &opening(None)).unwrap().unwrap();
    assert_eq!(ending.sessions, [id(10)]);
    assert_eq!(decide_open(&account(None), &live[1..], &opening(None)), Some(None));
}

fn ending(which: Which) -> Option<Ending> {
    decide_end(&[id(2), id(3)], &EndSessions { user_id: user(), which, now: at(60), notice: notice() })
}

#[test]
fn ending_all_names_the_bearers_session_once() {
    assert_eq!(ending(Which::All { bearer: id(3) }).unwrap().sessions, [id(2), id(3)]);
    assert_eq!(ending(Which::All { bearer: id(4) }).unwrap().sessions, [id(2), id(3), id(4)]);
}

#[test]
fn ending_one_session_names_one_of_the_users() {
    assert_eq!(ending(Which::One(id(3))).unwrap().sessions, [id(3)]);
    assert_eq!(ending(Which::One(id(4))), None);
}
