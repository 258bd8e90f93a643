//! Connections that ask for another protocol. They are answered by an application like that of all others, and are then
//! left with no more than a socket needs.
//!
//! The framework keeps two buffers of 8 KiB for as long as a connection lives: most of what a silent socket would cost.
//! So it hands such a request over, with its connection, and what comes and goes is read and written here: with buffers
//! that all connections of a worker share, and with one call for all frames that wait.

mod connection;

use std::io;
use std::rc::Rc;
use std::time::Duration;

use actix_codec::{Encoder as _, Framed, FramedParts};
use actix_http::h1::{Codec, Message};
use actix_http::{BoxedPayloadStream, ConnectionType, Payload, Request};
use actix_service::IntoServiceFactory;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{AppConfig, Response, Service, ServiceFactory, ServiceResponse, fn_factory, fn_service};
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::http::{Method, StatusCode};
use actix_web::rt::net::TcpStream;
use bytes::Bytes;
use socket2::SockRef;

use crate::edge::error_response;
use crate::error::ApiError;
pub(crate) use connection::LINGER;
use connection::{Connection, Incoming, linger, send};

/// A request that asks for an upgrade, and the connection that it came by.
type Asking = (Request, Framed<TcpStream, Codec>);

/// Answers what asks for an upgrade with an application.
pub(crate) fn upgraded<A, I, S, B>(
    application: A,
) -> impl ServiceFactory<Asking, Config = (), Response = (), Error = actix_web::Error, InitError = ()>
where
    A: Fn() -> I,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    fn_factory(move || {
        let starting = application().into_factory().new_service(AppConfig::default());
        async move {
            let application = Rc::new(starting.await.map_err(|_| ())?);
            Ok(fn_service(move |(request, framed): Asking| {
                let application = Rc::clone(&application);
                async move {
                    if let Err(error) = serve(&*application, request, framed).await {
                        tracing::debug!(%error, "a connection was lost");
                    }
                    Ok(())
                }
            }))
        }
    })
}

async fn serve<S, B>(application: &S, request: Request, framed: Framed<TcpStream, Codec>) -> io::Result<()>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    // What answering takes is boxed and gone when the answer begins: a socket lasts.
    let connection = Box::pin(answer(application, request, framed)).await?;
    let io = Rc::clone(connection.io());
    // Until it is whole, whatever ends it is a reset: an answer that breaks off must not look like one that ends.
    SockRef::from(&*io).set_linger(Some(Duration::ZERO))?;
    connection.await?;
    SockRef::from(&*io).set_linger(None)?;
    linger(&io).await
}

/// Lets the application answer; gives what sends the answer.
async fn answer<S, B>(application: &S, request: Request, framed: Framed<TcpStream, Codec>) -> io::Result<Connection>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    let FramedParts { io, mut codec, read_buf, mut write_buf, .. } = framed.into_parts();
    let io = Rc::new(io);
    if !write_buf.is_empty() {
        // It came behind a request that was not answered yet, and actix-http may have lost what came behind this one. A
        // client that does not wait has to be ready to ask again (RFC 9112, 9.3.2); none does before a handshake.
        let refusal = ApiError::malformed("a request for an upgrade must wait for the answers before it");
        tracing::info!(target: "frontdesk::access", "a request for an upgrade did not wait for the answers before it");
        let mut response = Response::from(error_response(&refusal, false));
        response.head_mut().set_connection_type(ConnectionType::Close);
        let (response, body) = response.into_parts();
        codec.encode(Message::Item((response, body.size())), &mut write_buf)?;
        return Ok(Connection::new(io, codec, write_buf.freeze(), body));
    }
    let length = length(&request);
    if request.head().expect() && length.is_some_and(|length| length > 0) {
        go_on(&io).await?;
    }
    let payload: BoxedPayloadStream =
        Box::pin(Incoming::new(Rc::clone(&io), Bytes::copy_from_slice(&read_buf), length));
    drop(read_buf);
    let (request, _) = request.replace_payload(Payload::Stream { payload });
    let response: Response<BoxBody> = match application.call(request).await {
        Ok(response) => Response::from(response).map_into_boxed_body(),
        Err(error) => Response::from(error.error_response()),
    };
    let (mut response, body) = response.into_parts();
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // What follows such a request is anybody's guess. The codec takes it for one that was upgraded: it would say
        // that it sends chunks, and send none.
        response.head_mut().set_connection_type(ConnectionType::Close);
        response.head_mut().no_chunking(true);
    }
    codec.encode(Message::Item((response, body.size())), &mut write_buf)?;
    Ok(Connection::new(io, codec, write_buf.freeze(), body))
}

/// Says that the body may come.
async fn go_on(io: &TcpStream) -> io::Result<()> {
    let mut left = &b"HTTP/1.1 100 Continue\r\n\r\n"[..];
    while !left.is_empty() {
        io.writable().await?;
        left = left.get(send(io, left)?..).unwrap_or_default();
    }
    Ok(())
}

/// How long the body of a request is; `None` where it goes on for as long as it likes: what can become a socket does.
fn length(request: &Request) -> Option<u64> {
    let declared = request.head().headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let declared = declared.unwrap_or_default();
    (declared > 0 || request.method() != Method::GET).then_some(declared)
}
