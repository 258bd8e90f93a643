//! Who may do what, to whose account: claim-once and its modes, passwords, sign-in.

use std::time::Duration;

use serde_json::json;

use crate::Store;
use crate::on_both_stores;
use crate::site::{PASSWORD, Site, User, send};

async fn tokenless_write(site: &Site, user: &User) -> u16 {
    site.put(&format!("/users/{}/profile", user.id), json!({ "bio": "by whoever has the id" })).await.status
}

async fn an_unclaimed_account_shows_all_and_takes_writes_by_its_id(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    assert_eq!(tokenless_write(&site, &user).await, 200);
    let read = site.get(&format!("/users/{}", user.id)).await;
    assert!(read.json["profile"]["preferences"].is_object(), "{read:?}");
}

async fn the_first_password_claims_the_account(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    let set = site.put(&format!("/users/{}/password", user.id), json!({ "new_password": PASSWORD })).await;
    assert_eq!(set.status, 200);
    assert!(set.json["access_token"].is_string() && set.json["refresh_token"].is_string(), "{set:?}");
    assert_eq!(tokenless_write(&site, &user).await, 401);
    let again = site.put(&format!("/users/{}/password", user.id), json!({ "new_password": "An0therPassw0rd" })).await;
    assert_eq!(again.refusal(), (401, "unauthorized"));
    assert_eq!(site.login(&user.username, PASSWORD).await.status, 200);
}

async fn the_first_use_of_its_token_claims_the_account(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    assert_eq!(site.get_as(&user, "/api/v1/profile").await.status, 200);
    assert_eq!(tokenless_write(&site, &user).await, 401);
    assert_eq!(site.put_as(&user, &format!("/users/{}/profile", user.id), json!({ "bio": "mine" })).await.status, 200);
}

async fn the_end_of_the_window_closes_the_account(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    site.clock.advance(Duration::from_secs(59 * 60 + 59));
    assert_eq!(tokenless_write(&site, &user).await, 200);
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(tokenless_write(&site, &user).await, 401);
}

async fn an_account_with_a_password_was_never_open(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    assert_eq!(tokenless_write(&site, &user).await, 401);
}

async fn in_jwt_mode_nothing_is_open(store: Store) {
    let site = store.open_with(&[("USERS_AUTH", "jwt")]).await;
    let user = site.unclaimed().await;
    assert_eq!(tokenless_write(&site, &user).await, 401);
    let read = site.get(&format!("/users/{}", user.id)).await;
    assert_eq!((read.status, read.json["profile"].get("email")), (200, None));
    let set = site.put(&format!("/users/{}/password", user.id), json!({ "new_password": PASSWORD })).await;
    assert_eq!(set.status, 401);
}

async fn in_open_mode_strangers_write_and_do_not_read(store: Store) {
    let site = store.open_with(&[("USERS_AUTH", "open")]).await;
    let user =
        site.register(json!({ "username": Site::fresh_name(), "password": PASSWORD, "email": "a@b.example" })).await;
    let put = site.put(&format!("/users/{}/profile", user.id), json!({ "display_name": "Ada" })).await;
    assert_eq!((put.status, &put.json["display_name"]), (200, &json!("Ada")));
    assert!(!put.text.contains("a@b.example"), "{put:?}");
    let set = site.put(&format!("/users/{}/password", user.id), json!({ "new_password": "An0therPassw0rd" })).await;
    assert_eq!(set.status, 401);
}

async fn strangers_see_the_public_view_only(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let stranger = site.user().await;
    let body =
        json!({ "email": "ada@example.com", "phone": "+4930123456", "bio": "Hello", "website": "https://ada.example" });
    site.patch_as(&user, "/api/v1/profile", body).await;
    let path = format!("/users/{}", user.id);
    for read in [site.get(&path).await, site.get_as(&stranger, &path).await] {
        assert_eq!(read.status, 200);
        assert_eq!(read.json["display_name"], user.username.as_str());
        for secret in ["ada@example.com", "+4930123456", "Hello", "ada.example", "preferences"] {
            assert!(!read.text.contains(secret), "{secret} in {}", read.text);
        }
    }
    site.patch_as(&user, "/api/v1/profile", json!({ "public_profile": true })).await;
    let read = site.get(&path).await;
    assert_eq!((&read.json["bio"], &read.json["profile"]["website"]), (&json!("Hello"), &json!("https://ada.example")));
    assert!(!read.text.contains("ada@example.com") && !read.text.contains("+4930123456"));
}

