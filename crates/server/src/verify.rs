//! `frontdesk verify`: what the existing clients do, request by request, against a running server.

mod client;
mod scripts;

use std::io::{self, Write};

use url::Url;

use client::Client;

/// Runs every script, and writes a line for each request and each expectation. Tells whether all held.
///
/// Two users stay behind, named `e2e_user_` and a number.
pub async fn run(url: &Url, out: &mut impl Write) -> io::Result<bool> {
    let mut client = match Client::new(url, out) {
        Ok(client) => client,
        Err(error) => {
            writeln!(out, "✗ {url} cannot be called: {error}")?;
            return Ok(false);
        }
    };
    scripts::run(&mut client).await?;
    client.summary()
}
