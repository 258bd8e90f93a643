//! Reading pictures: the files, the address that never changes, and where the service says they are.

use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::pictures::{GREEN, RED, SIZES, form, png, routes};
use crate::site::{Answer, User, send};
use crate::{Site, Store};

async fn if_none_match(site: &Site, path: &str, tag: &str) -> Answer {
    send(site.request(Method::GET, path).header("If-None-Match", tag)).await
}

async fn alias(site: &Site, user: &User, which: &str) -> Answer {
    site.get(&format!("/avatars/{}/{which}", user.id)).await
}

async fn a_file_may_be_kept_for_ever_and_shown_anywhere(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for (path, (size, _)) in site.uploaded(&user, &png(99, 99, RED)).await.iter().zip(SIZES) {
        let answer = site.get(path).await;
        for (name, value) in [
            ("content-type", "image/jpeg"),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("x-content-type-options", "nosniff"),
            ("content-disposition", &format!("inline; filename=\"{size}.jpg\"")),
            ("cross-origin-resource-policy", "cross-origin"),
            ("content-length", &answer.bytes.len().to_string()),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        let head = send(site.request(Method::HEAD, path)).await;
        assert_eq!((head.status, head.bytes.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), answer.header("content-length"), "{path}");
        assert_eq!(head.etag(), answer.etag(), "{path}");
    }
}

async fn a_current_copy_of_a_file_is_not_sent_again(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let [thumbnail, small, ..] = site.uploaded(&user, &png(99, 99, RED)).await;
    let tag = site.get(&thumbnail).await.etag();
    assert!(tag.starts_with('"'), "{tag} is weak");
    let again = if_none_match(&site, &thumbnail, &tag).await;
    assert_eq!((again.status, again.bytes.len(), again.etag()), (304, 0, tag.clone()));
    assert_eq!(again.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(if_none_match(&site, &small, &tag).await.status, 200);
    let gone = thumbnail.replace("thumbnail.jpg", "thumbnail.png");
    assert_eq!(if_none_match(&site, &gone, "*").await.refusal(), (404, "not_found"));
}

async fn the_address_of_a_size_leads_to_the_picture(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut tags = Vec::new();
    for colour in [RED, GREEN] {
        for (path, (size, _)) in site.uploaded(&user, &png(99, 99, colour)).await.iter().zip(SIZES) {
            let answer = alias(&site, &user, size).await;
            assert_eq!((answer.status, answer.header("location")), (302, Some(path.as_str())));
            assert_eq!(answer.header("cache-control"), Some("no-cache"));
            assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
            let path = format!("/avatars/{}/{size}", user.id);
            assert_eq!(if_none_match(&site, &path, &answer.etag()).await.status, 304);
            tags.push(answer.etag());
        }
    }
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 8, "{tags:?}");
}

async fn initials_stand_where_there_is_no_picture(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut tags = Vec::new();
    for (name, letters) in [
        ("Ada Lovelace", Some("AL")),
        ("<script>alert(1)</script> \"&'", Some("S")),
        ("שלום עולם", Some("שע")),
        ("🦀🦀", None),
        (&"x".repeat(100), Some("X")),
    ] {
        let named = site.patch_as(&user, "/api/v1/profile", json!({ "display_name": name })).await;
        assert_eq!(named.status, 200, "{named:?}");
        for (size, side) in SIZES {
            let answer = alias(&site, &user, size).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/svg+xml")), "{name}");
            assert_eq!(answer.header("cache-control"), Some("no-cache"), "{name}");
            assert_eq!(answer.header("content-security-policy"), Some("default-src 'none'; frame-ancestors 'none'"));
            assert!(answer.text.contains(&format!("width=\"{side}\" height=\"{side}\"")), "{}", answer.text);
            let text = letters.map(|letters| format!(">{letters}</text>"));
            assert!(text.is_none_or(|text| answer.text.contains(&text)), "{name}: {}", answer.text);
            assert!(!answer.text.contains("<script") && !answer.text.contains("style"), "{}", answer.text);
            let path = format!("/avatars/{}/{size}", user.id);
            assert_eq!(if_none_match(&site, &path, &answer.etag()).await.status, 304, "{name}");
            tags.push(answer.etag());
        }
    }
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 20, "{tags:?}");
}

async fn nobody_is_led_to_an_address_that_a_user_chose(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    let [.., medium, _] = site.uploaded(&other, &png(99, 99, RED)).await;
    for url in ["https://evil.test/x.png", "http://evil.test/avatars/x", medium.as_str()] {
        let body = json!({ "avatar_url": url, "avatar_urls": { "small": url } });
        assert_eq!(site.patch_as(&user, "/api/v1/profile", body).await.status, 200);
        for size in ["small", "medium"] {
            let answer = alias(&site, &user, size).await;
            assert_eq!((answer.status, answer.header("location")), (200, None), "{url}");
        }
    }
}