async fn another_users_account_is_not_there(store: Store) {
    let site = store.open().await;
    let (user, stranger) = (site.user().await, site.user().await);
    let nobody = "0190f5fe-7c00-7a00-8000-00000000ffff";
    for path in ["profile", "password"] {
        let body = || json!({ "display_name": "Eve", "new_password": "An0therPassw0rd" });
        let theirs = site.put_as(&stranger, &format!("/users/{}/{path}", user.id), body()).await;
        let none = site.put_as(&stranger, &format!("/users/{nobody}/{path}"), body()).await;
        assert_eq!((theirs.status, &theirs.text), (404, &none.text));
    }
    assert_eq!(site.profile(&user).await["version"], 1);
}

async fn without_a_credential_what_exists_and_what_does_not_answer_alike(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let nobody = "0190f5fe-7c00-7a00-8000-00000000ffff";
    for path in ["profile", "password"] {
        let body = || json!({ "new_password": "An0therPassw0rd" });
        let theirs = site.put(&format!("/users/{}/{path}", user.id), body()).await;
        let none = site.put(&format!("/users/{nobody}/{path}"), body()).await;
        assert_eq!((theirs.status, &theirs.text), (401, &none.text));
    }
}

async fn an_unknown_user_is_told_as_the_web_client_expects(store: Store) {
    let site = store.open().await;
    for id in ["0190f5fe-7c00-7a00-8000-00000000ffff", "1", "%00", "{0190f5fe-7c00-7a00-8000-00000000ffff}", "a%2Fb"] {
        let answer = site.get(&format!("/users/{id}")).await;
        assert_eq!((answer.status, &answer.json["detail"]), (404, &json!("User not found")), "{id}");
    }
}

async fn a_public_profile_is_shown_on_v1_and_a_private_one_is_not_there(store: Store) {
    let site = store.open().await;
    let (user, reader) = (site.user().await, site.user().await);
    let path = format!("/api/v1/profiles/{}", user.id);
    assert_eq!(site.get_as(&reader, &path).await.refusal(), (404, "not_found"));
    site.patch_as(
        &user,
        "/api/v1/profile",
        json!({ "public_profile": true, "first_name": "Ada", "email": "a@b.example" }),
    )
    .await;
    let read = site.get_as(&reader, &path).await;
    assert_eq!((read.status, &read.json["shown_name"]), (200, &json!("Ada")));
    assert!(!read.text.contains("a@b.example"));
    assert_eq!(site.get(&path).await.status, 401);
}

async fn usernames_are_unique_without_regard_to_case(store: Store) {
    let site = store.open().await;
    let user = site.register(json!({ "username": "Ada_Case", "password": PASSWORD })).await;
    let taken = site.post("/users", json!({ "username": "aDA_cASE" })).await;
    assert_eq!(taken.refusal(), (409, "username_taken"));
    let other = site.user().await;
    let renamed = site.patch_as(&other, "/api/v1/profile", json!({ "username": "ADA_CASE" })).await;
    assert_eq!(renamed.refusal(), (409, "username_taken"));
    let own = site.patch_as(&user, "/api/v1/profile", json!({ "username": "ADA_CASE" })).await;
    assert_eq!((own.status, &own.json["username"]), (200, &json!("ADA_CASE")));
    assert_eq!(site.login("ada_case", PASSWORD).await.status, 200);
}

async fn a_fresh_sign_in_stands_in_for_the_current_password(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let path = format!("/users/{}/password", user.id);
    site.clock.advance(Duration::from_mins(5));
    let fresh = site.put_as(&user, &path, json!({ "new_password": "An0therPassw0rd" })).await;
    let user = user.with(&fresh);
    site.clock.advance(Duration::from_secs(5 * 60 + 1));
    let stale = site.put_as(&user, &path, json!({ "new_password": "Th1rdPassw0rd" })).await;
    assert_eq!(stale.refusal(), (403, "reauthentication_required"));
    let proven = json!({ "new_password": "Th1rdPassw0rd", "current_password": "An0therPassw0rd" });
    assert_eq!(site.put_as(&user, &path, proven).await.status, 200);
    assert_eq!(site.login(&user.username, "Th1rdPassw0rd").await.status, 200);
}

