//! What is said on one socket, and when: every rule, without a socket, a clock or a store.
//!
//! What happens comes in ([`Input`]), what is to be done goes out ([`Action`]). While something is done whose outcome
//! has to be awaited, nothing else comes in.

mod exchange;
mod phase;

use std::time::Duration;

use frontdesk_kernel::gcra::{Arrival, Quota, Verdict, check};
use frontdesk_kernel::{Timestamp, UserId};
use frontdesk_profile::token::AccessClaims;
use frontdesk_rooms::mailbox::{Closing, Letter};
use frontdesk_rooms::{Position, RoomId};

use super::client::{self, Said};
use super::closure::{Closure, Kind};
use super::frame::{self, Frame};
use super::frames::{Pong, Refused, Resync, TokenExpiring, UserDeleted, Welcome};
use super::inbound::Message;
use crate::error::{ApiError, Code};
pub(crate) use exchange::Credential;
use exchange::EXPIRY_GRACE;
pub(super) use exchange::{Action, Entrance, Input, Now};
use phase::{Phase, Resumable};

/// How long the first frame may take, where it has to say who it is.
const AUTH_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked meanwhile whether the server stops: without a seat nobody tells.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the server pings.
const PING_EVERY: Duration = Duration::from_secs(25);
/// How long a peer may be silent.
const SILENT_FOR: Duration = Duration::from_mins(1);
/// How long before its end a token is said to be expiring.
const EXPIRY_TOLD: Duration = Duration::from_mins(1);
/// How many frames that cannot be read are borne with.
const FAULTS_BORNE: u8 = 2;

/// How many frames a second, and at once.
const FRAMES: (u32, u32) = (20, 100);

/// One socket's conversation.
pub(super) struct Conversation {
    room: RoomId,
    user_id: UserId,
    phase: Phase,
    credential: Option<Credential>,
    /// From where on the client asked to be told what it missed.
    resume: Option<Position>,
    began: Timestamp,
    arrival: Option<Arrival>,
    heard: Duration,
    pinged: Duration,
    faults: u8,
    is_expiry_told: bool,
}

fn refusal(error: &ApiError) -> Action {
    Action::Send(frame::encode(&Refused::from(error)))
}

impl Conversation {
    /// Begins. Without a credential the first frame has to bring one.
    pub(super) fn new(
        room: RoomId,
        user_id: UserId,
        credential: Option<Credential>,
        resume: Option<Position>,
        now: Timestamp,
    ) -> Self {
        Self {
            room,
            user_id,
            phase: Phase::Asking,
            credential,
            resume,
            began: now,
            arrival: None,
            heard: Duration::ZERO,
            pinged: Duration::ZERO,
            faults: 0,
            is_expiry_told: false,
        }
    }

    pub(super) const fn room(&self) -> &RoomId {
        &self.room
    }

    pub(super) const fn user_id(&self) -> UserId {
        self.user_id
    }

    /// Whether it rests on a credential that was believed.
    pub(super) const fn is_believed(&self) -> bool {
        self.credential.is_some()
    }

    /// Whether nothing comes any more.
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// What is to be done first.
    pub(super) fn begin(&mut self) -> Vec<Action> {
        self.enter(false)
    }

    /// What is to be done about what happened.
    pub(super) fn hear(&mut self, input: Input, now: Now) -> Vec<Action> {
        // A token that came in time holds, however long it took to look at it.
        let is_outcome = matches!(input, Input::Authenticated(_));
        let mut actions = if is_outcome { Vec::new() } else { self.keep_time(now) };
        if self.phase != Phase::Over {
            actions.extend(self.react(input, now));
        }
        if matches!(actions.last(), Some(Action::Close(_) | Action::Part(_))) {
            self.phase = Phase::Over;
        }
        actions
    }

    /// How long from now until time alone asks for something.
    pub(super) fn due_in(&self, now: Now) -> Duration {
        let until = |at: Duration| at.saturating_sub(now.elapsed);
        let due = match self.phase {
            Phase::Asking => until(AUTH_WITHIN).min(LOOK_EVERY),
            Phase::Entering { .. } | Phase::Over => PING_EVERY,
            Phase::Live { .. } => {
                until((self.pinged + PING_EVERY).min(self.heard + SILENT_FOR)).min(self.token_due_in(now))
            }
        };
        // The clock of the tokens may stand still, or go back.
        due.max(Duration::from_millis(1))
    }

    fn token_due_in(&self, now: Now) -> Duration {
        match self.credential.as_ref().and_then(Credential::claims) {
            Some(claims) if self.is_expiry_told => (claims.expires_at + EXPIRY_GRACE).since(now.time),
            Some(claims) => (claims.expires_at - EXPIRY_TOLD).since(now.time),
            None => PING_EVERY,
        }
    }

