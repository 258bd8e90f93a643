//! The loop under a conversation: the body of the answer to an upgrade, which lasts as long as the socket. See
//! `upgraded` for what it is sent by.
//!
//! No task and no channel for each socket: the connection's own task polls the body. What is rare (believing a token,
//! coming in, reading what was missed) is boxed while it runs, so that a silent socket costs little memory.

mod queue;
mod work;

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::web::Data;
use bytes::Bytes;
use frontdesk_kernel::UserId;
use frontdesk_rooms::hub::Seat;
use frontdesk_rooms::mailbox::{Closing, Letter};
use futures_util::Stream as _;
use futures_util::future::LocalBoxFuture;
use tokio::time::{Instant, Sleep, sleep_until};

use super::bell::Bell;
use super::closure::{Closure, Kind, close_frame};
use super::conversation::{Action, Conversation, Input, Now};
use super::frame::Frame;
use super::inbound::Inbound;
use crate::config::Services;
use crate::metrics::{By, Metrics};
use queue::Queue;
pub(super) use work::recheck;
use work::{Done, ask_again, authenticate, enter, replay, tell};

/// What is logged of a socket that ended without a close frame (RFC 6455, 7.1.5).
const ABNORMAL: u16 = 1006;
/// The same for a close frame without a code.
const NO_CODE: u16 = 1005;

/// An open socket.
pub(crate) struct Socket {
    services: Data<Services>,
    metrics: Data<Metrics>,
    conversation: Conversation,
    payload: Payload,
    inbound: Inbound,
    seat: Option<Seat<Frame>>,
    bell: Arc<Bell>,
    /// What the mailbox wakes: the bell.
    rings: Waker,
    actions: Queue,
    /// What is being done. Until it is, nothing else happens here.
    doing: Option<LocalBoxFuture<'static, Done>>,
    began: Instant,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer was looked at since something happened. What is due changes with that alone.
    is_timed: bool,
    /// The code that it ended with, and who said it.
    ended: Option<(u16, By)>,
}

impl Socket {
    pub(crate) fn new(
        services: Data<Services>,
        metrics: Data<Metrics>,
        payload: Payload,
        mut conversation: Conversation,
    ) -> Self {
        let began = Instant::now();
        let mut actions = Queue::default();
        actions.put_first(conversation.begin());
        let bell = Bell::new();
        Self {
            rings: Waker::from(Arc::clone(&bell)),
            bell,
            services,
            metrics,
            conversation,
            payload,
            inbound: Inbound::default(),
            seat: None,
            actions,
            doing: None,
            began,
            // Due at once: the first look sets it.
            timer: Box::pin(sleep_until(began)),
            is_timed: false,
            ended: None,
        }
    }

    fn now(&self) -> Now {
        Now { elapsed: self.began.elapsed(), time: self.services.clock.now() }
    }

    fn hear(&mut self, input: Input) {
        let now = self.now();
        // What is told moves no deadline.
        self.is_timed &= matches!(input, Input::Letter(Letter::Send(_)));
        let actions = self.conversation.hear(input, now);
        self.actions.put_first(actions);
    }

