//! How events reach every node.

use async_trait::async_trait;

use crate::{Event, Unavailable};

/// Carries events to every node, the one that publishes included.
///
/// # Contract
/// - `publish` MUST have handed the events on, in their order, when it returns `Ok`.
/// - An event MUST reach the listener of every node that is connected, and MAY reach it more than once.
/// - A listener MUST hear the events that one node publishes in the order in which they were published.
/// - A node that loses the connection MUST tell its listener [`EventListener::lost`] within a second, and
///   [`EventListener::connected`] once events arrive again; what was published in between is not heard.
#[async_trait]
pub trait EventBus: Send + Sync + 'static {
    /// Sends events to every node.
    async fn publish(&self, events: &[Event]) -> Result<(), Unavailable>;
}

/// Hears events on one node. Nothing here may block.
pub trait EventListener: Send + Sync + 'static {
    /// An event arrived, for the first time or once more: consumers drop an id that they have seen.
    fn heard(&self, event: &Event);

    /// Events arrive from now on. What was missed has to be read from the stores.
    fn connected(&self);

    /// Events may be missed from now on.
    fn lost(&self);
}
