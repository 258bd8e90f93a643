//! A client of rooms, by a WebSocket library that the server does not use.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long a frame may take that has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what has to come.
pub(crate) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, coming).await.unwrap_or_else(|_| panic!("{what} did not come in time"))
}

/// What somebody shows who wants to come in.
#[derive(Clone)]
pub(crate) struct Door {
    base: String,
    path: String,
    query: Vec<String>,
    headers: Vec<(&'static str, String)>,
    /// How many bytes the system takes in before the client has read them; its own number where none is said.
    buffer: Option<u32>,
}

impl Door {
    /// To a room, as a user, with nothing in hand.
    pub(crate) fn to(base: &str, room: &str, user_id: &str) -> Self {
        Self {
            base: base.to_owned(),
            path: format!("/ws/{room}/{user_id}"),
            query: vec![],
            headers: vec![],
            buffer: None,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push(format!("{name}={value}"));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// As browsers do, which can send no header.
    pub(crate) fn subprotocol(self, token: &str) -> Self {
        let token = URL_SAFE_NO_PAD.encode(token);
        self.header("Sec-WebSocket-Protocol", &format!("frontdesk.v1, base64url.bearer.{token}"))
    }

    pub(crate) fn since(self, position: &str) -> Self {
        self.query("since", position)
    }

    /// For a client that does not read: soon nothing more fits in.
    pub(crate) fn narrow(mut self) -> Self {
        self.buffer = Some(4_096);
        self
    }

    async fn connect(&self, address: &str) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(size) = self.buffer {
            socket.set_recv_buffer_size(size)?;
        }
        let stream = socket.connect(address.parse().unwrap()).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn target(&self) -> String {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query.join("&")) };
        format!("{}{query}", self.path)
    }

    /// Tries to come in; the refusal is one from before the upgrade, or of the connection.
    pub(crate) async fn try_open(self) -> Result<Client, Box<tungstenite::Error>> {
        let address = self.base.strip_prefix("http://").unwrap();
        let mut request = format!("ws://{address}{}", self.target()).into_client_request().unwrap();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        let stream = self.connect(address).await.map_err(tungstenite::Error::Io).map_err(Box::new)?;
        let (stream, answer) = soon("the upgrade", client_async(request, stream)).await.map_err(Box::new)?;
        let protocol = answer.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap().to_owned());
        Ok(Client { stream, protocol, heard: vec![] })
    }

    /// Comes in, or is refused after the upgrade.
    pub(crate) async fn open(self) -> Client {
        let target = self.target();
        self.try_open().await.unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    /// Comes in and is welcome.
    pub(crate) async fn enter(self) -> (Client, Value) {
        let mut client = self.open().await;
        let welcome = client.frame().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        (client, welcome)
    }

    /// The code with which it is refused after the upgrade.
    pub(crate) async fn refused(self) -> u16 {
        self.open().await.closed().await
    }
}

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    Frame(Value),
    Closed(u16),
    /// The connection ended without a close frame.
    Lost,
}

/// A socket in a room.
pub(crate) struct Client {
    stream: WebSocketStream<TcpStream>,
    /// The subprotocol that the server chose.
    pub(crate) protocol: Option<String>,
    /// Every frame until now.
    pub(crate) heard: Vec<Value>,
}

impl Client {
    /// The next thing to come. Pings are answered unseen.
    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            match soon("a frame", self.stream.next()).await {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
                    self.heard.push(frame.clone());
                    return Heard::Frame(frame);
                }
                Some(Ok(Message::Close(Some(frame)))) => return Heard::Closed(frame.code.into()),
                Some(Ok(Message::Close(None))) => return Heard::Closed(1005),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("{other:?} is no frame that a server may send"),
                Some(Err(_)) | None => return Heard::Lost,
            }
        }
    }

    /// The next frame, which has to come.
    pub(crate) async fn frame(&mut self) -> Value {
        match self.next().await {
            Heard::Frame(frame) => frame,
            other => panic!("{other:?} instead of a frame; before: {:?}", self.heard),
        }
    }

    /// The next frame that is not about who is there.
    pub(crate) async fn news(&mut self) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["type"] != "member_joined" && frame["type"] != "member_left" {
                return frame;
            }
        }
    }

    /// The next frame that is not about who is there; it has to be of a type.
    pub(crate) async fn news_of(&mut self, kind: &str) -> Value {
        let frame = self.news().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The next `profile_updated`, before which nothing else may come but who is there.
    pub(crate) async fn update(&mut self) -> Value {
        self.news_of("profile_updated").await
    }

    /// The next frame about who is there: the type, and who.
    pub(crate) async fn presence(&mut self) -> (String, String) {
        let frame = self.frame().await;
        let kind = frame["type"].as_str().unwrap_or_default().to_owned();
        assert!(kind == "member_joined" || kind == "member_left", "{frame}");
        (kind, frame["user_id"].as_str().unwrap_or_default().to_owned())
    }

    /// The code with which the server closes, before anything else is told but who is there.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match self.next().await {
                Heard::Closed(code) => return code,
                Heard::Frame(frame) if frame["type"] == "member_joined" || frame["type"] == "member_left" => {}
                other => panic!("{other:?} instead of a close"),
            }
        }
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        soon("room to send", self.stream.send(message)).await.unwrap();
    }

    /// Says something and hears that it was heard: whatever the server had to say before has come by then.
    pub(crate) async fn ping(&mut self) {
        self.send(json!({ "type": "ping" })).await;
        self.news_of("pong").await;
    }

    /// Says goodbye as one should, and waits until the server has done so too.
    pub(crate) async fn leave(mut self) {
        soon("room to send", self.stream.close(None)).await.unwrap();
        while !matches!(self.next().await, Heard::Closed(_) | Heard::Lost) {}
    }

    /// Is gone without a word: the connection is reset.
    pub(crate) fn vanish(self) {
        self.stream.into_inner().set_zero_linger().ok();
    }
}

/// Where in a log a frame is, as `?since=` takes it.
pub(crate) fn position(frame: &Value) -> String {
    format!("{}:{}", frame["epoch"].as_str().unwrap(), frame["offset"].as_u64().unwrap())
}
