//! Reading request bodies: bounded in size and time, and only of a type that the route reads.

mod room;
mod upload;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::future::{Ready, ready};
use serde_json::{Map, Value, json};

use crate::error::{ApiError, Code};
use crate::json;
pub(crate) use room::UploadRoom;
pub(crate) use upload::Received;

/// The most bytes of a JSON body.
pub(crate) const JSON_LIMIT: usize = 64 * 1_024;

/// How long a body of that size may take. No timeout of the framework covers it.
const PATIENCE: Duration = Duration::from_secs(15);

/// A body that has not been read yet. Extracting it never fails, so the credential is judged before the body is.
pub(crate) struct Body {
    payload: Payload,
    request: HttpRequest,
    is_read: bool,
}

impl Drop for Body {
    /// Leaves what was not read for whoever answers: also where a credential was refused, and nobody began to read.
    fn drop(&mut self) {
        if !self.is_read {
            self.request.extensions_mut().insert(Left(Payload::take(&mut self.payload)));
        }
    }
}

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let left = request.extensions_mut().remove::<Left>();
        let payload = left.map_or_else(|| payload.take(), |Left(payload)| payload);
        ready(Ok(Self { payload, request: request.clone(), is_read: false }))
    }
}

/// What was not read of a body. It is held until the answer is out: of a chunked body that nobody holds, the framework
/// would read on for as long as there is something to read, where this way it closes the connection.
pub(crate) struct Unread {
    answer: BoxBody,
    _payload: Payload,
}

impl Unread {
    /// Puts a chunked body aside until somebody reads it, or until the answer to a request whose body nobody reads.
    pub(crate) fn set_aside(request: &mut ServiceRequest) {
        if request.headers().contains_key(header::TRANSFER_ENCODING) {
            let payload = request.take_payload();
            request.extensions_mut().insert(Left(payload));
        }
    }

    /// Puts what was left unread behind the answer.
    pub(crate) fn behind(request: &HttpRequest, answer: BoxBody) -> BoxBody {
        match request.extensions_mut().remove::<Left>() {
            Some(Left(payload)) => BoxBody::new(Self { answer, _payload: payload }),
            None => answer,
        }
    }
}

impl MessageBody for Unread {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}

/// Waits in the request for the answer.
struct Left(Payload);

fn unsupported(message: &'static str) -> ApiError {
    ApiError::new(Code::UnsupportedMediaType, message)
}

fn not_json() -> ApiError {
    unsupported("the body must be application/json in UTF-8")
}

fn refuse_compressed(request: &HttpRequest) -> Result<(), ApiError> {
    let coding = request.headers().get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| coding != "identity") {
        return Err(unsupported("the body must not be compressed"));
    }
    Ok(())
}

fn too_large() -> ApiError {
    ApiError::new(Code::PayloadTooLarge, format!("the body is over {JSON_LIMIT} bytes"))
        .detail("limit_bytes", json!(JSON_LIMIT))
}

/// `type/subtype` in lower case, where the charset, if any, is UTF-8.
fn media_type(request: &HttpRequest) -> Option<String> {
    let content_type = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = content_type.split(';');
    let essence = parts.next()?.trim().to_ascii_lowercase();
    let is_utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    is_utf8.then_some(essence)
}

impl Body {
    /// Reads a JSON object.
    pub(crate) async fn object(self) -> Result<Map<String, Value>, ApiError> {
        if media_type(&self.request).as_deref() != Some("application/json") {
            return Err(not_json());
        }
        parse_object(&self.read().await?)
    }

    /// Reads a JSON object where there is a body; none needs no type and is an object without fields.
    pub(crate) async fn optional_object(self) -> Result<Map<String, Value>, ApiError> {
        let is_json = media_type(&self.request).as_deref() == Some("application/json");
        let bytes = self.read().await?;
        if bytes.is_empty() {
            return Ok(Map::new());
        }
        if is_json { parse_object(&bytes) } else { Err(not_json()) }
    }

    /// Reads a JSON object or a form, as the oldest clients send either.
    pub(crate) async fn object_or_form(self) -> Result<Map<String, Value>, ApiError> {
        match media_type(&self.request).as_deref() {
            Some("application/json") => parse_object(&self.read().await?),
            Some("application/x-www-form-urlencoded") => parse_form(&self.read().await?),
            _ => Err(unsupported("the body must be application/json or application/x-www-form-urlencoded")),
        }
    }

    /// The length by the header.
    fn declared(&self) -> Option<usize> {
        self.request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    async fn read(mut self) -> Result<BytesMut, ApiError> {
        let bytes = self.read_bytes().await;
        self.is_read = bytes.is_ok();
        bytes
    }

    async fn read_bytes(&mut self) -> Result<BytesMut, ApiError> {
        refuse_compressed(&self.request)?;
        if self.declared().is_some_and(|length| length > JSON_LIMIT) {
            return Err(too_large());
        }
        let reading = async {
            let mut bytes = BytesMut::new();
            while let Some(chunk) = self.payload.next().await {
                let chunk = chunk.map_err(|_| ApiError::malformed("the body ended before it was complete"))?;
                if bytes.len() + chunk.len() > JSON_LIMIT {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes)
        };
        let late = |_| ApiError::new(Code::RequestTimeout, format!("the body took over {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, reading).await.map_err(late)?
    }
}

fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match json::parse(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::malformed("the body must be a JSON object")),
        Err(error) => Err(ApiError::malformed(format!("the body is not the JSON it should be: {error}"))),
    }
}

fn parse_form(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let mut object = Map::new();
    for (key, value) in url::form_urlencoded::parse(bytes) {
        // The parser puts this in the place of what is no UTF-8.
        if key.contains('\u{FFFD}') || value.contains('\u{FFFD}') {
            return Err(ApiError::malformed("the form is not UTF-8"));
        }
        if object.insert(key.into_owned(), Value::String(value.into_owned())).is_some() {
            return Err(ApiError::malformed("a field of the form is repeated"));
        }
    }
    Ok(object)
}
