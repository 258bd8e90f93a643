//! The description of the frames (`AsyncAPI` 3.0), out of the structs that are sent and read.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::client::{Auth, Ping, Resume};
use super::closure::Kind;
use super::frames::{
    MemberJoined, MemberLeft, Pong, ProfileUpdated, Refused, Resync, TokenExpiring, UserDeleted, Welcome,
};

const TITLE: &str = "Frontdesk rooms";
const ADDRESS: &str = "/ws/{room_id}/{user_id}";
const DESCRIPTION: &str = "Who is in a room, and what changes about them. Frames are JSON text, of 64 KiB at most from a \
    client; 20 a second, and 100 at once, are taken. Credentials are looked for in this order: the Authorization header; \
    a subprotocol `base64url.bearer.<token>` beside `frontdesk.v1`; `?ticket=`; a first frame `auth` within 10 s. The \
    server pings every 25 s, and lets go who is silent for 60 s.";

type Schemas = Vec<(String, RefOr<Schema>)>;

/// A type of frame: its `type`, and the schema of all of it.
struct Message {
    kind: &'static str,
    payload: Value,
}

/// A document that is made of strings and maps cannot fail to serialise.
fn plain(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

fn message<T: ToSchema>(kind: &'static str, schemas: &mut Schemas) -> Message {
    T::schemas(schemas);
    let mut payload = plain(&T::schema());
    if let Value::Object(schema) = &mut payload {
        let mut properties = Map::from_iter([("type".to_owned(), json!({ "type": "string", "const": kind }))]);
        if let Some(Value::Object(fields)) = schema.remove("properties") {
            properties.extend(fields);
        }
        let mut required = vec![json!("type")];
        if let Some(Value::Array(fields)) = schema.remove("required") {
            required.extend(fields);
        }
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("required".to_owned(), Value::Array(required));
    }
    Message { kind, payload }
}

fn told(schemas: &mut Schemas) -> Vec<Message> {
    vec![
        message::<Welcome<'_>>("welcome", schemas),
        message::<ProfileUpdated>("profile_updated", schemas),
        message::<MemberJoined<'_>>("member_joined", schemas),
        message::<MemberLeft<'_>>("member_left", schemas),
        message::<UserDeleted<'_>>("user_deleted", schemas),
        message::<Resync>("resync", schemas),
        message::<TokenExpiring>("token_expiring", schemas),
        message::<Pong>("pong", schemas),
        message::<Refused>("error", schemas),
    ]
}

fn heard(schemas: &mut Schemas) -> Vec<Message> {
    vec![message::<Auth>("auth", schemas), message::<Ping>("ping", schemas), message::<Resume>("resume", schemas)]
}

fn references(messages: &[Message], below: &str) -> Vec<Value> {
    messages.iter().map(|message| json!({ "$ref": format!("#/{below}/{}", message.kind) })).collect()
}

fn channel(all: &[&Message]) -> Value {
    let messages: Map<_, _> = all
        .iter()
        .map(|message| (message.kind.to_owned(), json!({ "$ref": format!("#/components/messages/{}", message.kind) })))
        .collect();
    let codes: Vec<_> = Kind::ALL.iter().map(|kind| json!({ "code": kind.code(), "reason": kind.reason() })).collect();
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "address": ADDRESS,
        "description": DESCRIPTION,
        "parameters": {
            "room_id": { "description": "1 to 128 of A-Z, a-z, 0-9, _ . : and -, not dots alone" },
            "user_id": { "description": "The id of the token's user (UUID)" },
        },
        "messages": messages,
        "bindings": { "ws": {
            "method": "GET",
            "query": { "type": "object", "properties": {
                "ticket": text("From POST /api/v1/realtime/ticket; within 30 s, once"),
                "since": text("<epoch>:<offset> of the last entry heard of: what was missed is told after the welcome"),
            } },
            "headers": { "type": "object", "properties": {
                "Authorization": text("Bearer <access token>, where the client can send headers"),
                "Sec-WebSocket-Protocol": text("frontdesk.v1, base64url.bearer.<token in base64url, unpadded>"),
                "Origin": text("One of CORS_ALLOWED_ORIGINS, or this service's own; native clients send none"),
            } },
            "bindingVersion": "0.1.0",
        } },
        "x-close-codes": codes,
    })
}

/// The document as pretty JSON.
pub fn asyncapi_json() -> String {
    let mut schemas = Schemas::new();
    let (told, heard) = (told(&mut schemas), heard(&mut schemas));
    let all: Vec<_> = told.iter().chain(&heard).collect();
    let messages: Map<_, _> = all
        .iter()
        .map(|message| {
            let Message { kind, payload } = message;
            let summary = payload.get("description").cloned().unwrap_or_default();
            let described =
                json!({ "name": kind, "summary": summary, "contentType": "application/json", "payload": payload });
            ((*kind).to_owned(), described)
        })
        .collect();
    let schemas: Map<_, _> = schemas.iter().map(|(name, schema)| (name.clone(), plain(schema))).collect();
    let room = json!({ "$ref": "#/channels/room" });
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": TITLE,
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": { "room": channel(&all) },
        "operations": {
            "tell": { "action": "send", "channel": room, "messages": references(&told, "channels/room/messages") },
            "hear": { "action": "receive", "channel": room, "messages": references(&heard, "channels/room/messages") },
        },
        "components": { "messages": messages, "schemas": schemas },
    });
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

#[cfg(test)]
mod tests;
