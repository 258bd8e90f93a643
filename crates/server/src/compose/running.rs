//! A server that runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use frontdesk_http::Frame;
use frontdesk_kernel::Entropy;
use frontdesk_rooms::Rooms;
use tokio::task::JoinHandle;

use super::StartError;
use crate::describe::describe;
use crate::housekeeping::Housekeeping;
use crate::readiness::Ready;
use crate::relay::Relay;
use crate::rooms::{Outlet, keep};

/// How long requests in flight may take to finish. With the grace before and what is left to write after, the
/// process ends within 10 s.
const FINISH: Duration = Duration::from_secs(8);

/// How long it may take to say that this node will not be there any more.
const LEAVE: Duration = Duration::from_millis(500);

/// The sockets of this node, and what keeps them told.
pub(super) struct Sockets {
    rooms: Arc<Rooms<Frame>>,
    telling: JoinHandle<()>,
    keeping: JoinHandle<()>,
}

impl Sockets {
    pub(super) fn keep(rooms: Arc<Rooms<Frame>>, outlet: Outlet, entropy: Arc<dyn Entropy>) -> Self {
        let telling = tokio::spawn(outlet.tell(Arc::clone(&rooms), entropy));
        let keeping = tokio::spawn(keep(Arc::clone(&rooms)));
        Self { rooms, telling, keeping }
    }

    /// Closes them. Their clients come back to another node.
    async fn stop(&self) {
        self.keeping.abort();
        // First it is said: whoever has many sockets, and comes back elsewhere at once, must find that these do not count.
        let withdrawn = tokio::time::timeout(LEAVE, self.rooms.withdraw()).await;
        self.rooms.hub().stop();
        let cause = match withdrawn {
            Ok(Ok(())) => return,
            Ok(Err(error)) => describe(&error),
            Err(_) => format!("not done within {LEAVE:?}"),
        };
        tracing::warn!(cause, "who was on this node is shown as present until its lease runs out");
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.telling.abort();
        self.keeping.abort();
    }
}

/// A server that runs until it is stopped, or dropped.
pub struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    server: JoinHandle<std::io::Result<()>>,
    housekeeping: JoinHandle<()>,
    relaying: JoinHandle<()>,
    relay: Arc<Relay>,
    sockets: Sockets,
    ready: Arc<Ready>,
}

impl Running {
    pub(super) fn new(
        address: SocketAddr,
        server: Server,
        housekeeping: Housekeeping,
        relay: Arc<Relay>,
        sockets: Sockets,
        ready: Arc<Ready>,
    ) -> Self {
        Self {
            address,
            handle: server.handle(),
            server: tokio::spawn(server),
            housekeeping: tokio::spawn(housekeeping.run()),
            relaying: tokio::spawn(Arc::clone(&relay).run()),
            relay,
            sockets,
            ready,
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the server ends without having been asked to.
    pub(crate) async fn ended(&mut self) -> Result<(), StartError> {
        match (&mut self.server).await {
            Ok(ended) => ended.map_err(StartError::Http),
            Err(error) => Err(StartError::Http(std::io::Error::other(error))),
        }
    }

    /// Says "not ready" from now on, and goes on serving.
    pub fn drain(&self) {
        self.ready.drain();
    }

    /// Stops accepting, lets requests in flight finish, and tells whether all did in time.
    pub async fn stop(self) -> bool {
        self.drain();
        self.housekeeping.abort();
        // An open socket is a request in flight that does not finish by itself.
        self.sockets.stop().await;
        let is_finished = tokio::time::timeout(FINISH, self.handle.stop(true)).await.is_ok();
        // What the last requests changed is told too.
        self.relaying.abort();
        self.relay.flush().await;
        is_finished
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.housekeeping.abort();
        self.relaying.abort();
        // Sends the word; the future that is dropped would only wait for its effect.
        drop(self.handle.stop(false));
    }
}
