//! Trusted issuers: their tokens act for users that nobody registered.

use std::time::Duration;

use frontdesk_kernel::Clock as _;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Store;
use crate::on_both_stores;
use crate::site::{PASSWORD, Site, User, send};

const ISSUER: &str = "https://abc.supabase.co/auth/v1";
const OTHER_ISSUER: &str = "https://login.example.com";
const SECRET: &[u8] = b"the secret of a trusted issuer, 32+";
const OTHER_SECRET: &[u8] = b"the secret of another issuer, 32 and more";
const LOGOUT: &str = "/api/v1/auth/logout";

async fn open(store: &Store) -> Site {
    let issuer = |issuer: &str, secret: &[u8]| {
        json!({
            "issuer": issuer,
            "audience": "authenticated",
            "algorithm": "HS256",
            "hs256_secret": String::from_utf8_lossy(secret),
        })
    };
    let issuers = json!([issuer(ISSUER, SECRET), issuer(OTHER_ISSUER, OTHER_SECRET)]).to_string();
    store.open_with(&[("TRUSTED_ISSUERS", &issuers)]).await
}

/// What Supabase says of a user who signed in a moment ago.
fn claims(site: &Site, subject: &str) -> Value {
    let now = site.clock.now().unix_seconds();
    json!({
        "iss": ISSUER,
        "aud": "authenticated",
        "sub": subject,
        "iat": now,
        "exp": now + 3_600,
        "role": "authenticated",
        "session_id": "5f8a3a1e-0000-4000-8000-000000000001",
        "email": "ada@example.com",
        "user_metadata": { "email_verified": true },
    })
}

/// The claims with some of them replaced; `null` takes one out.
fn but(claims: Value, changes: Value) -> Value {
    let (Value::Object(mut claims), Value::Object(changes)) = (claims, changes) else { panic!("no claims") };
    claims.extend(changes);
    claims.retain(|_, value| !value.is_null());
    Value::Object(claims)
}

fn signed(claims: &Value, secret: &[u8], algorithm: Algorithm) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
}

fn bearer(id: &str, token: String) -> User {
    User { id: id.to_owned(), username: String::new(), token, refresh: String::new() }
}

/// A user of the issuer, with a token for these claims.
fn of(claims: &Value) -> User {
    bearer(claims["sub"].as_str().unwrap(), signed(claims, SECRET, Algorithm::HS256))
}

#[expect(clippy::disallowed_methods, reason = "tests that share a database must not share a user")]
fn somebody() -> String {
    Uuid::new_v4().to_string()
}

async fn the_first_token_makes_the_profile_with_the_address(store: Store) {
    let site = open(&store).await;
    let user = of(&claims(&site, &somebody()));
    let profile = site.profile(&user).await;
    assert_eq!((&profile["id"], &profile["username"]), (&json!(user.id), &Value::Null));
    assert_eq!((&profile["email"], &profile["version"]), (&json!("ada@example.com"), &json!(1)));
    assert_eq!(site.get_as(&user, "/api/v1/settings").await.json["theme"], "system");
}

async fn only_the_claim_of_the_issuer_verifies_an_address(store: Store) {
    let site = open(&store).await;
    for (claim, expected) in
        [(json!(true), true), (json!(false), false), (json!("true"), false), (json!(1), false), (Value::Null, false)]
    {
        let claims = but(claims(&site, &somebody()), json!({ "email_verified": claim }));
        assert_eq!(site.profile(&of(&claims)).await["email_verified"], expected, "{claim}");
    }
}

async fn an_address_that_is_none_is_left_out(store: Store) {
    let site = open(&store).await;
    for email in [json!("no address"), json!("a@b\r\nBcc: x@y.z"), json!(["a@b.example"]), Value::Null] {
        let claims = but(claims(&site, &somebody()), json!({ "email": email, "email_verified": true }));
        let profile = site.profile(&of(&claims)).await;
        assert_eq!((&profile["email"], &profile["email_verified"]), (&Value::Null, &json!(false)), "{email}");
    }
}

async fn of_64_first_requests_at_once_all_see_the_one_profile(store: Store) {
    let site = open(&store).await;
    let user = of(&claims(&site, &somebody()));
    let answers = join_all((0..64).map(|_| site.get_as(&user, "/api/v1/profile"))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.text), (200, &answers[0].text));
    }
}