    fn keep_time(&mut self, now: Now) -> Vec<Action> {
        let close = |closure: Closure| vec![Action::Close(closure)];
        let actions = match self.phase {
            Phase::Asking if now.elapsed >= AUTH_WITHIN => close(Kind::Late.into()),
            Phase::Live { .. } if now.elapsed.saturating_sub(self.heard) >= SILENT_FOR => {
                close(Closure::because(Kind::Away, "nothing was heard for 60 s"))
            }
            Phase::Live { .. } => self.keep_alive(now),
            Phase::Asking | Phase::Entering { .. } | Phase::Over => Vec::new(),
        };
        if matches!(actions.last(), Some(Action::Close(_))) {
            self.phase = Phase::Over;
        }
        actions
    }

    fn keep_alive(&mut self, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        let is_ping_due = now.elapsed.saturating_sub(self.pinged) >= PING_EVERY;
        if is_ping_due {
            self.pinged = now.elapsed;
            actions.push(Action::Send(frame::PING));
        }
        if let Some(Err(closure)) = self.credential.as_ref().map(|credential| credential.still_runs(now.time)) {
            actions.push(Action::Close(closure));
            return actions;
        }
        match &self.credential {
            Some(Credential::Token(claims)) if !self.is_expiry_told && claims.expires_at <= now.time + EXPIRY_TOLD => {
                self.is_expiry_told = true;
                actions.push(Action::Send(frame::encode(&TokenExpiring {})));
            }
            // Nobody tells that the account was claimed, or that the time to claim it is over: docs of `still_unclaimed`.
            Some(Credential::Unclaimed) if is_ping_due => actions.push(Action::Recheck(Credential::Unclaimed)),
            Some(_) | None => {}
        }
        actions
    }

    fn react(&mut self, input: Input, now: Now) -> Vec<Action> {
        match input {
            Input::Time | Input::Rechecked(Ok(())) => Vec::new(),
            Input::Heard(message) => self.heard(message, now),
            Input::Broken(kind) => vec![Action::Close(kind.into())],
            Input::Letter(letter) => self.opened(letter),
            Input::Authenticated(Ok(claims)) => self.believed(claims),
            Input::Authenticated(Err(error)) if matches!(self.phase, Phase::Live { .. }) => {
                vec![refusal(&ApiError::from(error))]
            }
            Input::Authenticated(Err(error)) => vec![Action::Close(Closure::of(error))],
            Input::Entered(Ok(entrance)) => self.entered(&entrance, now),
            Input::Replayed(Ok(Some(posted))) => vec![Action::Tell(posted.into())],
            Input::Replayed(Ok(None)) => self.not_replayed(),
            Input::Told(Ok(frames)) => frames.iter().flat_map(|frame| self.told(frame)).collect(),
            Input::Entered(Err(closure))
            | Input::Replayed(Err(closure))
            | Input::Told(Err(closure))
            | Input::Rechecked(Err(closure)) => vec![Action::Close(closure)],
        }
    }

    fn heard(&mut self, message: Message, now: Now) -> Vec<Action> {
        let (each_second, at_once) = FRAMES;
        let quota = Quota::new(each_second, Duration::from_secs(1), at_once);
        let (arrival, verdict) = check(&quota, self.arrival, self.began + now.elapsed);
        self.arrival = arrival;
        self.heard = now.elapsed;
        if let Verdict::Refused { .. } = verdict {
            return vec![Action::Close(Closure::because(Kind::RateLimited, "over 20 frames a second"))];
        }
        match message {
            Message::Part | Message::Pong => Vec::new(),
            Message::Ping(payload) => vec![Action::Send(frame::pong(&payload))],
            Message::Close(code) => vec![Action::Part(code)],
            Message::Binary => self.said(Err(ApiError::malformed("frames are JSON text"))),
            Message::Text(text) => self.said(client::read(&text)),
        }
    }

    fn said(&mut self, said: Result<Said, ApiError>) -> Vec<Action> {
        match (said, self.phase) {
            (Ok(Said::Auth { token }), _) => vec![Action::Authenticate(token)],
            (_, Phase::Asking) => {
                vec![Action::Close(Closure::because(Kind::Unauthenticated, "the first frame must be auth"))]
            }
            (Ok(Said::Ping), _) => vec![Action::Send(frame::encode(&Pong {}))],
            (Ok(Said::Resume(from)), _) => self.resume(from),
            (Ok(Said::Unknown), _) => vec![refusal(&client::unknown())],
            (Err(error), _) if self.faults < FAULTS_BORNE => {
                self.faults += 1;
                vec![refusal(&error)]
            }
            (Err(_), _) => {
                vec![Action::Close(Closure::because(Kind::Malformed, "the third frame that cannot be read"))]
            }
        }
    }

