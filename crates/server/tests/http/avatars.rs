//! Uploading pictures: what is made of them, who may, and what they leave behind.

mod serving;
mod storing;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::pictures::{FORM, GLASS, GREEN, RED, SIZES, dimensions, form, png, routes};
use crate::site::{PASSWORD, User, send};
use crate::{Site, Store};

const AVATAR: &str = "/api/v1/profile/avatar";

async fn sides(site: &Site, paths: &[String]) -> Vec<u32> {
    let mut sides = Vec::new();
    for path in paths {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let (width, height) = dimensions(&answer.bytes);
        assert_eq!(width, height, "{path}");
        sides.push(width);
    }
    sides
}

async fn a_picture_sent_to_any_route_is_seen_through_every_facade(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for (index, (method, path)) in (1..).zip(routes(&user)) {
        let picture = png(20 * index, 20 * index, RED);
        let answer = site.send_form(method, &path, Some(&user), form(&[("avatar", &picture)])).await;
        assert_eq!((answer.status, &answer.json["success"]), (200, &json!(true)), "{path}: {answer:?}");
        let (url, urls) = (&answer.json["avatar_url"], &answer.json["avatar_urls"]);
        assert_eq!(url, &urls["medium"], "{path}");
        let profile = site.get_as(&user, "/api/v1/profile").await;
        assert_eq!((profile.etag(), &profile.json["version"]), (answer.etag(), &json!(1 + index)), "{path}");
        let row = site.get(&format!("/users/{}", user.id)).await.json;
        let mobile = send(site.mobile(&user, Method::GET, "/mobile/user/profile")).await.json;
        for seen in [&profile.json, &row, &row["profile"], &mobile["user_profile"]] {
            assert_eq!((&seen["avatar_url"], &seen["avatar_urls"]), (url, urls), "{path}: {seen}");
        }
    }
}

async fn every_size_is_a_square_of_its_own(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let paths = site.uploaded(&user, &png(700, 600, RED)).await;
    assert_eq!(sides(&site, &paths).await, SIZES.map(|(_, side)| side));
    for (path, (size, _)) in paths.iter().zip(SIZES) {
        assert!(
            path.starts_with(&format!("/avatars/{}/", user.id)) && path.ends_with(&format!("/{size}.jpg")),
            "{path}"
        );
    }
}

async fn nothing_is_larger_than_what_it_is_made_of(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let paths = site.uploaded(&user, &png(200, 90, RED)).await;
    assert_eq!(sides(&site, &paths).await, [64, 90, 90, 90]);
}

async fn a_size_is_made_of_the_part_that_is_meant_for_it(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let (one, two, three, four) = (png(40, 40, RED), png(50, 60, RED), png(70, 70, GREEN), png(80, 90, GREEN));
    let parts: [(&str, &[u8]); 4] = [("thumbnail", &one), ("small", &two), ("medium", &three), ("large", &four)];
    let urls = site.upload(&user, &parts).await.json["avatar_urls"].clone();
    let paths = SIZES.map(|(size, _)| urls[size].as_str().unwrap().to_owned());
    assert_eq!(sides(&site, &paths).await, [40, 50, 70, 80]);
    let urls = site.upload(&user, &[("small", &two), ("image", &four)]).await.json["avatar_urls"].clone();
    let paths = SIZES.map(|(size, _)| urls[size].as_str().unwrap().to_owned());
    assert_eq!(sides(&site, &paths).await, [64, 50, 80, 80]);
}

async fn what_is_transparent_stays_so(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for path in site.uploaded(&user, &png(100, 100, GLASS)).await {
        let answer = site.get(&path).await;
        assert!(path.rsplit_once('.').unwrap().1 == "png" && answer.bytes.starts_with(b"\x89PNG"), "{path}");
        assert_eq!(answer.header("content-type"), Some("image/png"));
    }
}

async fn the_same_picture_again_changes_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let first = site.uploaded(&user, &png(100, 100, RED)).await;
    let before = site.profile(&user).await;
    assert_eq!(site.uploaded(&user, &png(100, 100, RED)).await, first);
    assert_eq!(site.profile(&user).await, before);
}