async fn a_subject_that_is_no_uuid_has_an_id_of_its_own_for_good(store: Store) {
    let site = open(&store).await;
    let name = format!("auth0|{}", somebody());
    let first = site.profile(&of(&claims(&site, &name))).await;
    site.clock.advance(Duration::from_secs(5));
    let user = of(&but(claims(&site, &name), json!({ "session_id": "another" })));
    assert_eq!(site.profile(&user).await, first);
    assert_ne!(site.profile(&of(&claims(&site, &format!("{name}x")))).await["id"], first["id"]);
    let elsewhere = but(claims(&site, &name), json!({ "iss": OTHER_ISSUER }));
    let elsewhere = bearer(&name, signed(&elsewhere, OTHER_SECRET, Algorithm::HS256));
    assert_ne!(site.profile(&elsewhere).await["id"], first["id"]);
    let exported = site.get_as(&user, "/api/v1/account/export").await;
    assert_eq!(exported.json["identities"], json!([{ "issuer": ISSUER, "subject": name }]));
}

async fn a_later_token_changes_nothing_that_the_user_has_set(store: Store) {
    let site = open(&store).await;
    let id = somebody();
    let user = of(&claims(&site, &id));
    let changed = site.patch_as(&user, "/api/v1/profile", json!({ "email": "new@example.com", "bio": "Hello" })).await;
    assert_eq!((changed.status, &changed.json["email_verified"]), (200, &json!(false)));
    site.clock.advance(Duration::from_mins(20));
    let later = of(&but(claims(&site, &id), json!({ "email_verified": true })));
    assert_eq!(site.profile(&later).await, changed.json);
}

async fn whatever_is_wrong_with_a_token_is_the_same_401(store: Store) {
    let site = open(&store).await;
    let id = somebody();
    let good = claims(&site, &id);
    let now = good["iat"].as_i64().unwrap();
    let hs256 = |changes: Value| signed(&but(good.clone(), changes), SECRET, Algorithm::HS256);
    let expected = site.get("/api/v1/profile").await.text;
    for (token, what) in [
        (signed(&good, OTHER_SECRET, Algorithm::HS256), "the secret of another issuer"),
        (signed(&good, b"0123456789abcdef0123456789abcdef", Algorithm::HS256), "our own secret"),
        (signed(&good, SECRET, Algorithm::HS384), "another algorithm"),
        (hs256(json!({ "iss": "https://evil.test" })), "an issuer that is not trusted"),
        (hs256(json!({ "iss": "frontdesk" })), "our own name"),
        (hs256(json!({ "iss": OTHER_ISSUER })), "another issuer's name"),
        (hs256(json!({ "iss": null })), "no issuer"),
        (hs256(json!({ "aud": "anon" })), "another audience"),
        (hs256(json!({ "aud": null })), "no audience"),
        (hs256(json!({ "sub": null })), "no subject"),
        (hs256(json!({ "sub": "" })), "an empty subject"),
        (hs256(json!({ "sub": "00000000-0000-0000-0000-000000000000" })), "the nil subject"),
        (hs256(json!({ "role": "service_role" })), "a service"),
        (hs256(json!({ "exp": now - 31, "iat": now - 60 })), "expired"),
        (hs256(json!({ "exp": null })), "no end"),
        (hs256(json!({ "exp": now + 8 * 24 * 3_600 })), "too long a life"),
        (hs256(json!({ "iat": now + 61 })), "from the future"),
        (hs256(json!({ "nbf": now + 31 })), "not yet"),
    ] {
        let answer = site.get_as(&bearer(&id, token), "/api/v1/profile").await;
        assert_eq!((answer.refusal(), &answer.text), ((401, "unauthorized"), &expected), "{what}");
    }
    let public = site.get(&format!("/users/{id}")).await;
    assert_eq!(public.status, 404, "none of them made an account");
}

async fn without_trusted_issuers_their_tokens_open_nothing(store: Store) {
    let site = store.open().await;
    assert_eq!(site.opens(&of(&claims(&site, &somebody()))).await, 401);
}

async fn our_own_tokens_are_good_beside_trusted_issuers(store: Store) {
    let site = open(&store).await;
    let user = site.user().await;
    assert_eq!(site.opens(&user).await, 200);
    user.with(&site.refresh(&user.refresh).await);
}

async fn another_users_account_is_not_there_for_an_issuers_user(store: Store) {
    let site = open(&store).await;
    let (user, stranger) = (site.user().await, of(&claims(&site, &somebody())));
    let put = site.put_as(&stranger, &format!("/users/{}/profile", user.id), json!({ "bio": "x" })).await;
    assert_eq!(put.refusal(), (404, "not_found"));
}

