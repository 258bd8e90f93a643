//! Connections that hear notifications.

use frontdesk_kernel::Unavailable;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Client, Connection};

use crate::connect::{Opened, Target, UrlError};

/// Opens connections for LISTEN and NOTIFY. They act for nobody and see no row: they are not for stores.
///
/// With a pooler between, it has to be one in session mode, or the URL of the database itself.
#[derive(Clone)]
pub struct Listener {
    target: Target,
}

/// What a connection receives unasked. Polling it drives the connection; dropping it closes the connection.
type Messages = BoxStream<'static, Result<AsyncMessage, tokio_postgres::Error>>;

impl Listener {
    /// Reads a database URL, as that of the stores.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Ok(Self { target: Target::parse(url)? })
    }

    /// Opens a connection, within the time that its URL gives (1.4 s otherwise).
    pub fn open(&self) -> BoxFuture<'static, Result<(Client, Messages), Unavailable>> {
        let target = self.target.clone();
        async move {
            match target.open().await.map_err(Unavailable::new)? {
                Opened::Plain(client, connection) => Ok((client, messages(connection))),
                Opened::Tls(client, connection) => Ok((client, messages(connection))),
            }
        }
        .boxed()
    }
}

fn messages<S, T>(mut connection: Box<Connection<S, T>>) -> Messages
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    stream::poll_fn(move |context| connection.poll_message(context)).boxed()
}
