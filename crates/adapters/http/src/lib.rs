//! REST and WebSocket over actix-web: three facades over one model, rooms, and the descriptions of them.
//!
//! **Architecture Invariant:** only this crate knows actix and the wire types. A handler extracts, calls one
//! service and maps the answer; whatever decides anything is in a domain crate.
//!
//! A request passes, from the outside: `edge` (request id, headers, log line, metrics, the one place that renders
//! errors), CORS, the route table in `routes`, and the handler's credential (`credential`), which also counts
//! the request against its caller's rate. A socket is the body of the answer to its upgrade (`ws`), and has its connection
//! to itself (`upgraded`).

mod body;
mod config;
mod credential;
mod dto;
mod edge;
mod entity_tag;
mod error;
mod idempotency;
mod input;
mod json;
mod metrics;
pub mod multipart;
mod openapi;
mod page;
mod routes;
mod serve;
mod upgraded;
mod ws;

pub use config::{
    CorsPolicy, HttpConfig, MalformedOrigin, MalformedPublicUrl, OriginPattern, PublicUrl, Readiness, Services, Storage,
};
pub use error::{Code, errors_page};
pub use openapi::openapi_json;
pub use serve::serve;
pub use ws::{Frame, RoomFrames, asyncapi_json};