    /// The next frame that is sent.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(doing) = &mut self.doing {
                let (seat, outcome) = ready!(doing.as_mut().poll(context));
                self.doing = None;
                self.seat = seat.or(self.seat.take());
                self.hear(outcome);
            }
            if self.attend() {
                continue;
            }
            if let Some(action) = self.actions.next() {
                if let Some(frame) = self.act(action) {
                    self.metrics.frame_sent();
                    return Poll::Ready(Some(frame));
                }
                continue;
            }
            if self.ended.is_some() {
                return Poll::Ready(None);
            }
            match ready!(self.poll_input(context)) {
                Some(input) => self.hear(input),
                None => self.end(ABNORMAL, By::Client),
            }
        }
    }

    /// Hears what cannot wait until everything else is done; tells whether there was such a thing.
    fn attend(&mut self) -> bool {
        let urgent = self.seat.as_ref().filter(|_| !self.conversation.is_over()).and_then(Seat::urgent);
        let Some(letter) = urgent else { return false };
        self.actions.give_way(&letter);
        self.hear(Input::Letter(letter));
        true
    }

    /// The next thing that happens; nothing where the peer is gone.
    fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<Option<Input>> {
        loop {
            if self.is_due(context) {
                let is_stopping = self.seat.is_none() && self.services.rooms.hub().is_stopping();
                let shutdown = Input::Letter(Letter::Close(Closing::Shutdown));
                return Poll::Ready(Some(if is_stopping { shutdown } else { Input::Time }));
            }
            match self.inbound.next() {
                Ok(Some(message)) => return Poll::Ready(Some(Input::Heard(message))),
                Err(kind) => return Poll::Ready(Some(Input::Broken(kind))),
                Ok(None) => {}
            }
            match Pin::new(&mut self.payload).poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => self.inbound.feed(&bytes),
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        let Some(seat) = &self.seat else { return Poll::Pending };
        self.bell.hang(context.waker());
        let mut rings = Context::from_waker(&self.rings);
        std::pin::pin!(seat.next()).poll(&mut rings).map(|letter| Some(Input::Letter(letter)))
    }

    /// Whether time asks for something. The one timer rings for what is due first; what is due later by now moves it only
    /// once it rings.
    fn is_due(&mut self, context: &mut Context<'_>) -> bool {
        if !std::mem::replace(&mut self.is_timed, true) {
            let due = self.due();
            if due < self.timer.deadline() {
                self.timer.as_mut().reset(due);
            }
        }
        if self.timer.as_mut().poll(context).is_pending() {
            return false;
        }
        let due = self.due();
        self.timer.as_mut().reset(due);
        true
    }

    fn due(&self) -> Instant {
        let now = self.now();
        self.began + now.elapsed + self.conversation.due_in(now)
    }

    /// Does what is to be done; gives what is to be sent.
    fn act(&mut self, action: Action) -> Option<Bytes> {
        match action {
            Action::Send(frame) => return Some(frame),
            Action::Close(closure) => {
                self.end(closure.kind.code(), By::Server);
                return Some(closure.frame());
            }
            Action::Part(code) => {
                self.end(code.unwrap_or(NO_CODE), By::Client);
                return Some(close_frame(code, ""));
            }
            Action::Authenticate(token) => self.doing = Some(authenticate(self.services.clone(), token)),
            Action::Recheck(credential) => {
                self.doing = Some(ask_again(self.services.clone(), self.conversation.user_id(), credential));
            }
            Action::Enter(credential) => match self.sit() {
                Ok(seat) => self.doing = Some(enter(self.services.clone(), seat, credential)),
                Err(closure) => self.hear(Input::Entered(Err(closure))),
            },
            Action::Tell(posted) => {
                let some = self.actions.first_of(posted);
                self.doing = Some(tell(self.services.clone(), self.conversation.user_id(), some));
            }
            Action::Replay { from, to } => {
                // Without a seat nobody is told of a position to start from.
                self.doing = self.seat.take().map(|seat| replay(self.services.clone(), seat, from, to));
            }
        }
        None
    }

    fn sit(&mut self) -> Result<Seat<Frame>, Closure> {
        let (room, user_id) = (self.conversation.room().clone(), self.conversation.user_id());
        self.seat.take().map_or_else(|| self.services.rooms.sit(room, user_id).map_err(Closure::from), Ok)
    }

    fn end(&mut self, code: u16, by: By) {
        self.ended.get_or_insert((code, by));
        self.actions.clear();
        // The place is free while the peer takes leave.
        self.seat = None;
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default()
}

impl MessageBody for Socket {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let socket = self.get_mut();
        // The worker serves others too.
        let polled = catch_unwind(AssertUnwindSafe(|| socket.poll_frame(context))).unwrap_or_else(|panic| {
            socket.metrics.panicked();
            tracing::error!(cause = words(panic.as_ref()), "a socket panicked");
            socket.doing = None;
            let is_first = socket.ended.is_none();
            socket.end(Kind::Internal.code(), By::Server);
            Poll::Ready(is_first.then(|| Closure::from(Kind::Internal).frame()))
        });
        polled.map(|frame| frame.map(Ok))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ended = self.ended.unwrap_or((ABNORMAL, By::Client));
        // Whose it is only says who was believed.
        let whose =
            self.conversation.is_believed().then(|| (self.conversation.room().as_str(), self.conversation.user_id()));
        closed(&self.metrics, whose, ended, self.began);
    }
}

/// Counts and logs the end of a socket: never a token, never a ticket.
pub(super) fn closed(metrics: &Metrics, whose: Option<(&str, UserId)>, ended: (u16, By), began: Instant) {
    let (code, by) = ended;
    metrics.socket_closed(code, by);
    let seconds = (began.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0;
    if let Some((room_id, user_id)) = whose {
        tracing::info!(target: "frontdesk::access", room_id, user_id = %user_id, code, seconds, "a socket closed");
    } else {
        tracing::info!(target: "frontdesk::access", code, seconds, "a socket was refused");
    }
}
