//! Members of rooms: sockets that count what they hear.
//!
//! As many threads as there are cores read for all of them, as cheaply as they can: one `epoll`, one buffer, one read for a
//! frame. They share the cores with the server, so what they take is taken from what is measured; one thread alone would
//! besides leave a core idle while the last frames wait for it.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use super::SOCKETS_OF_A_USER;
use super::frames::{Frames, Meaning, PONG};
use crate::Outcome;
use crate::process::pause;
use crate::users::User;

/// How long nobody hears anything until everybody is there.
const QUIET: Duration = Duration::from_millis(1_500);
/// How long an edit may take until everybody has heard it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the reader waits at most until it looks whether it is still needed.
const LOOK: Duration = Duration::from_millis(100);

/// Where no more than so many sockets had something to read, the reader rests before it looks again. Whoever sends to a
/// reader who waits has to wake it, and that is taken from what is measured; the rest is added to it.
const FEW: usize = 63;
const REST: Duration = Duration::from_micros(300);

/// What the members of a crowd have heard together.
#[derive(Default)]
struct Count {
    updates: AtomicUsize,
    /// Frames of any kind.
    frames: AtomicUsize,
    closed: AtomicUsize,
    is_over: AtomicBool,
    /// The numbers that are waited for, and when each was reached.
    awaited: Mutex<HashMap<usize, Option<Instant>>>,
    reached: Condvar,
}

impl Count {
    fn hear(&self, meaning: Meaning) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        match meaning {
            Meaning::Updated => {
                self.updates.fetch_add(1, Ordering::Release);
            }
            Meaning::Closed => {
                self.closed.fetch_add(1, Ordering::Relaxed);
            }
            Meaning::Ping | Meaning::Other => {}
        }
    }

    /// Says when numbers were reached, once for what was read together.
    fn tell(&self) {
        let (updates, now) = (self.updates.load(Ordering::Acquire), Instant::now());
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_reached = false;
        for (number, at) in awaited.iter_mut().filter(|(_, at)| at.is_none()) {
            if *number <= updates {
                *at = Some(now);
                is_reached = true;
            }
        }
        drop(awaited);
        if is_reached {
            self.reached.notify_all();
        }
    }
}

/// The members of one room, or of several; they go with this value.
pub(super) struct Crowd {
    members: usize,
    count: Arc<Count>,
    listening: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Opens sockets in one room, and waits until nobody comes any more.
    pub(super) fn open(address: SocketAddr, room: &str, users: &[User], members: usize) -> Outcome<Self> {
        Self::at(address, |_| room.to_owned(), users, members)
    }

    /// Opens sockets in so many rooms; those of one user are in one room.
    pub(super) fn open_in_rooms(address: SocketAddr, rooms: usize, users: &[User], members: usize) -> Outcome<Self> {
        Self::at(address, |number| format!("room-{}", number / SOCKETS_OF_A_USER % rooms), users, members)
    }

    fn at(address: SocketAddr, room: impl Fn(usize) -> String, users: &[User], members: usize) -> Outcome<Self> {
        let count = Arc::<Count>::default();
        let threads = std::thread::available_parallelism()?.get();
        let begin = |_| {
            let (hands, handed) = std::sync::mpsc::channel();
            let count = Arc::clone(&count);
            (hands, std::thread::spawn(move || Ears::default().listen(&handed, &count)))
        };
        let (hands, listening): (Vec<_>, Vec<_>) = (0..threads).map(begin).unzip();
        for (number, hands) in (0..members).zip(hands.iter().cycle()) {
            let user = users.get(number / SOCKETS_OF_A_USER).ok_or("too few users")?;
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            hands.send(connect(socket, address, &request(&room(number), user))?)?;
        }
        let crowd = Self { members, count, listening };
        let mut heard = usize::MAX;
        while std::mem::replace(&mut heard, crowd.frames()) != crowd.frames() {
            pause(QUIET);
        }
        crowd.check()?;
        Ok(crowd)
    }

    pub(super) const fn members(&self) -> usize {
        self.members
    }

    /// How many updates were heard, by all members together.
    pub(super) fn heard(&self) -> usize {
        self.count.updates.load(Ordering::Acquire)
    }

    fn frames(&self) -> usize {
        self.count.frames.load(Ordering::Relaxed)
    }

    fn check(&self) -> Outcome<()> {
        match self.count.closed.load(Ordering::Relaxed) {
            0 => Ok(()),
            closed => Err(format!("the server closed {closed} sockets of {}", self.members).into()),
        }
    }

    /// Says that so many updates will be waited for. Call it before what makes them.
    pub(super) fn await_heard(&self, number: usize) {
        self.count.awaited.lock().unwrap_or_else(PoisonError::into_inner).insert(number, None);
    }

