//! What is wrong with a field of the profile by its own rule: an address, a URL, a zone, a number, a preference.

use std::net::TcpListener;

use reqwest::Method;
use serde_json::json;

use super::{PROFILE, Row, drive, field, raw, state};
use crate::on_both_stores;
use crate::site::PASSWORD;
use crate::{Site, Store};

pub(super) const NO_EMAILS: &[&str] = &[
    "a@b.example\r\nBcc: x@y.example",
    "a@b\r\nBcc: x@y",
    "a\r\nBcc: x@y.example",
    "a@b.example\nx",
    "a@b%0ABcc:x",
    "a%0D%0ABcc@b.example",
    "a@b.example,c@d.example",
    "a@b.example;c@d.example",
    "Ada <a@b.example>",
    "a",
    "@b.example",
    "a@",
    "a@b",
    "a@@b.example",
    "a@b@c.example",
    "\"a b\"@x.y",
    "a b@x.y",
    "a@[127.0.0.1]",
    "a@b.c.",
    "a@.c",
    "a.@b.c",
    "a\u{ff20}b.c",
    "a@b\u{3002}example",
    "a\u{e9}@b.example",
];

const NO_URLS: &[&str] = &[
    "javascript:alert(1)",
    "JaVa\tScript:alert(1)",
    "java\nscript:alert(1)",
    " javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "//evil.test",
    "\\\\evil.test\\x",
    "https:evil.test",
    "https:/evil.test",
    "https:///evil.test",
    "https://good\\@evil",
    "https://good.test@evil.test",
    "http://user:pw@h",
    "file:///etc/passwd",
    "ftp://h/x",
    "gopher://h/x",
    "http://169.254.169.254",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/",
    "http://[fe80::1]/",
    "http://h:0x50/",
    "http://h:99999/",
    "/etc/passwd",
    "/avatars/../etc/passwd",
    "www.evil.test",
];

/// Fields of the profile, each with values that break its rule.
fn wrong_fields() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    rows.extend(NO_EMAILS.iter().map(|email| field("email", *email)));
    rows.push(field("email", format!("{}@example.com", "a".repeat(244))));
    for url in NO_URLS {
        rows.extend([field("website", *url), field("avatar_url", *url)]);
        rows.extend(["thumbnail", "small", "medium", "large"].map(|size| field("avatar_urls", json!({ size: url }))));
    }
    rows.push(field("avatar_urls", json!({ "small": format!("https://e.test/{}", "a".repeat(2_034)) })));
    rows.extend([json!([]), json!("https://e.test/"), json!({ "small": 7 })].map(|urls| field("avatar_urls", urls)));
    let zones = ["", "Mars/Olympus", "utc+5", "Foo5", "europe/berlin", "Europe/Berlin\0", "+02:00", "../../etc/passwd"];
    rows.extend(zones.map(|zone| field("timezone", zone)));
    rows.push(field("timezone", "a".repeat(101)));
    rows.extend(["", "xx-YY-zz-toolong", "en_US", "e", "en--US", "../en"].map(|tag| field("language", tag)));
    let phones = [
        "letters",
        "+49 CALL ME",
        "0301234567",
        "+12345678901234567890",
        "+٤٩٣٠١٢٣٤٥٦",
        "+4930123456;ext=1",
        "+0123456789",
    ];
    rows.extend(phones.map(|phone| field("phone", phone)));
    for name in ["linkedin_username", "github_username", "twitter_username"] {
        rows.extend(["a/b", "a?b", "a#b", "a b", "@a", "../a", "a%2Fb", "\u{e9}"].map(|handle| field(name, handle)));
    }
    rows.extend(["ab", "", "a b", "a/b", "ada@x"].map(|name| field("username", name)));
    for name in ["public_profile", "email_notifications", "marketing_emails"] {
        rows.extend([json!("true"), json!(1), json!(0), json!(""), json!([])].map(|value| field(name, value)));
    }
    for name in ["display_name", "bio", "email", "website", "timezone", "preferences", "avatar_urls", "username"] {
        rows.extend([json!(7), json!(true), json!([[]])].map(|value| field(name, value)));
    }
    rows.extend(wrong_preferences());
    rows
}

