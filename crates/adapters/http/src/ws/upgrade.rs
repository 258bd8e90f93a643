//! The request that a socket begins as: what is refused before it, and what with a close code after it.

use std::convert::Infallible;

use actix_http::ws::{HandshakeError, hash_key, verify_handshake};
use actix_web::body::BodyStream;
use actix_web::http::{StatusCode, Version, header};
use actix_web::web::{Data, Path, Payload};
use actix_web::{FromRequest as _, HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use frontdesk_kernel::UserId;
use frontdesk_kernel::gcra::Subject;
use frontdesk_rooms::{Position, RoomId};
use tokio::time::Instant;

use super::closure::{Closure, Kind};
use super::conversation::{Conversation, Credential};
use super::socket::{Socket, closed, recheck};
use super::ticket::Tickets;
use crate::config::{CorsPolicy, HttpConfig, PublicUrl, Services};
use crate::credential::{bearer, client_address, count, limited};
use crate::dto::error::ErrorBody;
use crate::error::{ApiError, ApiResult, Code};
use crate::metrics::{By, Metrics};

/// The subprotocol that is spoken here.
const PROTOCOL: &str = "frontdesk.v1";

/// What stands before a token that comes as a subprotocol: browsers can send no other header.
const BEARER: &str = "base64url.bearer.";

/// Who asks for a socket, and where.
struct Asked {
    room: RoomId,
    user_id: UserId,
    since: Option<Position>,
    ticket: Option<String>,
}

/// Opens a socket in a room. A browser names its token in a subprotocol (`frontdesk.v1, base64url.bearer.<token>`), in a
/// ticket, or in the first frame. Whatever is refused after the upgrade is closed with a code: see `/asyncapi.json`.
#[utoipa::path(get, path = "/ws/{room_id}/{user_id}", operation_id = "connectRoom", tag = "rooms",
    security((), ("bearer" = [])),
    params(("room_id" = String, Path, description = "1 to 128 of A-Z, a-z, 0-9, _ . : and -, not dots alone"),
        ("user_id" = String, Path, description = "The id of the token's user (UUID)"),
        ("ticket" = Option<String>, Query, description = "From `POST /api/v1/realtime/ticket`"),
        ("since" = Option<String>, Query,
            description = "`<epoch>:<offset>` of the last entry heard of: what was missed is told"),
        ("Sec-WebSocket-Protocol" = Option<String>, Header,
            description = "`frontdesk.v1`, and after it a token as `base64url.bearer.<token>`")),
    responses((status = 101, description = "The socket is open; see `/asyncapi.json`"),
        (status = 400, body = ErrorBody, description = "The handshake is malformed"),
        (status = 403, body = ErrorBody, description = "The page's origin is not allowed"),
        (status = 426, body = ErrorBody, description = "The request asks for no upgrade, or for another version of it")))]
pub(crate) async fn connect(
    (request, payload, services, config, metrics, tickets): (
        HttpRequest,
        Payload,
        Data<Services>,
        Data<HttpConfig>,
        Data<Metrics>,
        Data<Tickets>,
    ),
) -> ApiResult {
    let checked = check_origin(&request, &config.cors, &config.public_url).and_then(|()| handshake(&request));
    if checked.is_err() {
        count(&request, by_address(&request, &config), None).await?;
    }
    let mut response = checked?;
    let began = Instant::now();
    let opened = open(&request, &services, &config, &tickets).await;
    Ok(match opened {
        Ok(conversation) => response.body(Socket::new(services, metrics, payload.into_inner(), conversation)),
        Err(closure) => {
            closed(&metrics, None, (closure.kind.code(), By::Server), began);
            let frame = Ok::<_, Infallible>(closure.frame());
            response.body(BodyStream::new(futures_util::stream::iter([frame])))
        }
    })
}