async fn a_logout_refuses_the_tokens_of_that_session_from_then_on(store: Store) {
    let site = open(&store).await;
    let id = somebody();
    let user = of(&claims(&site, &id));
    let other = of(&but(claims(&site, &id), json!({ "session_id": "another" })));
    assert_eq!((site.opens(&user).await, site.opens(&other).await), (200, 200));
    assert_eq!(site.post_as(&user, LOGOUT, json!({})).await.status, 204);
    assert_eq!((site.opens(&user).await, site.opens(&other).await), (401, 200));
    site.clock.advance(Duration::from_secs(5));
    assert_eq!(site.opens(&of(&claims(&site, &id))).await, 401, "a later token of the session");
}

async fn a_logout_with_a_token_without_a_session_refuses_that_token(store: Store) {
    let site = open(&store).await;
    let id = somebody();
    let without = || but(claims(&site, &id), json!({ "session_id": null }));
    let user = of(&without());
    assert_eq!(site.post_as(&user, LOGOUT, json!({})).await.status, 204);
    assert_eq!(site.opens(&user).await, 401);
    site.clock.advance(Duration::from_secs(5));
    assert_eq!(site.opens(&of(&without())).await, 200);
}

async fn a_logout_of_all_refuses_every_token_until_now_and_none_after(store: Store) {
    let site = open(&store).await;
    let id = somebody();
    let in_session = |session: &str| of(&but(claims(&site, &id), json!({ "session_id": session })));
    let (user, other) = (in_session("1"), in_session("2"));
    assert_eq!(site.post_as(&user, LOGOUT, json!({ "all": true })).await.status, 204);
    assert_eq!((site.opens(&user).await, site.opens(&other).await), (401, 401));
    assert_eq!(site.opens(&in_session("3")).await, 401, "of the same second");
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(site.opens(&in_session("4")).await, 200);
}

async fn an_issuers_sessions_are_not_in_the_list(store: Store) {
    let site = open(&store).await;
    let user = of(&claims(&site, &somebody()));
    let listed = site.get_as(&user, "/api/v1/auth/sessions").await;
    assert_eq!((listed.status, &listed.json["data"]), (200, &json!([])));
    assert_eq!(listed.json["pagination"]["total"], 0);
}

async fn a_token_from_before_the_deletion_does_not_bring_the_account_back(store: Store) {
    let site = open(&store).await;
    let id = somebody();
    let in_session = |session: &str| of(&but(claims(&site, &id), json!({ "session_id": session })));
    let (user, other) = (in_session("1"), in_session("2"));
    assert_eq!(site.patch_as(&user, "/api/v1/profile", json!({ "bio": "Hello" })).await.status, 200);
    assert_eq!(site.delete_as(&user, "/api/v1/account").await.status, 200);
    for old in [&user, &other, &in_session("3")] {
        assert_eq!(site.get_as(old, "/api/v1/profile").await.refusal(), (401, "unauthorized"));
    }
    assert_eq!(site.get(&format!("/users/{id}")).await.status, 404);
}

async fn a_token_from_after_the_deletion_makes_a_fresh_and_empty_account(store: Store) {
    let site = open(&store).await;
    let id = somebody();
    let user = of(&claims(&site, &id));
    site.patch_as(&user, "/api/v1/profile", json!({ "bio": "Hello", "phone": "+4930123456" })).await;
    site.patch_as(&user, "/api/v1/settings", json!({ "theme": "dark" })).await;
    assert_eq!(site.delete_as(&user, "/api/v1/account").await.status, 200);
    site.clock.advance(Duration::from_secs(1));
    let again = of(&claims(&site, &id));
    let profile = site.profile(&again).await;
    assert_eq!((&profile["bio"], &profile["phone"], &profile["version"]), (&Value::Null, &Value::Null, &json!(1)));
    assert_eq!(site.get_as(&again, "/api/v1/settings").await.json["theme"], "system");
    assert_eq!(site.opens(&user).await, 401, "the old token");
}

async fn a_deletion_outlives_a_restart_for_an_issuers_tokens(store: Store) {
    let Store::Postgres(_) = store else { return };
    let site = open(&store).await;
    let id = somebody();
    let user = of(&claims(&site, &id));
    assert_eq!(site.delete_as(&user, "/api/v1/account").await.status, 200);
    drop(site);
    let site = open(&store).await;
    assert_eq!(site.opens(&user).await, 401);
}