async fn a_replaced_picture_is_still_there(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let old = site.uploaded(&user, &png(100, 100, RED)).await;
    let new = site.uploaded(&user, &png(100, 100, GREEN)).await;
    assert!(old.iter().all(|path| !new.contains(path)));
    for path in old.iter().chain(&new) {
        assert_eq!(site.get(path).await.status, 200, "{path}");
    }
}

async fn an_avatar_is_taken_away_and_stays_away(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let [thumbnail, ..] = site.uploaded(&user, &png(100, 100, RED)).await;
    let first = site.delete_as(&user, AVATAR).await;
    assert_eq!((first.status, first.text.as_str()), (204, ""));
    let profile = site.get_as(&user, "/api/v1/profile").await;
    assert_eq!((&profile.json["avatar_url"], &profile.json["avatar_urls"]), (&Value::Null, &Value::Null));
    assert_eq!((first.etag(), &profile.json["version"]), (profile.etag(), &json!(3)));
    assert_eq!(site.delete_as(&user, AVATAR).await.status, 204);
    assert_eq!(site.profile(&user).await, profile.json);
    assert_eq!(site.get(&thumbnail).await.status, 200);
    assert_eq!(site.get(&format!("/avatars/{}/small", user.id)).await.status, 200);
    assert_eq!(site.uploaded(&user, &png(100, 100, RED)).await[0], thumbnail);
}

async fn a_picture_from_elsewhere_is_taken_away_too(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.patch_as(&user, "/api/v1/profile", json!({ "avatar_url": "https://a.example/x.png" })).await;
    assert_eq!(site.delete_as(&user, AVATAR).await.status, 204);
    assert_eq!(site.profile(&user).await["avatar_url"], Value::Null);
}

async fn by_id(site: &Site, user: Option<&User>, id: &str, form: &[u8]) -> [(u16, String); 2] {
    let post = site.send_form(Method::POST, &format!("/avatars/upload/{id}"), user, form.to_vec()).await;
    let put = site.send_form(Method::PUT, &format!("/users/{id}/avatar"), user, form.to_vec()).await;
    [(post.status, post.text), (put.status, put.text)]
}

async fn only_the_owner_of_a_claimed_account_uploads(store: Store) {
    let site = store.open().await;
    let (user, stranger) = (site.user().await, site.user().await);
    let picture = form(&[("file", &png(9, 9, RED))]);
    let nobody = "0190f5fe-7c00-7a00-8000-00000000ffff";
    for (caller, status) in [(None, 401), (Some(&stranger), 404)] {
        // What is there and what is not answer alike, whatever the body is.
        let answers = by_id(&site, caller, &user.id, &picture).await;
        assert!(answers.iter().all(|(told, _)| *told == status), "{answers:?}");
        assert_eq!(by_id(&site, caller, nobody, &picture).await, answers);
        assert_eq!(by_id(&site, caller, &user.id, b"nonsense").await, answers);
    }
    for id in ["1", "%00", "a%2Fb", "..%2f"] {
        assert!(by_id(&site, Some(&user), id, &picture).await.iter().all(|(status, _)| *status == 404), "{id}");
    }
    assert_eq!(site.send_form(Method::POST, AVATAR, None, picture).await.refusal(), (401, "unauthorized"));
    assert_eq!(send(site.request(Method::DELETE, AVATAR)).await.refusal(), (401, "unauthorized"));
    assert_eq!(site.profile(&user).await["version"], 1);
}

async fn an_unclaimed_account_takes_a_picture_by_its_id(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    let picture = form(&[("file", &png(9, 9, RED))]);
    assert!(by_id(&site, None, &user.id, &picture).await.iter().all(|(status, _)| *status == 200));
    site.clock.advance(Duration::from_hours(1));
    assert!(by_id(&site, None, &user.id, &picture).await.iter().all(|(status, _)| *status == 401));
}

