use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_codec::Decoder as _;
use actix_http::{ConnectionType, Response};
use actix_web::body::{BodySize, BodyStream};
use actix_web::http::StatusCode;
use actix_web::rt::net::TcpListener;
use futures_util::future::join;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Two ends of a line: the server's and the peer's.
async fn line() -> (Rc<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (Rc::new(listener.accept().await.unwrap().0), peer)
}

/// Sends pieces as the body of an upgrade.
fn sending(io: &Rc<TcpStream>, pieces: impl Stream<Item = Bytes> + 'static) -> Connection {
    let mut codec = Codec::default();
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    codec.decode(&mut BytesMut::from(request)).unwrap().unwrap();
    let mut response = Response::new(StatusCode::SWITCHING_PROTOCOLS).drop_body();
    response.head_mut().set_connection_type(ConnectionType::Upgrade);
    codec.encode(Message::Item((response, BodySize::Stream)), &mut BytesMut::new()).unwrap();
    let body = BodyStream::new(pieces.map(Ok::<_, io::Error>));
    Connection::new(Rc::clone(io), codec, Bytes::from_static(b"head"), BoxBody::new(body))
}

#[actix_web::test]
async fn what_the_peer_is_slow_to_read_arrives_whole_and_in_order() {
    let (io, mut peer) = line().await;
    let pieces: Vec<_> = (0..40_u8).map(|number| Bytes::from(vec![number; usize::from(number) * 10_000])).collect();
    let expected = [&b"head"[..], &pieces.concat()].concat();
    let connection = sending(&io, stream::iter(pieces));
    drop(io);
    let read = async {
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let (sent, heard) = join(connection, read).await;
    sent.unwrap();
    assert!(heard == expected, "{} bytes of {}", heard.len(), expected.len());
}

#[actix_web::test]
async fn nothing_is_asked_for_while_the_peer_does_not_read() {
    let (io, _peer) = line().await;
    let asked = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&asked);
    let pieces = stream::repeat_with(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Bytes::from(vec![0; 100_000])
    });
    let mut connection = sending(&io, pieces);
    let mut poll = || connection.poll_unpin(&mut Context::from_waker(std::task::Waker::noop()));
    assert!(poll().is_pending());
    let before = asked.load(Ordering::Relaxed);
    assert!(poll().is_pending() && poll().is_pending());
    assert_eq!(asked.load(Ordering::Relaxed), before);
}

#[actix_web::test]
async fn a_large_piece_leaves_no_large_buffer_behind() {
    let (io, mut peer) = line().await;
    let connection = sending(&io, stream::iter([Bytes::from(vec![0; 5_000_000])]));
    let read = async {
        let mut heard = vec![0; 5_000_004];
        peer.read_exact(&mut heard).await.unwrap();
    };
    join(connection, read).await.0.unwrap();
    assert!(WRITTEN.take().capacity() <= 2 * PIECE);
}

#[actix_web::test]
async fn what_came_with_the_request_comes_before_what_comes_later() {
    let (io, mut peer) = line().await;
    let mut incoming = Incoming::new(io, Bytes::from_static(b"early"), None);
    peer.write_all(b"later").await.unwrap();
    peer.shutdown().await.unwrap();
    let mut heard = Vec::new();
    while let Some(bytes) = incoming.next().await {
        heard.push(bytes.unwrap());
    }
    assert_eq!(heard, ["early", "later"]);
}

#[actix_web::test]
async fn a_body_ends_where_its_length_says() {
    for (early, length, expected) in [(&b"abc"[..], 5, &b"abcde"[..]), (b"abcdef", 5, b"abcde"), (b"abc", 0, b"")] {
        let (io, mut peer) = line().await;
        let mut incoming = Incoming::new(io, Bytes::from_static(early), Some(length));
        peer.write_all(b"defgh").await.unwrap();
        let mut heard = Vec::new();
        while let Some(bytes) = incoming.next().await {
            heard.extend(bytes.unwrap());
        }
        assert_eq!(heard, expected[..]);
    }
}

#[actix_web::test]
async fn a_body_that_is_shorter_than_it_says_is_no_body() {
    let (io, mut peer) = line().await;
    let mut incoming = Incoming::new(io, Bytes::from_static(b"abc"), Some(5));
    peer.write_all(b"d").await.unwrap();
    peer.shutdown().await.unwrap();
    assert_eq!([incoming.next().await.unwrap().unwrap(), incoming.next().await.unwrap().unwrap()], ["abc", "d"]);
    assert!(matches!(incoming.next().await, Some(Err(PayloadError::Incomplete(None)))));
}

#[actix_web::test]
async fn what_is_said_last_is_heard_by_a_peer_who_talks_on() {
    let (io, mut peer) = line().await;
    peer.write_all(&vec![0; 100_000]).await.unwrap();
    let farewell = async {
        sending(&io, stream::iter([Bytes::from_static(b" and body")])).await.unwrap();
        linger(&io).await.unwrap();
        drop(io);
    };
    let read = async {
        let mut heard = Vec::new();
        while peer.read_buf(&mut heard).await.unwrap() > 0 {
            peer.write_all(&[0; 10]).await.unwrap();
        }
        peer.shutdown().await.unwrap();
        heard
    };
    assert_eq!(join(farewell, read).await.1, b"head and body");
}
