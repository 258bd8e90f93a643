//! One connection, kept alive, with one request in flight at a time.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::response::{self, Head};

/// A connection, and the buffer that holds its last answer.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new(), filled: 0 })
    }

    /// Sends a request and reads its answer over the last one.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Outcome<Head> {
        self.filled = 0;
        self.stream.write_all(request).await?;
        loop {
            let filled = self.buffer.get(..self.filled).unwrap_or_default();
            if let Some(head) = response::head(filled)?
                && head.len <= self.filled
            {
                // One request is in flight at a time, so nothing may follow its answer.
                return if head.len == self.filled { Ok(head) } else { Err("bytes after the answer".into()) };
            }
            if self.buffer.len() < self.filled + 4096 {
                self.buffer.resize(self.filled + 16 * 1024, 0);
            }
            let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
            match self.stream.read(free).await? {
                0 => return Err("the server closed a connection under load".into()),
                read => self.filled += read,
            }
        }
    }

    /// The body of the last answer.
    pub(crate) fn body(&self, head: &Head) -> String {
        String::from_utf8_lossy(self.buffer.get(head.body_at..head.len).unwrap_or_default()).into_owned()
    }

    /// A header of the last answer, by its name in lower case.
    pub(crate) fn header(&self, head: &Head, name: &str) -> Option<&str> {
        response::field(self.buffer.get(..head.body_at)?, name)
    }
}
