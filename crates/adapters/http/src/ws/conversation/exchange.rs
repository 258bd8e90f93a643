//! What comes into a conversation, and what goes out of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use frontdesk_kernel::{Timestamp, UserId};
use frontdesk_profile::AuthenticationError;
use frontdesk_profile::token::AccessClaims;
use frontdesk_rooms::Position;
use frontdesk_rooms::mailbox::Letter;
use frontdesk_rooms::store::Posted;

use super::super::closure::{Closure, Kind};
use super::super::frame::Frame;
use super::super::inbound::Message;
use super::super::ticket::Ticket;

/// How long after its end a token still holds a socket.
pub(super) const EXPIRY_GRACE: Duration = Duration::from_secs(25);

/// The present moment, on two clocks.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Now {
    /// Since the socket began. Only ever grows.
    pub(in super::super) elapsed: Duration,
    /// By which tokens end.
    pub(in super::super) time: Timestamp,
}

/// What holds a socket open: a token, or an account that nobody has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    Token(Box<AccessClaims>),
    /// What stands for a token on the way in: its holder has to be the first to come with it.
    Ticket(Box<Ticket>),
    Unclaimed,
}

impl Credential {
    /// What the token says that it rests on.
    pub(in super::super) fn claims(&self) -> Option<&AccessClaims> {
        match self {
            Self::Token(claims) => Some(claims),
            Self::Ticket(ticket) => Some(&ticket.claims),
            Self::Unclaimed => None,
        }
    }

    /// Whose it is, where it says so.
    pub(in super::super) fn user_id(&self) -> Option<UserId> {
        self.claims().map(|claims| claims.user_id)
    }

    /// What it is once its holder came in.
    pub(super) fn taken(self) -> Self {
        match self {
            Self::Ticket(ticket) => Self::Token(Box::new(ticket.claims)),
            other @ (Self::Token(_) | Self::Unclaimed) => other,
        }
    }

    /// Closes where time alone has made it worthless.
    pub(in super::super) fn still_runs(&self, now: Timestamp) -> Result<(), Closure> {
        if self.claims().is_some_and(|claims| claims.expires_at + EXPIRY_GRACE <= now) {
            return Err(Closure::because(Kind::Unauthenticated, "the token has expired"));
        }
        Ok(())
    }
}

/// What happened.
pub(in super::super) enum Input {
    /// Time passed.
    Time,
    Heard(Message),
    /// The client broke the protocol.
    Broken(Kind),
    Letter(Letter<Frame>),
    Authenticated(Result<AccessClaims, AuthenticationError>),
    Entered(Result<Entrance, Closure>),
    /// `None` where not all of it is to be had.
    Replayed(Result<Option<Vec<Posted>>, Closure>),
    /// Some of what was to be told, as it is sent.
    Told(Result<Vec<Frame>, Closure>),
    Rechecked(Result<(), Closure>),
}

/// What is found in a room.
#[derive(Debug)]
pub(in super::super) struct Entrance {
    /// Where the log is.
    pub(in super::super) position: Position,
    /// From where on in the log the user may hear of it: what was said before they first came is not theirs.
    pub(in super::super) heard_from: u64,
    /// What each member looks like.
    pub(in super::super) members: Vec<Arc<str>>,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Action {
    Send(Bytes),
    /// The outcome is [`Input::Authenticated`].
    Authenticate(String),
    /// Take a seat, unless there is one, and come in. The outcome is [`Input::Entered`].
    Enter(Credential),
    /// The outcome is [`Input::Replayed`].
    Replay {
        from: Position,
        to: Position,
    },
    /// Make frames of these, some at a time: each time the outcome is [`Input::Told`].
    Tell(VecDeque<Posted>),
    /// The outcome is [`Input::Rechecked`].
    Recheck(Credential),
    /// Close from this side; nothing comes after it.
    Close(Closure),
    /// Answer the peer's close frame; nothing comes after it.
    Part(Option<u16>),
}
