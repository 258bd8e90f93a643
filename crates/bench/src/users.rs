//! The users on whose behalf requests are made.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::Outcome;
use crate::process::{Caller, pause};

/// Connections that sign users up at the same time.
const SIGN_UPS: usize = 16;

/// A user as `POST /users` answers.
#[derive(Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) access_token: String,
}

/// Signs up `count` users without a password.
pub(crate) fn sign_up(address: SocketAddr, count: usize) -> Outcome<Vec<User>> {
    let users = sign_up_all(address, count, |number| {
        format!(
            r#"{{"username":"visitor-{number}","display_name":"Visitor {number}","email":"visitor-{number}@example.com"}}"#
        )
    })?;
    // A token of an unclaimed account closes the claim on every use until the window ends: another statement, and
    // not what a signed-in user costs. The servers are started with a window of a second.
    pause(Duration::from_millis(1_500));
    Ok(users)
}

/// Signs up `count` users with passwords, and gives the body of each one's sign-in.
pub(crate) fn sign_up_with_passwords(address: SocketAddr, count: usize) -> Outcome<Vec<String>> {
    sign_up_all(address, count, credentials)?;
    Ok((0..count).map(credentials).collect())
}

fn credentials(number: usize) -> String {
    format!(r#"{{"username":"member-{number}","password":"A quiet harbour, {number}"}}"#)
}

fn sign_up_all(address: SocketAddr, count: usize, body: fn(usize) -> String) -> Outcome<Vec<User>> {
    let threads: Vec<_> = (0..SIGN_UPS)
        .map(|first| {
            std::thread::spawn(move || -> Outcome<Vec<User>> {
                let mut caller = Caller::connect(address)?;
                (first..count).step_by(SIGN_UPS).map(|number| sign_up_one(&mut caller, &body(number))).collect()
            })
        })
        .collect();
    let mut users = Vec::with_capacity(count);
    for thread in threads {
        users.append(&mut thread.join().map_err(|_| "a thread that signs users up panicked")??);
    }
    Ok(users)
}

fn sign_up_one(caller: &mut Caller, body: &str) -> Outcome<User> {
    let request = format!(
        "POST /users HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    match caller.call(request.as_bytes())? {
        (201, body) => Ok(serde_json::from_slice(&body)?),
        (status, body) => Err(format!("POST /users: {status} {}", String::from_utf8_lossy(&body)).into()),
    }
}