async fn a_wrong_current_password_is_forbidden(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let body = json!({ "new_password": "An0therPassw0rd", "current_password": "Wr0ngPassw0rd" });
    let answer = site.put_as(&user, &format!("/users/{}/password", user.id), body).await;
    assert_eq!(answer.refusal(), (403, "forbidden"));
    assert_eq!(site.login(&user.username, PASSWORD).await.status, 200);
}

async fn of_many_first_passwords_at_once_one_wins(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    let path = format!("/users/{}/password", user.id);
    let racing = (0..8).map(|n| site.put(&path, json!({ "new_password": format!("Str0ngPassw0rd{n}") })));
    let answers = futures_util::future::join_all(racing).await;
    let won: Vec<_> = answers.iter().enumerate().filter(|(_, answer)| answer.status == 200).map(|(n, _)| n).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    assert_eq!(site.login(&user.username, &format!("Str0ngPassw0rd{}", won[0])).await.status, 200);
}

async fn a_registration_answers_with_the_row_and_a_token(store: Store) {
    let site = store.open().await;
    let name = Site::fresh_name();
    let body = json!({ "username": name, "display_name": "Ada", "email": "ada@example.com", "password": PASSWORD });
    let answer = site.post("/users", body).await;
    assert_eq!(answer.status, 201);
    let id = answer.json["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), Some(format!("/users/{id}").as_str()));
    assert_eq!(answer.json["token_type"], "Bearer");
    assert_eq!(answer.json["expires_in"], 900);
    assert_eq!(
        (&answer.json["email"], &answer.json["profile"]["email_verified"]),
        (&json!("ada@example.com"), &json!(false))
    );
    let read = send(
        site.request(reqwest::Method::GET, &format!("/users/{id}"))
            .bearer_auth(answer.json["access_token"].as_str().unwrap()),
    )
    .await;
    for (name, value) in read.json.as_object().unwrap() {
        assert_eq!(&answer.json[name], value, "{name}");
    }
}

async fn in_open_mode_a_stale_copy_shows_a_stranger_nothing_private(store: Store) {
    let site = store.open_with(&[("USERS_AUTH", "open")]).await;
    let user =
        site.register(json!({ "username": Site::fresh_name(), "password": PASSWORD, "email": "a@b.example" })).await;
    let request =
        site.request(reqwest::Method::PUT, &format!("/users/{}/profile", user.id)).header("If-Match", "\"0\"");
    let refused = send(request.json(&json!({ "bio": "x" }))).await;
    assert_eq!(refused.refusal(), (412, "precondition_failed"));
    assert_eq!(refused.json["error"]["details"]["current"]["id"], user.id.as_str());
    assert!(!refused.text.contains("a@b.example"), "{refused:?}");
}

async fn a_password_is_not_read_before_the_credential(store: Store) {
    let site = store.open().await;
    let (user, stranger) = (site.user().await, site.user().await);
    let path = format!("/users/{}/password", user.id);
    assert_eq!(site.put(&path, json!({})).await.refusal(), (401, "unauthorized"));
    assert_eq!(site.put_as(&stranger, &path, json!({})).await.refusal(), (404, "not_found"));
    assert_eq!(site.put_as(&user, &path, json!({})).await.refusal(), (400, "validation_failed"));
}

on_both_stores! {
    in_open_mode_a_stale_copy_shows_a_stranger_nothing_private,
    a_password_is_not_read_before_the_credential,
    an_unclaimed_account_shows_all_and_takes_writes_by_its_id,
    the_first_password_claims_the_account,
    the_first_use_of_its_token_claims_the_account,
    the_end_of_the_window_closes_the_account,
    an_account_with_a_password_was_never_open,
    in_jwt_mode_nothing_is_open,
    in_open_mode_strangers_write_and_do_not_read,
    strangers_see_the_public_view_only,
    another_users_account_is_not_there,
    without_a_credential_what_exists_and_what_does_not_answer_alike,
    an_unknown_user_is_told_as_the_web_client_expects,
    a_public_profile_is_shown_on_v1_and_a_private_one_is_not_there,
    usernames_are_unique_without_regard_to_case,
    a_fresh_sign_in_stands_in_for_the_current_password,
    a_wrong_current_password_is_forbidden,
    of_many_first_passwords_at_once_one_wins,
    a_registration_answers_with_the_row_and_a_token,
}
