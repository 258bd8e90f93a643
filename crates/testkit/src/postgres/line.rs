//! A line to a database that can be cut.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the line between the service and the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// As it should be.
    Up,
    /// Connections are refused, and open ones reset.
    Down,
    /// Nothing arrives any more, and nobody is told.
    Silent,
}

/// Lays a line to the database of a URL. Gives the URL over it, and the switch that cuts it.
///
/// # Panics
/// Where the URL is none of a [`TestDatabase`](super::TestDatabase), or this machine has no port left.
#[expect(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]
pub async fn line_to(url: &str) -> (String, watch::Sender<Line>) {
    let (head, rest) = url.split_once('@').unwrap();
    let (upstream, path) = rest.split_once('/').unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxied = format!("{head}@{}/{path}", listener.local_addr().unwrap());
    let (switch, state) = watch::channel(Line::Up);
    let upstream: Arc<str> = upstream.into();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(carry(near, Arc::clone(&upstream), state.clone()));
        }
    });
    (proxied, switch)
}

async fn carry(mut near: TcpStream, upstream: Arc<str>, mut state: watch::Receiver<Line>) {
    if *state.borrow() == Line::Down {
        return;
    }
    let Ok(mut far) = TcpStream::connect(&*upstream).await else { return };
    if *state.borrow() == Line::Up {
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            _ = state.wait_for(|line| *line != Line::Up) => {}
        }
    }
    // Silent until the line is cut for good or mended: what was under way is lost either way.
    let _ = state.wait_for(|line| *line != Line::Silent).await;
}