async fn an_old_sign_in_at_the_issuer_does_not_delete_an_account(store: Store) {
    let site = open(&store).await;
    let id = somebody();
    let day_and_more = site.clock.now().unix_seconds() - 24 * 3_600 - 1;
    let user = of(&but(claims(&site, &id), json!({ "auth_time": day_and_more })));
    let refused = site.delete_as(&user, "/api/v1/account").await;
    assert_eq!(refused.refusal(), (403, "reauthentication_required"));
    assert_eq!(site.delete_as(&of(&claims(&site, &id)), "/api/v1/account").await.status, 200);
}

async fn an_issuers_user_may_choose_a_name_and_a_password(store: Store) {
    let site = open(&store).await;
    let user = of(&claims(&site, &somebody()));
    let name = Site::fresh_name();
    assert_eq!(site.patch_as(&user, "/api/v1/profile", json!({ "username": name })).await.status, 200);
    let path = format!("/users/{}/password", user.id);
    let set = user.with(&site.put_as(&user, &path, json!({ "new_password": PASSWORD })).await);
    assert_eq!(site.opens(&set).await, 200);
    assert_eq!(site.opens(&user).await, 401, "every other session has ended");
    assert_eq!(site.login(&name, PASSWORD).await.status, 200);
}

async fn nobody_else_sets_the_password_of_an_issuers_user(store: Store) {
    let site = open(&store).await;
    let user = of(&claims(&site, &somebody()));
    assert_eq!(site.opens(&user).await, 200);
    let request = site.request(Method::PUT, &format!("/users/{}/password", user.id));
    assert_eq!(send(request.json(&json!({ "new_password": PASSWORD }))).await.refusal(), (401, "unauthorized"));
}

async fn a_token_that_is_ahead_of_our_clock_does_not_outlive_its_account(store: Store) {
    let site = open(&store).await;
    let subject = somebody();
    let ahead = site.clock.now().unix_seconds() + 45;
    let user = of(&but(claims(&site, &subject), json!({ "iat": ahead })));
    assert_eq!(site.profile(&user).await["version"], 1);
    let deleted = send(site.request(Method::DELETE, "/api/v1/account").bearer_auth(&user.token)).await;
    assert_eq!(deleted.status, 200);
    assert_eq!(site.get_as(&user, "/api/v1/profile").await.refusal(), (401, "unauthorized"));
    site.clock.advance(Duration::from_mins(1));
    assert_eq!(site.get_as(&user, "/api/v1/profile").await.refusal(), (401, "unauthorized"));
}

async fn the_owners_token_claims_an_account_whoever_issued_it(store: Store) {
    let site = open(&store).await;
    let unclaimed = site.unclaimed().await;
    let path = format!("/users/{}/profile", unclaimed.id);
    assert_eq!(site.put(&path, json!({ "bio": "open" })).await.status, 200);
    let owner = of(&claims(&site, &unclaimed.id));
    assert_eq!(site.profile(&owner).await["bio"], "open");
    assert_eq!(site.put(&path, json!({ "bio": "x" })).await.refusal(), (401, "unauthorized"));
}

on_both_stores! {
    a_token_that_is_ahead_of_our_clock_does_not_outlive_its_account,
    the_owners_token_claims_an_account_whoever_issued_it,
    the_first_token_makes_the_profile_with_the_address,
    only_the_claim_of_the_issuer_verifies_an_address,
    an_address_that_is_none_is_left_out,
    of_64_first_requests_at_once_all_see_the_one_profile,
    a_subject_that_is_no_uuid_has_an_id_of_its_own_for_good,
    a_later_token_changes_nothing_that_the_user_has_set,
    whatever_is_wrong_with_a_token_is_the_same_401,
    without_trusted_issuers_their_tokens_open_nothing,
    our_own_tokens_are_good_beside_trusted_issuers,
    another_users_account_is_not_there_for_an_issuers_user,
    a_logout_refuses_the_tokens_of_that_session_from_then_on,
    a_logout_with_a_token_without_a_session_refuses_that_token,
    a_logout_of_all_refuses_every_token_until_now_and_none_after,
    an_issuers_sessions_are_not_in_the_list,
    a_token_from_before_the_deletion_does_not_bring_the_account_back,
    a_token_from_after_the_deletion_makes_a_fresh_and_empty_account,
    a_deletion_outlives_a_restart_for_an_issuers_tokens,
    an_old_sign_in_at_the_issuer_does_not_delete_an_account,
    an_issuers_user_may_choose_a_name_and_a_password,
    nobody_else_sets_the_password_of_an_issuers_user,
}
