//! What is read and written for one connection, without a buffer of its own.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_codec::Encoder as _;
use actix_http::error::PayloadError;
use actix_http::h1::{Codec, Message};
use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::rt::net::TcpStream;
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::Stream;
use socket2::SockRef;
use tokio::time::timeout;

/// How much is read at once, and how much is gathered to be written at once.
const PIECE: usize = 16 * 1_024;

/// How long a peer may take to read what was said last.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

thread_local! {
    /// What a worker reads into.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE]);
    /// What it gathers in.
    static WRITTEN: Cell<BytesMut> = Cell::default();
}

/// What comes after the head of a request.
pub(super) struct Incoming {
    io: Rc<TcpStream>,
    /// What came together with it.
    early: Bytes,
    /// How many bytes are still to come; `None` where it ends when it ends.
    left: Option<u64>,
}

impl Incoming {
    pub(super) const fn new(io: Rc<TcpStream>, early: Bytes, length: Option<u64>) -> Self {
        Self { io, early, left: length }
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        let mut bytes = std::mem::take(&mut self.early);
        if bytes.is_empty() {
            bytes = ready!(poll_read(&self.io, context)).map_err(PayloadError::Io)?;
        }
        if bytes.is_empty() {
            return Poll::Ready(self.left.map(|_| Err(PayloadError::Incomplete(None))));
        }
        if let Some(left) = &mut self.left {
            bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= bytes.len() as u64;
        }
        Poll::Ready(Some(Ok(bytes)))
    }
}

/// Reads what has come; nothing is the end.
fn poll_read(io: &TcpStream, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    READ.with_borrow_mut(|buffer| {
        loop {
            ready!(io.poll_read_ready(context))?;
            match io.try_read(buffer) {
                Ok(read) => return Poll::Ready(Ok(Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default()))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    })
}

/// Sends the head of an answer, and then its body, as it comes.
pub(super) struct Connection {
    io: Rc<TcpStream>,
    codec: Codec,
    /// What the peer did not take yet. Nothing else is sent, or even asked for, before it is gone.
    unsent: Bytes,
    body: BoxBody,
    is_over: bool,
}

impl Connection {
    pub(super) const fn new(io: Rc<TcpStream>, codec: Codec, head: Bytes, body: BoxBody) -> Self {
        Self { io, codec, unsent: head, body, is_over: false }
    }

    pub(super) const fn io(&self) -> &Rc<TcpStream> {
        &self.io
    }

    fn poll_unsent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            ready!(self.io.poll_write_ready(context))?;
            let sent = send(&self.io, &self.unsent)?;
            self.unsent.advance(sent);
        }
        // Not left empty: that would keep what it was a part of.
        self.unsent = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// Gathers what there is to be sent; tells whether there may be more of it at once.
    fn gather(&mut self, gathered: &mut BytesMut, context: &mut Context<'_>) -> io::Result<bool> {
        while gathered.len() < PIECE && !self.is_over {
            let piece = match Pin::new(&mut self.body).poll_next(context) {
                Poll::Ready(piece) => piece.transpose().map_err(|error| io::Error::other(error.to_string()))?,
                Poll::Pending => return Ok(false),
            };
            self.is_over = piece.is_none();
            self.codec.encode(Message::Chunk(piece), gathered)?;
        }
        Ok(true)
    }

    fn poll_send(&mut self, gathered: &mut BytesMut, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_unsent(context))?;
            if self.is_over {
                return Poll::Ready(Ok(()));
            }
            gathered.clear();
            let is_more = self.gather(gathered, context)?;
            let sent = send(&self.io, gathered)?;
            self.unsent = Bytes::copy_from_slice(gathered.get(sent..).unwrap_or_default());
            if !is_more && self.unsent.is_empty() {
                return Poll::Pending;
            }
        }
    }
}

impl Future for Connection {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = WRITTEN.take();
        let polled = self.get_mut().poll_send(&mut gathered, context);
        // One large frame must not stay with the worker for good.
        if gathered.capacity() <= 2 * PIECE {
            WRITTEN.set(gathered);
        }
        polled
    }
}

/// Sends as much as the system takes now; tells how much that was.
pub(super) fn send(io: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut left = bytes;
    while !left.is_empty() {
        match io.try_write(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => left = left.get(sent..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(bytes.len() - left.len())
}

/// Lets the peer read to the end: a connection that is closed with something unread in it is reset, and what was said
/// last is lost.
pub(super) async fn linger(io: &TcpStream) -> io::Result<()> {
    SockRef::from(io).shutdown(Shutdown::Write)?;
    let drained = async {
        while !poll_fn(|context| poll_read(io, context)).await?.is_empty() {}
        Ok(())
    };
    timeout(LINGER, drained).await.unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests;
