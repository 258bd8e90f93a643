//! What Prometheus is told.

use std::fmt;
use std::time::Duration;

use frontdesk_rooms::hub::Counts;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::ws::Kind;

/// Upper bounds of the duration buckets, in seconds.
const BUCKETS: [f64; 11] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.5];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Status(u16);

impl EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        EncodeLabelValue::encode(&u64::from(self.0), encoder)
    }
}

/// Routes are patterns, never paths: a label per user would grow without bound.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: &'static str,
    status: Status,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Closed {
    code: Status,
    by: By,
}

/// From which side a socket was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum By {
    Client,
    Server,
}

impl EncodeLabelValue for By {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        let word = match self {
            Self::Client => "client",
            Self::Server => "server",
        };
        EncodeLabelValue::encode(&word, encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    panics: Counter,
    sockets: Gauge,
    rooms: Gauge,
    frames: Counter,
    closed: Family<Closed, Counter>,
}

impl Metrics {
    pub(crate) fn new(is_open: bool) -> Self {
        let mut registry = Registry::with_prefix("frontdesk");
        let requests = Family::default();
        let durations = Family::new_with_constructor(histogram as fn() -> Histogram);
        let panics = Counter::default();
        let open = Gauge::<i64>::default();
        open.set(i64::from(is_open));
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register_with_unit("http_request_duration", "Time to answer", Unit::Seconds, durations.clone());
        registry.register("http_handler_panics", "Handlers that panicked", panics.clone());
        let (sockets, rooms, frames, closed) =
            (Gauge::default(), Gauge::default(), Counter::default(), Family::default());
        registry.register("room_sockets", "WebSockets in a room", sockets.clone());
        registry.register("rooms", "Rooms with a WebSocket on this node", rooms.clone());
        registry.register("room_frames", "WebSocket frames sent", frames.clone());
        registry.register("room_sockets_closed", "WebSockets closed, by code and side", closed.clone());
        registry.register("users_auth_open", "1 where profile writes need no token (USERS_AUTH=open)", open);
        Self { registry, requests, durations, panics, sockets, rooms, frames, closed }
    }

    pub(crate) fn answered(&self, method: &'static str, route: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Answered { method, route, status: Status(status) }).inc();
        self.durations.get_or_create(&Route { route }).observe(took.as_secs_f64());
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    pub(crate) fn frame_sent(&self) {
        self.frames.inc();
    }

    /// Codes that clients make up (RFC 6455, 7.4.2) go under one, and so do those that say nothing more.
    pub(crate) fn socket_closed(&self, code: u16, by: By) {
        let is_known = match by {
            By::Client => (1_000..1_016).contains(&code),
            By::Server => Kind::ALL.iter().any(|kind| kind.code() == code),
        };
        let code = Status(if is_known { code } else { 3_000 });
        self.closed.get_or_create(&Closed { code, by }).inc();
    }

    /// The text format of Prometheus, with what is open just now.
    pub(crate) fn render(&self, open: Counts) -> Result<String, fmt::Error> {
        self.sockets.set(i64::try_from(open.sockets).unwrap_or(i64::MAX));
        self.rooms.set(i64::try_from(open.rooms).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_say_as_they_close_counts_for_no_close_of_the_server() {
        let metrics = Metrics::new(false);
        for (code, by) in
            [(4_401, By::Server), (4_401, By::Client), (1_001, By::Client), (1_006, By::Client), (4_999, By::Client)]
        {
            metrics.socket_closed(code, by);
        }
        let text = metrics.render(Counts::default()).unwrap();
        let mut counted: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("frontdesk_room_sockets_closed_total")).collect();
        counted.sort_unstable();
        let expected = [
            r#"{code="1001",by="client"} 1"#,
            r#"{code="1006",by="client"} 1"#,
            r#"{code="3000",by="client"} 2"#,
            r#"{code="4401",by="server"} 1"#,
        ];
        assert_eq!(counted, expected);
    }
}
