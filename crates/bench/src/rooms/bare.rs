//! What frames cost where nothing is decided: threads that send the same bytes to every socket, and do nothing else.
//!
//! A send, a receive and an acknowledgement for each socket are the system's work, and most of a delivery. How fast that
//! is differs between machines, and on a shared one from minute to minute: so it is measured beside the server.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use super::SOCKETS_OF_A_USER;
use super::crowd::Crowd;
use crate::Outcome;
use crate::histogram::Histogram;
use crate::users::User;

/// The text of a frame that tells others of a short edit, in bytes.
const TEXT: usize = 651;

/// Sends to so many sockets, so many times, each after everybody has heard what was sent before.
pub(super) fn bare(members: usize, times: usize) -> Outcome<Histogram> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let accept_all = move || (0..members).map(|_| accept(&listener)).collect::<std::io::Result<Vec<_>>>();
    let accepting = std::thread::spawn(accept_all);
    let crowd = gather(address, members)?;
    let senders = Senders::begin(accepting.join().map_err(|_| "the acceptor panicked")??)?;
    let mut latencies = Histogram::new();
    for _ in 0..times {
        let expected = crowd.heard() + crowd.members();
        crowd.await_heard(expected);
        let begins = Instant::now();
        senders.send()?;
        latencies.record(crowd.until_heard(expected)?.saturating_duration_since(begins));
    }
    Ok(latencies)
}

fn gather(address: SocketAddr, members: usize) -> Outcome<Crowd> {
    let nobody = |_| User { id: String::new(), access_token: String::new() };
    let users: Vec<_> = (0..members.div_ceil(SOCKETS_OF_A_USER)).map(nobody).collect();
    Crowd::open(address, "room", &users, members)
}

/// Takes the next connection, whatever it asks for.
fn accept(listener: &TcpListener) -> std::io::Result<TcpStream> {
    let (mut socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    let (mut asked, mut piece) = (Vec::new(), [0; 1_024]);
    while !asked.ends_with(b"\r\n\r\n") {
        match socket.read(&mut piece)? {
            0 => break,
            read => asked.extend_from_slice(piece.get(..read).unwrap_or_default()),
        }
    }
    socket.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")?;
    Ok(socket)
}

/// As many threads as a server has workers, each with its share of the sockets.
struct Senders(Vec<(Sender<()>, JoinHandle<std::io::Result<()>>)>);

impl Senders {
    fn begin(sockets: Vec<TcpStream>) -> Outcome<Self> {
        let threads = std::thread::available_parallelism()?.get();
        let mut shares: Vec<Vec<TcpStream>> = (0..threads).map(|_| Vec::new()).collect();
        let mut next = (0..threads).cycle();
        for socket in sockets {
            if let Some(share) = next.next().and_then(|index| shares.get_mut(index)) {
                share.push(socket);
            }
        }
        let begin = |share| {
            let (begin, begins) = channel();
            (begin, std::thread::spawn(move || send(&begins, share)))
        };
        Ok(Self(shares.into_iter().map(begin).collect()))
    }

    fn send(&self) -> Outcome<()> {
        self.0.iter().try_for_each(|(begin, _)| Ok(begin.send(())?))
    }
}

/// Sends once for each word, until none comes any more.
fn send(words: &Receiver<()>, mut sockets: Vec<TcpStream>) -> std::io::Result<()> {
    let mut text = r#"{"type":"profile_updated""#.to_owned();
    while text.len() < TEXT - 1 {
        text.push(' ');
    }
    text.push('}');
    // A text frame whose length takes two bytes (RFC 6455, 5.2).
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes();
    let frame = [&[0x81, 126], length.as_slice(), text.as_bytes()].concat();
    while words.recv().is_ok() {
        sockets.iter_mut().try_for_each(|socket| socket.write_all(&frame))?;
    }
    Ok(())
}
