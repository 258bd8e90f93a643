//! Three facades, one model: what is written through one is read through the others. And the shapes of the seeds.

use reqwest::Method;
use serde_json::json;

use crate::Store;
use crate::on_both_stores;
use crate::site::{PASSWORD, send};

async fn the_script_of_the_web_client_passes_without_a_token(store: Store) {
    let site = store.open().await;
    let created = site.post("/users", json!({ "username": "e2e_user_7" })).await;
    assert_eq!(created.status, 201);
    let id = created.json["id"].as_str().unwrap();
    let sent = json!({
        "display_name": "Alice", "email": "alice@example.com", "bio": "Hello",
        "avatar_url": "https://ui-avatars.com/api/?name=Alice&background=random",
    });
    let put = site.put(&format!("/users/{id}/profile"), sent.clone()).await;
    assert_eq!(put.status, 200, "{put:?}");
    let read = site.get(&format!("/users/{id}")).await;
    for (name, value) in sent.as_object().unwrap() {
        assert_eq!((&read.json[name], &read.json["profile"][name]), (value, value), "{name}");
    }
    assert_eq!((&read.json["id"], &read.json["user_id"]), (&json!(id), &json!(id)));
    let password = site.put(&format!("/users/{id}/password"), json!({ "new_password": PASSWORD })).await;
    assert_eq!((password.status, &password.json["success"]), (200, &json!(true)));
    assert_eq!(site.login("e2e_user_7", PASSWORD).await.status, 200);
}

async fn the_ios_app_reads_and_writes_the_shapes_it_knows(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let sent = json!({
        "display_name": "John Smith",
        "preferences": { "voice_preference": "alloy", "default_scenario": "default" },
    });
    let posted = site.mobile_post(&user, sent).await;
    assert_eq!(posted.status, 200, "{posted:?}");
    assert_eq!(posted.json["success"], true);
    assert_eq!(posted.json["message"], "Profile updated successfully");
    assert_eq!(posted.json["user_profile"]["display_name"], "John Smith");
    let read = send(site.mobile(&user, Method::GET, "/mobile/user/profile")).await;
    assert_eq!(read.json["user_profile"], posted.json["user_profile"]);
    let keys: Vec<_> = read.json["user_profile"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        [
            "avatar_url",
            "avatar_urls",
            "created_at",
            "display_name",
            "email",
            "notification_settings",
            "preferences",
            "updated_at"
        ]
    );
    assert_eq!(
        read.json["user_profile"]["notification_settings"],
        json!({ "email_enabled": true, "push_enabled": false, "sms_enabled": false })
    );
}

async fn the_mobile_label_is_required(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for request in [
        site.request(Method::GET, "/mobile/user/profile"),
        site.request(Method::GET, "/mobile/user/profile").header("X-App-Type", "admin"),
        site.request(Method::POST, "/mobile/user/profile").json(&json!({})),
        site.request(Method::POST, "/update-user-name").json(&json!({ "name": "x" })),
    ] {
        let answer = send(request.bearer_auth(&user.token)).await;
        assert_eq!(answer.refusal(), (400, "malformed_request"));
    }
}

async fn a_write_through_the_users_facade_is_read_through_the_others(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let body = json!({ "display_name": "Ada", "company": "Analytical Engines", "preferences": { "voice_preference": "echo" } });
    assert_eq!(site.put_as(&user, &format!("/users/{}/profile", user.id), body).await.status, 200);
    let v1 = site.profile(&user).await;
    assert_eq!((&v1["display_name"], &v1["company"]), (&json!("Ada"), &json!("Analytical Engines")));
    let mobile = send(site.mobile(&user, Method::GET, "/mobile/user/profile")).await;
    assert_eq!(mobile.json["user_profile"]["display_name"], "Ada");
    assert_eq!(mobile.json["user_profile"]["preferences"]["voice_preference"], "echo");
}

async fn a_write_through_v1_is_read_through_the_others(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let urls = json!({ "small": "https://cdn.example/s.png" });
    let body = json!({ "first_name": "Ada", "last_name": "Lovelace", "avatar_urls": urls });
    assert_eq!(site.patch_as(&user, "/api/v1/profile", body).await.status, 200);
    let users = site.get_as(&user, &format!("/users/{}", user.id)).await;
    assert_eq!((&users.json["display_name"], &users.json["avatar_urls"]), (&json!("Ada Lovelace"), &urls));
    assert_eq!(users.json["profile"]["first_name"], "Ada");
    let mobile = send(site.mobile(&user, Method::GET, "/mobile/user/profile")).await;
    assert_eq!(mobile.json["user_profile"]["display_name"], "Ada Lovelace");
    assert_eq!(mobile.json["user_profile"]["avatar_urls"], urls);
}