    /// Waits until so many updates were heard; tells when that was.
    pub(super) fn until_heard(&self, number: usize) -> Outcome<Instant> {
        let awaited = self.count.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        let is_awaited =
            |awaited: &mut HashMap<usize, Option<Instant>>| awaited.get(&number).is_some_and(Option::is_none);
        let waited = self.count.reached.wait_timeout_while(awaited, PATIENCE, is_awaited);
        let reached = waited.unwrap_or_else(PoisonError::into_inner).0.remove(&number).flatten();
        if reached.is_none() {
            self.check()?;
        }
        reached.ok_or_else(|| format!("{} of {number} updates were heard within {PATIENCE:?}", self.heard()).into())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.count.is_over.store(true, Ordering::Relaxed);
        for listening in self.listening.drain(..) {
            listening.join().ok();
        }
    }
}

/// Opens one more socket, which never reads again once it is in the room.
pub(super) fn stall(address: SocketAddr, room: &str, user: &User) -> Outcome<Stalled> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // What waits on this side is not what is measured.
    socket.set_recv_buffer_size(4_096)?;
    let (stream, _) = connect(socket, address, &request(room, user))?;
    // The others hear who came before anything is measured.
    pause(QUIET);
    Ok(Stalled(stream))
}

/// A socket that is open and not read.
pub(super) struct Stalled(TcpStream);

impl Stalled {
    /// Waits until the server has closed it, and tells whether it did.
    pub(super) fn until_closed(mut self, patience: Duration) -> bool {
        let begins = Instant::now();
        // Sent now and then: only the peer's reset shows that nobody listens any more.
        while self.0.write_all(&PONG).is_ok() {
            if begins.elapsed() > patience {
                return false;
            }
            pause(Duration::from_millis(250));
        }
        true
    }
}

fn request(room: &str, user: &User) -> String {
    format!(
        "GET /ws/{room}/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        user.id, user.access_token
    )
}

/// Shakes hands; what came after the answer is given too.
fn connect(socket: Socket, address: SocketAddr, request: &str) -> Outcome<(TcpStream, Vec<u8>)> {
    socket.connect(&address.into())?;
    let mut stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 1_024]);
    loop {
        let read = stream.read(&mut piece)?;
        answer.extend_from_slice(piece.get(..read).unwrap_or_default());
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = answer.split_off(end + 4);
            if answer.starts_with(b"HTTP/1.1 101") {
                return Ok((stream, rest));
            }
            return Err(format!("no WebSocket: {}", String::from_utf8_lossy(&answer)).into());
        }
        if read == 0 {
            return Err("the server closed a connection before its answer".into());
        }
    }
}

/// The sockets that a thread listens to.
#[derive(Default)]
struct Ears {
    sockets: Vec<(mio::net::TcpStream, Frames)>,
}

impl Ears {
    fn listen(&mut self, handed: &std::sync::mpsc::Receiver<(TcpStream, Vec<u8>)>, count: &Count) {
        let Ok(mut poll) = Poll::new() else { return };
        let mut events = Events::with_capacity(1_024);
        let mut buffer = vec![0; 64 * 1_024];
        while !count.is_over.load(Ordering::Relaxed) {
            while let Ok((stream, rest)) = handed.try_recv() {
                if stream.set_nonblocking(true).is_ok() {
                    self.add(mio::net::TcpStream::from_std(stream), &rest, &poll, count);
                }
            }
            // Interrupted, or nothing came: both are looked at again.
            poll.poll(&mut events, Some(LOOK)).ok();
            for event in &events {
                self.read(event.token(), &mut buffer, count);
            }
            count.tell();
            if events.iter().nth(FEW).is_none() {
                pause(REST);
            }
        }
    }

    fn add(&mut self, mut stream: mio::net::TcpStream, rest: &[u8], poll: &Poll, count: &Count) {
        let mut frames = Frames::default();
        frames.read(rest, |meaning| count.hear(meaning));
        // What is there already counts as an event.
        poll.registry().register(&mut stream, Token(self.sockets.len()), Interest::READABLE).ok();
        self.sockets.push((stream, frames));
    }

    fn read(&mut self, token: Token, buffer: &mut [u8], count: &Count) {
        let Some((stream, frames)) = self.sockets.get_mut(token.0) else { return };
        let mut owed = 0_u32;
        loop {
            match stream.read(buffer) {
                Ok(read) => {
                    frames.read(buffer.get(..read).unwrap_or_default(), |meaning| {
                        owed += u32::from(meaning == Meaning::Ping);
                        count.hear(meaning);
                    });
                    // Less than there was room for is all there was: the next byte is another event.
                    if read < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        for _ in 0..owed {
            stream.write_all(&PONG).ok();
        }
    }
}