async fn in_open_mode_strangers_upload_and_in_jwt_mode_nobody_without_a_token(store: Store) {
    let site = store.open_with(&[("USERS_AUTH", "open")]).await;
    let body = json!({ "username": Site::fresh_name(), "password": PASSWORD, "email": "a@b.example" });
    let user = site.register(body).await;
    let picture = form(&[("file", &png(9, 9, RED))]);
    let answers = by_id(&site, None, &user.id, &picture).await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let path = format!("/users/{}/avatar", user.id);
    let stale = site.request(Method::PUT, &path).header("If-Match", "\"0\"").header("Content-Type", FORM);
    let stale = send(stale.body(picture.clone())).await;
    assert_eq!(stale.refusal(), (412, "precondition_failed"));
    assert!(!stale.text.contains("a@b.example"), "{stale:?}");
    let site = store.open_with(&[("USERS_AUTH", "jwt")]).await;
    let user = site.unclaimed().await;
    assert!(by_id(&site, None, &user.id, &picture).await.iter().all(|(status, _)| *status == 401));
}

async fn a_picture_that_is_not_stored_is_not_shown(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let [.., large] = site.uploaded(&user, &png(99, 99, RED)).await;
    let digest = large.split('/').nth(3).unwrap();
    let invented = large.replace(digest, &"f".repeat(32));
    let before = site.profile(&user).await;
    for body in [json!({ "avatar_url": invented, "bio": "x" }), json!({ "avatar_urls": { "large": invented } })] {
        let by_id = format!("/users/{}/profile", user.id);
        let answers = [
            site.patch_as(&user, "/api/v1/profile", body.clone()).await,
            site.put_as(&user, &by_id, body.clone()).await,
        ];
        for answer in answers {
            assert_eq!(answer.status, 400, "{answer:?}");
            assert!(answer.json["error"]["details"]["fields"]["avatar_url"].is_array(), "{answer:?}");
        }
        assert_eq!(site.profile(&user).await, before);
    }
}

async fn a_stale_copy_is_refused_with_the_current_one(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let fresh = site.get_as(&user, "/api/v1/profile").await.etag();
    let picture = form(&[("file", &png(9, 9, RED))]);
    for (method, path) in routes(&user) {
        let request = |tag: &str| {
            let request = site.request(method.clone(), &path).bearer_auth(&user.token).header("If-Match", tag);
            request.header("Content-Type", FORM).body(picture.clone())
        };
        let refused = send(request("\"99-00000000\"")).await;
        assert_eq!(refused.refusal(), (412, "precondition_failed"), "{path}");
        assert_eq!(refused.json["error"]["details"]["current"]["id"], user.id.as_str(), "{path}");
        let tag = site.get_as(&user, "/api/v1/profile").await.etag();
        assert_eq!(send(request(&tag)).await.status, 200, "{path}");
    }
    let clear =
        |tag: String| send(site.request(Method::DELETE, AVATAR).bearer_auth(&user.token).header("If-Match", tag));
    assert_eq!(clear(fresh).await.refusal(), (412, "precondition_failed"));
    assert_eq!(clear(site.get_as(&user, "/api/v1/profile").await.etag()).await.status, 204);
}

on_both_stores! {
    a_picture_sent_to_any_route_is_seen_through_every_facade,
    every_size_is_a_square_of_its_own,
    nothing_is_larger_than_what_it_is_made_of,
    a_size_is_made_of_the_part_that_is_meant_for_it,
    what_is_transparent_stays_so,
    the_same_picture_again_changes_nothing,
    a_replaced_picture_is_still_there,
    an_avatar_is_taken_away_and_stays_away,
    a_picture_from_elsewhere_is_taken_away_too,
    only_the_owner_of_a_claimed_account_uploads,
    an_unclaimed_account_takes_a_picture_by_its_id,
    in_open_mode_strangers_upload_and_in_jwt_mode_nobody_without_a_token,
    a_picture_that_is_not_stored_is_not_shown,
    a_stale_copy_is_refused_with_the_current_one,
}