/// Checks the handshake, and begins the answer to it.
fn handshake(request: &HttpRequest) -> Result<HttpResponseBuilder, ApiError> {
    if request.version() < Version::HTTP_11 {
        return Err(no_upgrade());
    }
    let checked = verify_handshake(request.head());
    if let Err(
        HandshakeError::GetMethodRequired | HandshakeError::NoWebsocketUpgrade | HandshakeError::NoConnectionUpgrade,
    ) = checked
    {
        return Err(no_upgrade());
    }
    only_once(request)?;
    checked.map_err(unfit)?;
    // The framework hands the bytes on as they come for this word alone.
    let is_plain = |value: &header::HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket");
    if !request.headers().get_all(header::UPGRADE).any(is_plain) {
        return Err(no_upgrade());
    }
    let has_body = request.headers().contains_key(header::TRANSFER_ENCODING)
        || request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    if has_body {
        return Err(ApiError::malformed("a request for an upgrade has no body"));
    }
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map(header::HeaderValue::as_bytes).unwrap_or_default();
    let mut response = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS);
    response.upgrade("websocket").insert_header((header::SEC_WEBSOCKET_ACCEPT, hash_key(key).as_slice()));
    if protocols(request).any(|offered| offered == PROTOCOL) {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL));
    }
    Ok(response)
}

/// One of two keys or versions would be another server's choice.
fn only_once(request: &HttpRequest) -> Result<(), ApiError> {
    for name in [header::SEC_WEBSOCKET_VERSION, header::SEC_WEBSOCKET_KEY] {
        if request.headers().get_all(&name).nth(1).is_some() {
            return Err(ApiError::malformed(format!("{name} is repeated")));
        }
    }
    Ok(())
}

/// What is wrong with a request that does ask for an upgrade.
fn unfit(error: HandshakeError) -> ApiError {
    if error == HandshakeError::BadWebsocketKey {
        return ApiError::malformed("Sec-WebSocket-Key must be 16 bytes in base64");
    }
    ApiError::new(Code::UpgradeRequired, "Sec-WebSocket-Version must be 13")
}

fn no_upgrade() -> ApiError {
    ApiError::new(Code::UpgradeRequired, "this path speaks WebSocket: ask for an upgrade to it")
}