    fn believed(&mut self, claims: AccessClaims) -> Vec<Action> {
        if claims.user_id != self.user_id {
            return vec![Action::Close(Kind::Forbidden.into())];
        }
        self.credential = Some(Credential::Token(Box::new(claims)));
        self.is_expiry_told = false;
        if self.phase == Phase::Asking { self.enter(false) } else { Vec::new() }
    }

    fn enter(&mut self, is_again: bool) -> Vec<Action> {
        let Some(credential) = self.credential.clone() else { return Vec::new() };
        self.phase = Phase::Entering { is_again };
        vec![Action::Enter(credential)]
    }

    fn entered(&mut self, entrance: &Entrance, now: Now) -> Vec<Action> {
        let Entrance { position, heard_from, members } = entrance;
        let is_again = self.phase == Phase::Entering { is_again: true };
        self.credential = self.credential.take().map(Credential::taken);
        self.phase = Phase::live_at(*position, *heard_from);
        if is_again {
            return self.resync();
        }
        (self.heard, self.pinged) = (now.elapsed, now.elapsed);
        let resume = self.resume.take();
        let (room_id, user_id) = (&self.room, self.user_id.as_uuid());
        // A client that remembers the last offset it saw must not skip what is still to be told again.
        let known = resume.filter(|from| self.phase.resumable(*from) == Resumable::Read).unwrap_or(*position);
        let welcome = Welcome { room_id, user_id, epoch: known.epoch, offset: known.offset, members: () };
        let mut actions = vec![Action::Send(welcome.encode(members))];
        // What ended on the way in is told now, before the first letter.
        actions.extend(self.keep_time(now));
        if let Some(from) = resume.filter(|_| self.phase != Phase::Over) {
            actions.extend(self.resume(from));
        }
        actions
    }

    fn resume(&mut self, from: Position) -> Vec<Action> {
        match (self.phase.resumable(from), &mut self.phase) {
            (Resumable::Gone, _) => self.resync(),
            (Resumable::Read, Phase::Live { is_replayed: true, .. }) => {
                let reason = "what was missed before this socket was told already";
                vec![refusal(&ApiError::new(Code::Conflict, reason))]
            }
            (Resumable::Read, Phase::Live { since, is_replayed, .. }) => {
                let replay = Action::Replay { from, to: *since };
                *is_replayed = true;
                self.credential.clone().map(Action::Recheck).into_iter().chain([replay]).collect()
            }
            (Resumable::Told | Resumable::Read, _) => Vec::new(),
        }
    }

    fn not_replayed(&mut self) -> Vec<Action> {
        if let Phase::Live { is_replayed, .. } = &mut self.phase {
            *is_replayed = false;
        }
        self.resync()
    }

    /// Nobody tells that an account was claimed, and then what is said is for the bearer of a token alone: so it is asked
    /// before each time that something is told without one. What was to be done waits for the outcome.
    fn still_unclaimed(&self) -> Option<Action> {
        let is_asked = self.credential == Some(Credential::Unclaimed);
        is_asked.then_some(Action::Recheck(Credential::Unclaimed))
    }

    fn told(&self, frame: &Frame) -> impl Iterator<Item = Action> + use<> {
        self.still_unclaimed().into_iter().chain([Action::Send(frame.bytes())])
    }

    fn resync(&self) -> Vec<Action> {
        let Phase::Live { since, told, .. } = self.phase else { return Vec::new() };
        vec![Action::Send(frame::encode(&Resync { epoch: since.epoch, offset: told }))]
    }

    fn opened(&mut self, letter: Letter<Frame>) -> Vec<Action> {
        match letter {
            Letter::Send(frame) => {
                if let (Phase::Live { told, .. }, Some(position)) = (&mut self.phase, frame.position()) {
                    *told = position.offset;
                }
                self.told(&frame).collect()
            }
            Letter::Resync(Some(position)) => {
                let heard_from = match self.phase {
                    Phase::Live { since, heard_from, .. } if since.epoch == position.epoch => heard_from,
                    // When they first came into another log is not known here.
                    _ => position.offset,
                };
                self.phase = Phase::live_at(position, heard_from);
                self.still_unclaimed().into_iter().chain(self.resync()).collect()
            }
            // The room was forgotten: who comes in begins it again.
            Letter::Resync(None) => self.enter(true),
            Letter::Recheck => self.credential.clone().map(Action::Recheck).into_iter().collect(),
            Letter::Close(Closing::Behind) => {
                vec![Action::Close(Closure::because(Kind::TryAgain, "frames were not read fast enough"))]
            }
            Letter::Close(Closing::Shutdown) => vec![Action::Close(Kind::Away.into())],
            Letter::Close(Closing::Deleted) => {
                let deleted = UserDeleted::own(&self.room, self.user_id);
                vec![Action::Send(frame::encode(&deleted)), Action::Close(Kind::Deleted.into())]
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
