//! Rooms: who is there, what was said, and who hears it.
//!
//! A room is a log of events, with an epoch and an offset. Whoever is in the room, or was within a day, has their events
//! written there, and whoever was away can ask for what was written meanwhile. An event on the bus is a hint to look
//! into the log, nothing more: one that is missed, repeated or overtaken changes nothing of what a socket is told.
//!
//! - [`store`]: the port that keeps rooms, members and logs.
//! - [`hub`]: the sockets of this node, each with a bounded [`mailbox`].
//! - [`Rooms`]: the service that joins both.
//!
//! **Architecture Invariant:** this crate opens no socket and writes no frame. What a frame is, its adapter says
//! ([`mailbox::Payload`], [`Frames`]).

pub mod hub;
pub mod mailbox;
mod personal_data;
mod position;
mod room_id;
mod rooms;
pub mod store;

pub use personal_data::HOLDINGS;
pub use position::{Epoch, MalformedPosition, Position};
pub use room_id::{MalformedRoomId, ROOM_ID_MAX, RoomId};
pub use rooms::{Frames, Rooms, RoomsPorts, Told};
pub use store::RoomStore;
