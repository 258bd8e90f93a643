//! Rooms over WebSocket (contract, rooms; RFC 6455).
//!
//! A socket begins as a request, and from then on is the body of its answer: [`socket`] is the loop under
//! [`conversation`], which knows every rule and touches nothing. What members are told comes as a [`Frame`], encoded once
//! for all of them by [`RoomFrames`].

mod asyncapi;
mod bell;
mod client;
mod closure;
mod conversation;
mod frame;
mod frames;
mod inbound;
mod presented;
mod room_frames;
mod socket;
mod ticket;
pub(crate) mod upgrade;

pub use asyncapi::asyncapi_json;
pub(crate) use closure::Kind;
pub use frame::Frame;
pub use room_frames::RoomFrames;
pub(crate) use ticket::{LIVES_FOR, Tickets};