async fn a_write_through_mobile_is_read_through_the_others(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let body = json!({ "display_name": "Ada", "preferences": { "theme_song": "x" } });
    assert_eq!(site.mobile_post(&user, body).await.status, 200);
    let v1 = site.profile(&user).await;
    assert_eq!((&v1["display_name"], &v1["preferences"]["theme_song"]), (&json!("Ada"), &json!("x")));
    let users = site.get_as(&user, &format!("/users/{}", user.id)).await;
    assert_eq!(users.json["display_name"], "Ada");
}

async fn the_first_app_may_rename_with_any_method_and_any_name(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for (method, alias) in [
        (Method::POST, "display_name"),
        (Method::PUT, "displayName"),
        (Method::PATCH, "name"),
        (Method::POST, "user_name"),
        (Method::POST, "userName"),
        (Method::POST, "username"),
    ] {
        let name = format!("Ada by {alias}");
        let answer = send(site.mobile(&user, method, "/update-user-name").json(&json!({ alias: name }))).await;
        assert_eq!((answer.status, &answer.json["user_profile"]["display_name"]), (200, &json!(name)));
        assert_eq!(answer.header("deprecation"), Some("true"));
        assert_eq!(answer.header("link"), Some("</mobile/user/profile>; rel=\"successor-version\""));
    }
    assert_eq!(site.profile(&user).await["username"], user.username.as_str());
}

async fn the_first_app_may_send_a_form(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let request = site.mobile(&user, Method::POST, "/update-user-name");
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body("userName=Ada+L%C3%B6v");
    let answer = send(request).await;
    assert_eq!((answer.status, &answer.json["user_profile"]["display_name"]), (200, &json!("Ada Löv")));
}

async fn notification_settings_merge_and_null_goes_back(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let set = |settings| site.mobile_post(&user, json!({ "notification_settings": settings }));
    let first = set(json!({ "push_enabled": true, "email_enabled": false })).await;
    assert_eq!(
        first.json["user_profile"]["notification_settings"],
        json!({ "email_enabled": false, "push_enabled": true, "sms_enabled": false })
    );
    let second = set(json!({ "email_enabled": null })).await;
    assert_eq!(
        second.json["user_profile"]["notification_settings"],
        json!({ "email_enabled": true, "push_enabled": true, "sms_enabled": false })
    );
    assert_eq!(site.profile(&user).await["version"], 1);
}

async fn the_older_facades_ignore_what_they_do_not_know(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let body = json!({ "display_name": "Ada", "is_admin": true, "id": "x", "version": 99, "created_at": "never" });
    let put = site.put_as(&user, &format!("/users/{}/profile", user.id), body.clone()).await;
    assert_eq!((put.status, &put.json["version"]), (200, &json!(2)));
    assert_eq!(site.mobile_post(&user, body).await.status, 200);
}

async fn what_a_client_got_for_a_picture_it_may_send_back(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let path = format!("/avatars/{}/abcdef0123/medium.jpg", user.id);
    let body = json!({ "avatar_url": path, "avatar_urls": { "medium": path, "huge": "https://x.test/y" } });
    let put = site.put_as(&user, &format!("/users/{}/profile", user.id), body).await;
    assert_eq!((put.status, &put.json["avatar_urls"]), (200, &json!({ "medium": path })));
}

on_both_stores! {
    the_script_of_the_web_client_passes_without_a_token,
    the_ios_app_reads_and_writes_the_shapes_it_knows,
    the_mobile_label_is_required,
    a_write_through_the_users_facade_is_read_through_the_others,
    a_write_through_v1_is_read_through_the_others,
    a_write_through_mobile_is_read_through_the_others,
    the_first_app_may_rename_with_any_method_and_any_name,
    the_first_app_may_send_a_form,
    notification_settings_merge_and_null_goes_back,
    the_older_facades_ignore_what_they_do_not_know,
    what_a_client_got_for_a_picture_it_may_send_back,
}
