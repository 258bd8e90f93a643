//! The server as its operators meet it: started, asked, stopped.

#[cfg(test)]
#[expect(dead_code, reason = "the tests over HTTP use the rest of it")]
#[path = "../http/rooms/client.rs"]
mod client;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod env_example;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod process;
#[cfg(test)]
mod rooms;
#[cfg(test)]
mod rooms_page;
#[cfg(test)]
mod running;
