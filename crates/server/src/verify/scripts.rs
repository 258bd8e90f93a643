//! The scripts: of the web client's operators twice, without a token; then what must hold after them.

use std::io::{self, Write};

use frontdesk_kernel::{Clock, Entropy};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Answer, Ask, Client};
use crate::{OsEntropy, SystemClock};

const PASSWORD: &str = "Str0ngPassw0rd!";

/// A picture of one grey pixel.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\n\
    IDATx\xdach\0\0\0\x82\0\x81\xdaE\x08;\0\0\0\0IEND\xaeB`\x82";

/// A user that a script has made.
struct User {
    id: String,
    username: String,
}

impl User {
    fn path(&self, rest: &str) -> String {
        format!("/users/{}{rest}", self.id)
    }
}

/// Runs all of them. A script ends early where a later request would need what an earlier one did not give.
pub(super) async fn run<W: Write>(client: &mut Client<'_, W>) -> io::Result<()> {
    client.title("The verify script, health at /health (seed 001)")?;
    operators_script(client, "/health").await?;
    client.title("The verify script, health at / (seed 003)")?;
    let Some(user) = operators_script(client, "/").await? else { return Ok(()) };
    client.title("The account is closed now")?;
    closed_account(client, &user).await?;
    client.title("A user that is not there (seed 001)")?;
    unknown_user(client).await?;
    client.title("Signed in")?;
    let Some(token) = sign_in(client, &user).await? else { return Ok(()) };
    owner(client, &user, &token).await?;
    client.title("A picture")?;
    avatar(client, &user, &token).await?;
    client.title("The iOS app (seed 000)")?;
    mobile_app(client, &token).await
}

/// Create, update, read back, set a password: word for word, and without a token.
async fn operators_script<W: Write>(client: &mut Client<'_, W>, health: &str) -> io::Result<Option<User>> {
    if let Some(answer) = client.ask(Ask::get(health), 200).await? {
        client.expect("the status is ok", answer.value("/status"), &json!("ok"))?;
    }
    let Some(user) = create(client).await? else { return Ok(None) };
    let path = user.path("/profile");
    if let Some(answer) = client.ask(Ask::new(Method::PUT, &path).body(profile()), 200).await? {
        reads_back(client, "the answer", &answer)?;
    }
    if let Some(answer) = client.ask(Ask::get(&user.path("")), 200).await? {
        client.expect("user_id is the id", answer.value("/user_id"), &json!(user.id))?;
        client.expect("the username is kept", answer.value("/username"), &json!(user.username))?;
        reads_back(client, "what was read", &answer)?;
    }
    let path = user.path("/password");
    client.ask(Ask::new(Method::PUT, &path).body(json!({ "new_password": "7 chars" })), 400).await?;
    let Some(answer) = client.ask(Ask::new(Method::PUT, &path).body(json!({ "new_password": PASSWORD })), 200).await?
    else {
        return Ok(None);
    };
    client.expect("success is true", answer.value("/success"), &json!(true))?;
    Ok(Some(user))
}

async fn create<W: Write>(client: &mut Client<'_, W>) -> io::Result<Option<User>> {
    let username = username();
    let ask = Ask::new(Method::POST, "/users").body(json!({ "username": username }));
    let Some(answer) = client.ask(ask, 201).await? else { return Ok(None) };
    let id = answer.text("/id");
    client.require("the answer has an id", id.is_some(), "it has none")?;
    client.expect("the answer has the username", answer.value("/username"), &json!(username))?;
    Ok(id.map(|id| User { id, username }))
}

fn username() -> String {
    let mut number = [0; 4];
    OsEntropy.fill(&mut number);
    format!("e2e_user_{}", u32::from_le_bytes(number))
}

fn profile() -> Value {
    json!({
        "display_name": "Alice",
        "email": "alice@example.com",
        "bio": "Hello",
        "avatar_url": "https://ui-avatars.com/api/?name=Alice&background=random",
    })
}

/// Every field, flat and under `profile`.
fn reads_back<W: Write>(client: &mut Client<'_, W>, which: &str, answer: &Answer) -> io::Result<()> {
    for (field, wanted) in profile().as_object().into_iter().flatten() {
        client.expect(&format!("{which} has {field}"), answer.value(&format!("/{field}")), wanted)?;
        client.expect(
            &format!("{which} has {field} under profile"),
            answer.value(&format!("/profile/{field}")),
            wanted,
        )?;
    }
    Ok(())
}

async fn closed_account<W: Write>(client: &mut Client<'_, W>, user: &User) -> io::Result<()> {
    let path = user.path("/profile");
    if let Some(answer) = client.ask(Ask::new(Method::PUT, &path).body(json!({ "bio": "Mine" })), 401).await? {
        let scheme = answer.header("WWW-Authenticate").unwrap_or_default();
        client.require("the answer asks for a token", scheme.starts_with("Bearer"), "WWW-Authenticate is missing")?;
    }
    let path = user.path("/password");
    client.ask(Ask::new(Method::PUT, &path).body(json!({ "new_password": "An0therPassw0rd!" })), 401).await?;
    if let Some(answer) = client.ask(Ask::get(&user.path("")), 200).await? {
        client.expect("strangers see the name", answer.value("/display_name"), &json!("Alice"))?;
        client.expect("strangers do not see the e-mail address", answer.value("/email"), &Value::Null)?;
    }
    Ok(())
}

async fn unknown_user<W: Write>(client: &mut Client<'_, W>) -> io::Result<()> {
    let path = format!("/users/{}", OsEntropy.uuid_v7(SystemClock.now()));
    if let Some(answer) = client.ask(Ask::get(&path), 404).await? {
        client.expect("the detail says so", answer.value("/detail"), &json!("User not found"))?;
    }
    Ok(())
}

async fn sign_in<W: Write>(client: &mut Client<'_, W>, user: &User) -> io::Result<Option<String>> {
    const LOGIN: &str = "/api/v1/auth/login";
    let wrong = json!({ "username": user.username, "password": "Wr0ngPassw0rd!" });
    client.ask(Ask::new(Method::POST, LOGIN).body(wrong), 401).await?;
    let right = json!({ "username": user.username, "password": PASSWORD });
    let Some(answer) = client.ask(Ask::new(Method::POST, LOGIN).body(right), 200).await? else { return Ok(None) };
    let token = answer.text("/access_token");
    client.require("the answer has an access token", token.is_some(), "it has none")?;
    Ok(token)
}

async fn owner<W: Write>(client: &mut Client<'_, W>, user: &User, token: &str) -> io::Result<()> {
    if let Some(answer) = client.ask(Ask::get(&user.path("")).token(token), 200).await? {
        client.expect("the owner sees the e-mail address", answer.value("/email"), &json!("alice@example.com"))?;
    }
    let path = user.path("/profile");
    let ask = Ask::new(Method::PUT, &path).body(json!({ "bio": "Hello again" })).token(token);
    if let Some(answer) = client.ask(ask, 200).await? {
        client.expect("the owner changes the bio", answer.value("/bio"), &json!("Hello again"))?;
        client.expect("and nothing else", answer.value("/display_name"), &json!("Alice"))?;
    }
    Ok(())
}

async fn avatar<W: Write>(client: &mut Client<'_, W>, user: &User, token: &str) -> io::Result<()> {
    let alias = format!("/avatars/{}/medium", user.id);
    client.ask(Ask::get(&alias), 200).await?;
    let path = format!("/avatars/upload/{}", user.id);
    client.ask(Ask::new(Method::POST, &path).picture(PICTURE), 401).await?;
    let Some(answer) = client.ask(Ask::new(Method::POST, &path).picture(PICTURE).token(token), 200).await? else {
        return Ok(());
    };
    client.expect("success is true", answer.value("/success"), &json!(true))?;
    client.expect("the picture is the medium one", answer.value("/avatar_url"), answer.value("/avatar_urls/medium"))?;
    if let Some(seen) = client.ask(Ask::get(&user.path("")), 200).await? {
        client.expect("the profile shows it", seen.value("/avatar_url"), answer.value("/avatar_url"))?;
    }
    // With a PUBLIC_URL the address may lead elsewhere than to where this server was called.
    let url = answer.text("/avatar_url").unwrap_or_default();
    if url.starts_with('/') {
        client.ask(Ask::get(&url), 200).await?;
    }
    client.ask(Ask::new(Method::DELETE, "/api/v1/profile/avatar").token(token), 204).await?;
    Ok(())
}

async fn mobile_app<W: Write>(client: &mut Client<'_, W>, token: &str) -> io::Result<()> {
    const PATH: &str = "/mobile/user/profile";
    let preferences = json!({ "voice_preference": "alloy", "default_scenario": "default" });
    let body = json!({ "display_name": "John Smith", "preferences": preferences });
    if let Some(answer) = client.ask(Ask::new(Method::POST, PATH).body(body).token(token).mobile(), 200).await? {
        client.expect("success is true", answer.value("/success"), &json!(true))?;
        client.expect(
            "the message is the known one",
            answer.value("/message"),
            &json!("Profile updated successfully"),
        )?;
        mobile_profile(client, &answer, "updated_at")?;
    }
    if let Some(answer) = client.ask(Ask::get(PATH).token(token).mobile(), 200).await? {
        mobile_profile(client, &answer, "created_at")?;
    }
    client.ask(Ask::get(PATH).mobile(), 401).await?;
    Ok(())
}

fn mobile_profile<W: Write>(client: &mut Client<'_, W>, answer: &Answer, moment: &str) -> io::Result<()> {
    for (pointer, wanted) in [
        ("display_name", "John Smith"),
        ("email", "alice@example.com"),
        ("preferences/voice_preference", "alloy"),
        ("preferences/default_scenario", "default"),
    ] {
        client.expect(
            &format!("the profile has {pointer}"),
            answer.value(&format!("/user_profile/{pointer}")),
            &json!(wanted),
        )?;
    }
    let at = answer.text(&format!("/user_profile/{moment}")).unwrap_or_default();
    client.require(&format!("the profile has {moment} in UTC"), at.ends_with('Z'), &format!("it is {at:?}"))
}