async fn an_address_of_nobody_or_of_no_size_is_not_there(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let nobody = "0190f5fe-7c00-7a00-8000-00000000ffff";
    for path in [
        format!("/avatars/{nobody}/small"),
        format!("/avatars/{}/huge", user.id),
        format!("/avatars/{}/SMALL", user.id),
        format!("/avatars/{}/small.svg", user.id),
        format!("/avatars/{}/", user.id),
        format!("/avatars/{}", user.id),
        "/avatars/1/small".to_owned(),
        "/avatars/%00/small".to_owned(),
    ] {
        assert_eq!(site.get(&path).await.refusal(), (404, "not_found"), "{path}");
    }
    let upload = site.get(&format!("/avatars/upload/{}", user.id)).await;
    assert_eq!((upload.refusal(), upload.header("allow")), ((405, "method_not_allowed"), Some("POST")));
}

/// What each facade shows of a user's pictures.
async fn shown(site: &Site, user: &User) -> Vec<Value> {
    let profile = site.profile(user).await;
    let row = site.get_as(user, &format!("/users/{}", user.id)).await.json;
    let mobile = send(site.mobile(user, Method::GET, "/mobile/user/profile")).await.json;
    let public = site.get(&format!("/users/{}", user.id)).await.json;
    let all = [&profile, &row, &row["profile"], &mobile["user_profile"], &public, &public["profile"]];
    all.map(|seen| json!([seen["avatar_url"], seen["avatar_urls"]])).to_vec()
}

async fn with_a_public_url_every_picture_of_ours_is_shown_behind_it(store: Store) {
    let site = store.open_with(&[("PUBLIC_URL", "https://accounts.test/id/")]).await;
    let user = site.user().await;
    site.patch_as(&user, "/api/v1/profile", json!({ "public_profile": true })).await;
    let prefix = format!("https://accounts.test/id/avatars/{}/", user.id);
    for (index, (method, path)) in (1..).zip(routes(&user)) {
        let picture = png(30 * index, 30 * index, RED);
        let answer = site.send_form(method, &path, Some(&user), form(&[("file", &picture)])).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let pictures = json!([answer.json["avatar_url"], answer.json["avatar_urls"]]);
        for (size, _) in SIZES {
            assert!(answer.json["avatar_urls"][size].as_str().unwrap().starts_with(&prefix), "{answer:?}");
        }
        for seen in shown(&site, &user).await {
            assert_eq!(seen, pictures, "{path}");
        }
        let public = site.get_as(&user, &format!("/api/v1/profiles/{}", user.id)).await.json;
        assert_eq!(json!([public["avatar_url"], public["avatar_urls"]]), pictures);
        let large = answer.json["avatar_urls"]["large"].as_str().unwrap();
        assert_eq!(alias(&site, &user, "large").await.header("location"), Some(large));
        let path = large.strip_prefix("https://accounts.test/id").unwrap();
        assert_eq!(site.get(path).await.status, 200);
    }
}

async fn what_a_client_sends_back_changes_nothing(store: Store) {
    for public in [None, Some(("PUBLIC_URL", "https://accounts.test"))] {
        let site = store.open_with(public.as_slice()).await;
        let user = site.user().await;
        site.uploaded(&user, &png(99, 99, RED)).await;
        let before = site.profile(&user).await;
        let body = json!({ "avatar_url": before["avatar_url"], "avatar_urls": before["avatar_urls"] });
        let users = format!("/users/{}/profile", user.id);
        assert_eq!(site.patch_as(&user, "/api/v1/profile", body.clone()).await.json, before);
        assert_eq!(site.put_as(&user, &users, body).await.json["version"], before["version"]);
        let elsewhere = json!({ "avatar_url": "https://accounts.test.evil.test/avatars/x.png" });
        let moved = site.patch_as(&user, "/api/v1/profile", elsewhere.clone()).await.json;
        assert_eq!(moved["avatar_url"], elsewhere["avatar_url"]);
    }
}

on_both_stores! {
    a_file_may_be_kept_for_ever_and_shown_anywhere,
    a_current_copy_of_a_file_is_not_sent_again,
    the_address_of_a_size_leads_to_the_picture,
    initials_stand_where_there_is_no_picture,
    nobody_is_led_to_an_address_that_a_user_chose,
    an_address_of_nobody_or_of_no_size_is_not_there,
    with_a_public_url_every_picture_of_ours_is_shown_behind_it,
    what_a_client_sends_back_changes_nothing,
}
