use bytes::Bytes;
use frontdesk_kernel::{Event, EventBody, EventId, SessionId, Unavailable};
use frontdesk_profile::AuthenticationError;
use frontdesk_profile::token::{Origin, TokenRefused};
use frontdesk_rooms::Epoch;
use frontdesk_rooms::store::{Entry, Posted};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::frame::tests::said as text_of;
use super::super::frames::ProfileUpdated;
use super::super::frames::tests::{USER, at, epoch, joined, room, updated};
use super::*;

const EPOCH: &str = "00000000000000000000000000000003";

/// A conversation and the time in it, in seconds.
struct Talk {
    conversation: Conversation,
    now: Now,
}

fn claims_of(user_id: Uuid, expires_at: i64) -> AccessClaims {
    AccessClaims {
        origin: Origin::Own,
        user_id: UserId::new(user_id),
        session_id: SessionId::new(Uuid::from_u128(2)),
        token_id: Uuid::from_u128(3),
        issued_at: at(1_000),
        expires_at: at(expires_at),
        authenticated_at: at(1_000),
        claims_until: None,
    }
}

fn claims(expires_at: i64) -> AccessClaims {
    claims_of(USER, expires_at)
}

fn token(expires_at: i64) -> Credential {
    Credential::Token(Box::new(claims(expires_at)))
}

fn position(offset: u64) -> Position {
    Position { epoch: epoch(), offset }
}

fn entrance(offset: u64) -> Input {
    entrance_from(offset, 0)
}