/// The subprotocols that the client offers.
fn protocols(request: &HttpRequest) -> impl Iterator<Item = &str> {
    let values = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

/// Refuses the pages of strangers. No `Origin` is a native client; this service's own pages are always allowed.
fn check_origin(request: &HttpRequest, policy: &CorsPolicy, public_url: &PublicUrl) -> Result<(), ApiError> {
    let mut origins = request.headers().get_all(header::ORIGIN);
    let Some(origin) = origins.next() else { return Ok(()) };
    let origin = origin.to_str().ok().filter(|_| origins.next().is_none());
    if origin.is_some_and(|origin| policy.allows(origin) || is_own(request, origin, public_url)) {
        return Ok(());
    }
    Err(ApiError::new(Code::Forbidden, "the origin of the page is not allowed: see CORS_ALLOWED_ORIGINS"))
}

/// Whether a page is this service's own: by the URL that it is reached under, where that is known, else by `Host`.
fn is_own(request: &HttpRequest, origin: &str, public_url: &PublicUrl) -> bool {
    if let Some(own) = public_url.origin() {
        return own.eq_ignore_ascii_case(origin);
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.filter(|host| !host.is_empty() && !host.contains('@'));
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

/// Whom the socket is for, and on what it rests.
async fn open(
    request: &HttpRequest,
    services: &Data<Services>,
    config: &HttpConfig,
    tickets: &Tickets,
) -> Result<Conversation, Closure> {
    let asked = asked(request).await;
    let believed = match &asked {
        Ok(asked) => believe(request, services, tickets, asked).await,
        Err(closure) => Err(*closure),
    };
    let user_id = believed.as_ref().ok().and_then(|credential| credential.as_ref()?.user_id());
    // Whoever is refused is counted by the address: guessing is not free.
    let subject = user_id.map_or_else(|| by_address(request, config), Subject::User);
    count(request, subject, user_id).await.map_err(|error| not_counted(&error))?;
    let (Asked { room, user_id, since, .. }, believed) = (asked?, believed?);
    let credential = match believed {
        Some(credential) if credential.user_id() != Some(user_id) => return Err(Kind::Forbidden.into()),
        Some(credential) => Some(credential),
        // Whether nobody has claimed the account, or there is none, only the first of them learns.
        None => match recheck(services, user_id, &Credential::Unclaimed).await {
            Ok(()) => Some(Credential::Unclaimed),
            Err(closure) if closure.kind == Kind::Unauthenticated => None,
            Err(closure) => return Err(closure),
        },
    };
    Ok(Conversation::new(room, user_id, credential, since, services.clock.now()))
}

fn by_address(request: &HttpRequest, config: &HttpConfig) -> Subject {
    Subject::Address(limited(client_address(request, &config.trusted_proxies)))
}

fn not_counted(error: &ApiError) -> Closure {
    if error.code == Code::RateLimited {
        return Kind::RateLimited.into();
    }
    tracing::error!(cause = error.cause, "a socket could not be counted");
    Kind::TryAgain.into()
}

async fn asked(request: &HttpRequest) -> Result<Asked, Closure> {
    let malformed = |reason| Closure::because(Kind::Malformed, reason);
    let path = Path::<(String, String)>::extract(request).await.map_err(|_| malformed("the path is not UTF-8"))?;
    let (room, user_id) = path.into_inner();
    let mut query = Query::default();
    for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
        let known = match name.as_ref() {
            "ticket" => &mut query.ticket,
            "since" => &mut query.since,
            _ => continue,
        };
        if known.replace(value.into_owned()).is_some() {
            return Err(malformed("a query parameter is repeated"));
        }
    }
    let since = query.since.map(|since| since.parse().map_err(|_| malformed("since must be <epoch>:<offset>")));
    Ok(Asked {
        room: room.parse().map_err(|_| malformed("the room id must be 1 to 128 of A-Z, a-z, 0-9, _ . : and -"))?,
        user_id: user_id.parse().map_err(|_| malformed("the user id must be a UUID"))?,
        since: since.transpose()?,
        ticket: query.ticket,
    })
}

#[derive(Default)]
struct Query {
    ticket: Option<String>,
    since: Option<String>,
}

/// Believes the first credential that there is. One that is refused is not passed over for the next.
async fn believe(
    request: &HttpRequest,
    services: &Data<Services>,
    tickets: &Tickets,
    asked: &Asked,
) -> Result<Option<Credential>, Closure> {
    let header = bearer(request).map_err(|_| Closure::from(Kind::Unauthenticated))?.map(str::to_owned);
    let token = match header {
        Some(token) => Some(token),
        None => offered(protocols(request))?,
    };
    if let Some(token) = token {
        let claims = services.authentication.authenticate(&token).await.map_err(Closure::of)?;
        return Ok(Some(Credential::Token(Box::new(claims))));
    }
    let ticket = asked.ticket.as_deref().map(|ticket| tickets.read(ticket, services.clock.now())).transpose()?;
    // Whether it was taken before, and the token behind it revoked meanwhile, is asked once there is a seat.
    Ok(ticket.map(|ticket| Credential::Ticket(Box::new(ticket))))
}

/// The token among the subprotocols.
fn offered<'a>(protocols: impl Iterator<Item = &'a str>) -> Result<Option<String>, Closure> {
    let mut tokens = protocols.filter_map(|offered| offered.strip_prefix(BEARER));
    let Some(token) = tokens.next() else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|_| tokens.next().is_none());
    let token = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    token.map(Some).ok_or_else(|| Kind::Unauthenticated.into())
}

#[cfg(test)]
mod tests;