fn wrong_preferences() -> Vec<Row> {
    [
        json!({ "voice_preference": "a".repeat(21) }),
        json!({ "voice_preference": "a b" }),
        json!({ "voice_preference": "" }),
        json!({ "voice_preference": 7 }),
        json!({ "default_scenario": "a".repeat(51) }),
        json!({ "default_scenario": "🦀".repeat(51) }),
        json!({ "default_scenario": "" }),
        json!({ "default_scenario": ["x"] }),
        json!({ "call_history": true }),
        json!({ "call_history": { "enabled": "yes" } }),
        json!({ "call_history": { "retention_days": 0 } }),
        json!({ "call_history": { "retention_days": -1 } }),
        json!({ "call_history": { "retention_days": 3_651 } }),
        json!({ "call_history": { "retention_days": 1_u64 << 31 } }),
        json!({ "call_history": { "retention_days": 1.5 } }),
        json!({ "free": { "deep": ["a\u{0}b"] } }),
        json!({ "free": "x".repeat(17_000) }),
        json!({ "a\u{0}": 1 }),
        json!({ "a\u{0}": null }),
        json!({ "a\u{1}b": 1 }),
        json!({ "n": [1e-307] }),
        json!({ "n": 1e300 }),
    ]
    .map(|document| field("preferences", document))
    .into()
}

async fn fields_that_break_their_rules_are_refused(store: Store) {
    let site = store.open().await;
    for (method, path) in [(Method::PATCH, PROFILE), (Method::PUT, "/users/{id}/profile")] {
        drive(&site, method, path, wrong_fields()).await;
    }
    let mut mobile = wrong_preferences();
    for name in ["email_enabled", "push_enabled", "sms_enabled"] {
        let values = [json!("true"), json!(1), json!([])];
        mobile.extend(values.map(|value| field("notification_settings", json!({ name: value }))));
    }
    mobile.extend([json!(true), json!([])].map(|value| field("notification_settings", value)));
    drive(&site, Method::POST, "/mobile/user/profile", mobile).await;
    let names = ["display_name", "displayName", "name", "user_name", "userName", "username"];
    let mut renamed: Vec<_> = names.into_iter().map(|name| field(name, 7)).collect();
    renamed.push(raw("{}", 400, "validation_failed"));
    renamed.push(field("name", "🦀".repeat(101)));
    drive(&site, Method::POST, "/update-user-name", renamed).await;
}

async fn somebody_elses_address_is_a_contact_like_any_other(store: Store) {
    let site = store.open().await;
    let body = json!({ "username": Site::fresh_name(), "password": PASSWORD, "email": "ada@example.com" });
    let (owner, user) = (site.register(body).await, site.user().await);
    let before = state(&site, &owner).await;
    for address in ["nobody@example.com", "ada@example.com", "ADA@Example.com", " ada@example.com "] {
        let answer = site.patch_as(&user, PROFILE, json!({ "email": address })).await;
        assert_eq!(
            (answer.status, &answer.json["email"], &answer.json["email_verified"]),
            (200, &json!(address.trim()), &json!(false))
        );
        let new = json!({ "username": Site::fresh_name(), "email": address });
        assert_eq!(site.post("/users", new).await.status, 201, "{address}");
        assert_eq!(site.login(address, PASSWORD).await.refusal(), (401, "unauthorized"), "{address}");
    }
    let decomposed = site.patch_as(&user, PROFILE, json!({ "email": "ade\u{301}@example.com" })).await;
    assert_eq!(decomposed.refusal(), (400, "validation_failed"));
    assert_eq!(state(&site, &owner).await, before);
}

async fn no_address_that_is_stored_is_ever_called(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/x.png", listener.local_addr().unwrap());
    let body = json!({ "website": url, "avatar_url": url, "avatar_urls": { "small": url }, "public_profile": true });
    assert_eq!(site.patch_as(&user, PROFILE, body).await.status, 200);
    assert_eq!(site.get(&format!("/users/{}", user.id)).await.json["avatar_url"], url);
    let called = listener.accept().map(|(_, caller)| caller);
    assert_eq!(called.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

on_both_stores! {
    fields_that_break_their_rules_are_refused,
    somebody_elses_address_is_a_contact_like_any_other,
    no_address_that_is_stored_is_ever_called,
}