/// Of somebody who first came at another offset.
fn entrance_from(offset: u64, heard_from: u64) -> Input {
    Input::Entered(Ok(Entrance { position: position(offset), heard_from, members: vec![r#"{"m":1}"#.into()] }))
}

fn json_text(value: &Value) -> Input {
    Input::Heard(Message::Text(value.to_string().into()))
}

/// What is done, in short: JSON of what is sent, words for the rest.
fn shown(actions: &[Action]) -> Vec<Value> {
    let shown = actions.iter().map(|action| match action {
        Action::Send(bytes) if bytes[0] == 0x89 => json!("ping"),
        Action::Send(bytes) if bytes[0] == 0x8a => json!({ "pong": bytes.len() - 2 }),
        Action::Send(bytes) => text_of(bytes),
        Action::Authenticate(token) => json!({ "authenticate": token }),
        Action::Enter(_) => json!("enter"),
        Action::Replay { from, to } => json!({ "replay": [from.offset, to.offset] }),
        Action::Tell(posted) => json!({ "tell": posted.len() }),
        Action::Recheck(_) => json!("recheck"),
        Action::Close(closure) => json!({ "close": closure.kind.code() }),
        Action::Part(code) => json!({ "part": code }),
    });
    shown.collect()
}

impl Talk {
    fn new(credential: Option<Credential>, resume: Option<Position>) -> Self {
        let conversation = Conversation::new(room(), UserId::new(USER), credential, resume, at(1_000));
        Self { conversation, now: Now { elapsed: Duration::ZERO, time: at(1_000) } }
    }

    /// In the room, at offset 5.
    fn live() -> Self {
        Self::entered(token(10_000))
    }

    fn entered(credential: Credential) -> Self {
        let mut talk = Self::new(Some(credential), None);
        assert_eq!(shown(&talk.conversation.begin()), [json!("enter")]);
        assert_eq!(talk.hear(entrance(5))[0]["type"], "welcome");
        talk
    }

    fn hear(&mut self, input: Input) -> Vec<Value> {
        shown(&self.conversation.hear(input, self.now))
    }

    fn say(&mut self, value: &Value) -> Vec<Value> {
        self.hear(json_text(value))
    }

    fn letter(&mut self, letter: Letter<Frame>) -> Vec<Value> {
        self.hear(Input::Letter(letter))
    }

    /// Both clocks go on.
    fn pass(&mut self, seconds: u64) {
        self.now.elapsed += Duration::from_secs(seconds);
        self.now.time = self.now.time + Duration::from_secs(seconds);
    }

    /// Lets time pass as the one timer has it, and answers each ping; gives what was done, and when.
    fn let_pass(&mut self, seconds: u64) -> Vec<(u64, Value)> {
        let (end, mut done) = (self.now.elapsed + Duration::from_secs(seconds), Vec::new());
        loop {
            let due = self.conversation.due_in(self.now);
            if self.now.elapsed + due > end || self.conversation.phase == Phase::Over {
                return done;
            }
            (self.now.elapsed, self.now.time) = (self.now.elapsed + due, self.now.time + due);
            for action in self.hear(Input::Time) {
                if action == json!("ping") {
                    assert!(self.hear(Input::Heard(Message::Pong)).is_empty());
                }
                done.push((self.now.elapsed.as_secs(), action));
            }
        }
    }
}

fn refused(code: &str) -> impl Fn(&Value) -> bool {
    move |action| action["type"] == "error" && action["error"]["code"] == code
}

fn resync(offset: u64) -> Value {
    json!({ "type": "resync", "epoch": EPOCH, "offset": offset })
}

fn closed(code: u16) -> Vec<Value> {
    vec![json!({ "close": code })]
}

// --- Who it is ---

#[test]
fn who_comes_with_a_credential_enters_and_is_welcomed() {
    let mut talk = Talk::new(Some(token(10_000)), None);
    assert_eq!(shown(&talk.conversation.begin()), [json!("enter")]);
    let welcome = json!({ "type": "welcome", "room_id": "lobby", "user_id": USER, "epoch": EPOCH, "offset": 5,
        "members": [{ "m": 1 }] });
    assert_eq!(talk.hear(entrance(5)), [welcome]);
}

#[test]
fn the_first_frame_may_say_who_it_is() {
    let mut talk = Talk::new(None, None);
    assert!(talk.conversation.begin().is_empty());
    assert_eq!(talk.say(&json!({ "type": "auth", "token": "t" })), [json!({ "authenticate": "t" })]);
    assert_eq!(talk.hear(Input::Authenticated(Ok(claims(10_000)))), [json!("enter")]);
    assert_eq!(talk.hear(entrance(0))[0]["type"], "welcome");
}

#[test]
fn another_first_frame_is_refused() {
    for first in [json!({ "type": "ping" }), json!({ "type": "auth" }), json!([])] {
        assert_eq!(Talk::new(None, None).say(&first), closed(4401), "{first}");
    }
    assert_eq!(Talk::new(None, None).hear(Input::Heard(Message::Binary)), closed(4401));
}

#[test]
fn control_frames_are_no_first_frame() {
    let mut talk = Talk::new(None, None);
    assert_eq!(talk.hear(Input::Heard(Message::Ping(Bytes::from_static(b"abc")))), [json!({ "pong": 3 })]);
    assert!(talk.hear(Input::Heard(Message::Pong)).is_empty());
}

#[test]
fn the_first_frame_has_10_seconds() {
    let mut talk = Talk::new(None, None);
    assert_eq!(talk.let_pass(60), [(10, json!({ "close": 4408 }))]);
}

#[test]
fn a_token_that_came_in_time_holds_however_long_it_takes_to_look_at_it() {
    let mut talk = Talk::new(None, None);
    talk.pass(9);
    let said = talk.say(&json!({ "type": "auth", "token": "t" }));
    assert_eq!(said, [json!({ "authenticate": "t" })]);
    talk.pass(3);
    assert_eq!(talk.hear(Input::Authenticated(Ok(claims(10_000)))), [json!("enter")]);
    // A renewal that came before the end of what it renews.
    let mut talk = Talk::entered(token(1_030));
    talk.pass(54);
    talk.say(&json!({ "type": "auth", "token": "t" }));
    talk.pass(3);
    assert!(talk.hear(Input::Authenticated(Ok(claims(10_000)))).is_empty());
    assert!(talk.hear(Input::Time).iter().all(|action| action["close"].is_null()));
}

#[test]
fn a_first_token_that_is_not_believed_closes() {
    for (error, code) in
        [(AuthenticationError::from(TokenRefused), 4401), (AuthenticationError::from(Unavailable::new("down")), 1013)]
    {
        let mut talk = Talk::new(None, None);
        assert_eq!(talk.hear(Input::Authenticated(Err(error))), closed(code));
    }
}

#[test]
fn anothers_token_is_refused() {
    let other = || Input::Authenticated(Ok(claims_of(Uuid::from_u128(8), 10_000)));
    assert_eq!(Talk::new(None, None).hear(other()), closed(4403));
    assert_eq!(Talk::live().hear(other()), closed(4403));
}

#[test]
fn who_cannot_come_in_is_told_why() {
    for kind in [Kind::TooMany, Kind::Away, Kind::TryAgain] {
        let mut talk = Talk::new(Some(token(10_000)), None);
        talk.conversation.begin();
        assert_eq!(talk.hear(Input::Entered(Err(kind.into()))), closed(kind.code()));
    }
}

// --- How long ---

#[test]
fn a_token_that_ends_is_announced_and_then_closes() {
    let mut talk = Talk::entered(token(1_300));
    let done: Vec<_> = talk.let_pass(600).into_iter().filter(|(_, action)| *action != json!("ping")).collect();
    assert_eq!(done, [(240, json!({ "type": "token_expiring" })), (325, json!({ "close": 4401 }))]);
}

#[test]
fn a_token_with_less_left_is_announced_with_the_welcome() {
    let mut talk = Talk::new(Some(token(1_030)), Some(position(1)));
    talk.conversation.begin();
    let actions = talk.hear(entrance(5));
    assert_eq!(actions[0]["type"], "welcome");
    assert_eq!(actions[1..], [json!({ "type": "token_expiring" }), json!("recheck"), json!({ "replay": [1, 5] })]);
}

#[test]
fn a_token_that_ended_on_the_way_in_closes() {
    let mut talk = Talk::new(Some(token(970)), Some(position(1)));
    talk.conversation.begin();
    assert_eq!(talk.hear(entrance(5))[1..], closed(4401));
    assert!(talk.hear(Input::Time).is_empty());
}

#[test]
fn a_new_token_goes_on_from_the_old_one() {
    let mut talk = Talk::entered(token(1_030));
    assert_eq!(talk.say(&json!({ "type": "auth", "token": "t" })), [json!({ "authenticate": "t" })]);
    assert!(talk.hear(Input::Authenticated(Ok(claims(1_200)))).is_empty());
    let done: Vec<_> = talk.let_pass(600).into_iter().filter(|(_, action)| *action != json!("ping")).collect();
    assert_eq!(done, [(140, json!({ "type": "token_expiring" })), (225, json!({ "close": 4401 }))]);
}

#[test]
fn a_new_token_that_is_not_believed_leaves_the_old_one() {
    let mut talk = Talk::entered(token(1_300));
    let refusal = talk.hear(Input::Authenticated(Err(TokenRefused.into())));
    assert!(refusal.iter().all(refused("unauthorized")) && refusal.len() == 1);
    assert_eq!(talk.say(&json!({ "type": "ping" })), [json!({ "type": "pong" })]);
}

#[test]
fn the_server_pings_every_25_seconds() {
    let mut talk = Talk::live();
    assert_eq!(talk.let_pass(80), [(25, json!("ping")), (50, json!("ping")), (75, json!("ping"))]);
}

#[test]
fn a_silent_peer_is_dropped_after_60_seconds() {
    let mut talk = Talk::live();
    talk.pass(59);
    assert_eq!(talk.hear(Input::Time), [json!("ping")]);
    talk.pass(1);
    assert_eq!(talk.hear(Input::Time), closed(1001));
}

#[test]
fn any_frame_breaks_the_silence() {
    for message in [Message::Pong, Message::Part, Message::Ping(Bytes::new())] {
        let mut talk = Talk::live();
        talk.pass(59);
        talk.hear(Input::Heard(message));
        talk.pass(59);
        assert_ne!(talk.hear(Input::Time), closed(1001));
    }
}

#[test]
fn an_unclaimed_account_is_asked_for_at_each_ping() {
    let mut talk = Talk::entered(Credential::Unclaimed);
    assert_eq!(talk.let_pass(30), [(25, json!("ping")), (25, json!("recheck"))]);
    assert!(talk.hear(Input::Rechecked(Ok(()))).is_empty());
    assert_eq!(talk.hear(Input::Rechecked(Err(Kind::Unauthenticated.into()))), closed(4401));
}

#[test]
fn an_unclaimed_account_may_go_on_with_a_token() {
    let mut talk = Talk::entered(Credential::Unclaimed);
    assert!(talk.hear(Input::Authenticated(Ok(claims(10_000)))).is_empty());
    assert_eq!(talk.let_pass(30), [(25, json!("ping"))]);
}

// --- What a client says ---

#[test]
fn a_ping_in_json_gets_a_pong_in_json() {
    assert_eq!(Talk::live().say(&json!({ "type": "ping" })), [json!({ "type": "pong" })]);
}

#[test]
fn the_third_frame_that_cannot_be_read_closes() {
    let mut talk = Talk::live();
    let first = talk.hear(Input::Heard(Message::Binary));
    assert!(first.iter().all(refused("malformed_request")) && first.len() == 1);
    let second = talk.say(&json!({ "type": 7 }));
    assert!(second.iter().all(refused("validation_failed")) && second.len() == 1);
    assert_eq!(talk.say(&json!({ "type": "ping" })), [json!({ "type": "pong" })]);
    assert_eq!(talk.hear(Input::Heard(Message::Text(Bytes::from_static(b"{")))), closed(4400));
}

#[test]
fn a_flood_closes_after_100_at_once_and_20_a_second() {
    for message in [|| Message::Pong, || Message::Part, || Message::Ping(Bytes::new())] {
        let mut talk = Talk::live();
        for _ in 0..100 {
            assert!(!talk.hear(Input::Heard(message())).contains(&json!({ "close": 4429 })));
        }
        talk.now.elapsed += Duration::from_millis(50);
        assert!(!talk.hear(Input::Heard(message())).contains(&json!({ "close": 4429 })));
        assert_eq!(talk.hear(Input::Heard(message())), closed(4429));
    }
}

#[test]
fn a_close_frame_is_answered_with_its_code() {
    assert_eq!(Talk::live().hear(Input::Heard(Message::Close(Some(1000)))), [json!({ "part": 1000 })]);
    assert_eq!(Talk::new(None, None).hear(Input::Heard(Message::Close(None))), [json!({ "part": null })]);
}

#[test]
fn a_broken_protocol_closes() {
    for kind in [Kind::Protocol, Kind::NotText, Kind::TooLarge] {
        assert_eq!(Talk::live().hear(Input::Broken(kind)), closed(kind.code()));
    }
}

#[test]
fn nothing_is_done_after_the_end() {
    let mut talk = Talk::live();
    talk.hear(Input::Broken(Kind::Protocol));
    talk.pass(100);
    assert!(talk.say(&json!({ "type": "ping" })).is_empty());
    assert!(talk.letter(Letter::Close(Closing::Shutdown)).is_empty());
}

// --- What was missed ---

fn asked(offset: u64) -> Value {
    json!({ "type": "resume", "epoch": EPOCH, "offset": offset })
}

/// What is done to tell again what came after one offset, up to another.
fn replay(from: u64, to: u64) -> [Value; 2] {
    [json!("recheck"), json!({ "replay": [from, to] })]
}

pub(in super::super) fn posted(offset: u64) -> Posted {
    let body = EventBody::ProfileUpdated { version: 1, changed: Vec::new() };
    let (id, user_id) = (EventId::new(Uuid::from_u128(9)), UserId::new(USER));
    let event = Event { id, user_id, occurred_at: at(0), body };
    Posted { room: room(), entry: Entry { position: position(offset), event } }
}

#[test]
fn what_came_before_the_welcome_is_read_again() {
    assert_eq!(Talk::live().say(&asked(2)), replay(2, 5));
}

#[test]
fn what_came_after_the_welcome_is_told_anyway() {
    let mut talk = Talk::live();
    assert!(talk.say(&asked(5)).is_empty());
    talk.letter(Letter::Send(Frame::updated(updated(7, &["bio"]))));
    assert!(talk.say(&asked(6)).is_empty() && talk.say(&asked(7)).is_empty());
    assert_eq!(talk.say(&asked(4)), replay(4, 5));
}

#[test]
fn what_was_told_again_is_not_told_a_third_time_and_to_ask_is_no_fault() {
    let mut talk = Talk::live();
    assert_eq!(talk.say(&asked(2)), replay(2, 5));
    for _ in 0..5 {
        let refusal = talk.say(&asked(4));
        assert!(refusal.iter().all(refused("conflict")) && refusal.len() == 1, "{refusal:?}");
        assert_eq!(talk.say(&asked(6)), [resync(5)]);
    }
    assert!(talk.say(&asked(5)).is_empty());
}

#[test]
fn where_the_log_goes_on_elsewhere_what_was_missed_is_told_again_once_more() {
    let again = |after: &dyn Fn(&mut Talk)| {
        let mut talk = Talk::live();
        talk.say(&asked(2));
        after(&mut talk);
        talk.say(&asked(4))[0].clone()
    };
    assert_eq!(again(&|talk| drop(talk.hear(Input::Replayed(Ok(None))))), "recheck");
    assert_eq!(again(&|talk| drop(talk.letter(Letter::Resync(Some(position(40)))))), "recheck");
    let comes_in_again = |talk: &mut Talk| {
        talk.letter(Letter::Resync(None));
        talk.hear(entrance(5));
    };
    assert_eq!(again(&comes_in_again), "recheck");
}

#[test]
fn what_was_said_before_somebody_first_came_is_not_theirs() {
    let mut talk = Talk::new(Some(token(10_000)), Some(position(2)));
    talk.conversation.begin();
    let welcomed = talk.hear(entrance_from(5, 3));
    assert_eq!((&welcomed[0]["offset"], &welcomed[1..]), (&json!(5), &[resync(5)][..]));
    assert_eq!(talk.say(&asked(2)), [resync(5)]);
    assert_eq!(talk.say(&asked(3)), replay(3, 5));
    // Of another log nobody knows when they came.
    let elsewhere = Position { epoch: Epoch::new(Uuid::from_u128(4)), offset: 7 };
    talk.letter(Letter::Resync(Some(elsewhere)));
    let asked = json!({ "type": "resume", "epoch": elsewhere.epoch.to_string(), "offset": 6 });
    assert_eq!(talk.say(&asked)[0]["type"], "resync");
}

#[test]
fn a_position_that_is_not_of_this_log_is_told_to_resync() {
    let mut talk = Talk::live();
    assert_eq!(talk.say(&asked(6)), [resync(5)]);
    let other = Epoch::new(Uuid::from_u128(4)).to_string();
    assert_eq!(talk.say(&json!({ "type": "resume", "epoch": other, "offset": 1 })), [resync(5)]);
}

#[test]
fn since_is_a_resume_right_after_the_welcome_which_skips_nothing() {
    let mut talk = Talk::new(Some(token(10_000)), Some(position(3)));
    talk.conversation.begin();
    let welcomed = talk.hear(entrance(5));
    assert_eq!((&welcomed[0]["offset"], &welcomed[1..]), (&json!(3), &replay(3, 5)[..]));
    let mut beyond = Talk::new(Some(token(10_000)), Some(position(9)));
    beyond.conversation.begin();
    let welcomed = beyond.hear(entrance(5));
    assert_eq!((&welcomed[0]["offset"], &welcomed[1..]), (&json!(5), &[resync(5)][..]));
}

#[test]
fn what_was_missed_is_told_or_that_it_cannot_be() {
    let mut talk = Talk::live();
    let missed = vec![posted(4), posted(5)];
    assert_eq!(talk.hear(Input::Replayed(Ok(Some(missed)))), [json!({ "tell": 2 })]);
    let frames = vec![Frame::updated(updated(4, &["bio"])), Frame::updated(updated(5, &["bio"]))];
    let told = talk.hear(Input::Told(Ok(frames)));
    assert_eq!(told.iter().map(|frame| frame["offset"].as_u64().unwrap()).collect::<Vec<_>>(), [4, 5]);
    talk.letter(Letter::Send(Frame::updated(updated(8, &["bio"]))));
    assert_eq!(talk.hear(Input::Replayed(Ok(None))), [resync(8)]);
    assert_eq!(talk.hear(Input::Told(Err(Kind::TryAgain.into()))), closed(1013));
    assert_eq!(Talk::live().hear(Input::Replayed(Err(Kind::TryAgain.into()))), closed(1013));
}

// --- What the room says ---

#[test]
fn what_the_room_says_goes_out_as_it_is() {
    let mut talk = Talk::live();
    let frame = Frame::updated(updated(6, &["bio"]));
    assert_eq!(
        talk.conversation.hear(Input::Letter(Letter::Send(frame.clone())), talk.now),
        [Action::Send(frame.bytes())]
    );
    assert_eq!(talk.letter(Letter::Send(joined()))[0]["type"], "member_joined");
}

#[test]
fn a_log_that_goes_on_elsewhere_is_told() {
    let mut talk = Talk::live();
    assert_eq!(talk.letter(Letter::Resync(Some(position(40)))), [resync(40)]);
    assert_eq!(talk.say(&asked(39)), replay(39, 40));
}

#[test]
fn a_room_that_was_forgotten_is_entered_again() {
    let mut talk = Talk::live();
    assert_eq!(talk.letter(Letter::Resync(None)), [json!("enter")]);
    assert_eq!(talk.hear(entrance(0)), [resync(0)]);
}

#[test]
fn a_credential_is_asked_for_again_when_it_may_be_worthless() {
    let mut talk = Talk::live();
    assert_eq!(talk.conversation.hear(Input::Letter(Letter::Recheck), talk.now), [Action::Recheck(token(10_000))]);
    assert_eq!(talk.hear(Input::Rechecked(Err(Kind::Unauthenticated.into()))), closed(4401));
}

#[test]
fn a_deletion_is_told_before_the_close() {
    let deleted = json!({ "type": "user_deleted", "room_id": "lobby", "user_id": USER });
    assert_eq!(Talk::live().letter(Letter::Close(Closing::Deleted)), [deleted, json!({ "close": 4410 })]);
}

#[test]
fn a_slow_reader_and_a_restart_are_told_to_come_back() {
    assert_eq!(Talk::live().letter(Letter::Close(Closing::Behind)), closed(1013));
    assert_eq!(Talk::live().letter(Letter::Close(Closing::Shutdown)), closed(1001));
}

#[test]
fn the_timer_never_rings_at_once_for_a_clock_that_stands_still() {
    let mut talk = Talk::entered(token(1_030));
    for _ in 0..10 {
        assert!(talk.conversation.due_in(talk.now) >= Duration::from_secs(1));
        talk.now.elapsed += Duration::from_secs(1);
        talk.hear(Input::Heard(Message::Pong));
    }
}

#[test]
fn without_a_token_it_is_asked_again_before_whatever_is_told() {
    let mut talk = Talk::entered(Credential::Unclaimed);
    let other = ProfileUpdated { user_id: Uuid::from_u128(99), ..updated(7, &["bio"]) };
    for frame in [Frame::updated(updated(6, &["phone"])), Frame::updated(other), joined()] {
        let told = talk.letter(Letter::Send(frame));
        assert_eq!((told.len(), &told[0]), (2, &json!("recheck")));
    }
    assert_eq!(talk.say(&asked(3)), replay(3, 5));
    let again = [4, 5].map(|offset| Frame::updated(updated(offset, &["bio"])));
    let told = talk.hear(Input::Told(Ok(again.into())));
    assert_eq!((told.len(), &told[0], &told[2]), (4, &json!("recheck"), &json!("recheck")));
    assert_eq!(talk.letter(Letter::Resync(Some(position(40)))), [json!("recheck"), resync(40)]);
}

#[test]
fn a_credential_runs_until_25_seconds_after_the_end_of_its_token() {
    let token = token(1_000);
    assert!(token.still_runs(at(1_024)).is_ok());
    assert_eq!(token.still_runs(at(1_025)).unwrap_err().kind, Kind::Unauthenticated);
    assert!(Credential::Unclaimed.still_runs(at(1_000_000)).is_ok());
}

#[test]
fn with_a_token_nothing_is_asked_before_a_private_frame() {
    let mut talk = Talk::live();
    assert_eq!(talk.letter(Letter::Send(Frame::updated(updated(6, &["phone"])))).len(), 1);
}
