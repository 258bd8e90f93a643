//! What is wrong with a password, a registration, a sign-in.

use reqwest::Method;
use serde_json::{Value, json};

use super::fields::NO_EMAILS;
use super::state;
use crate::Store;
use crate::hasher::WatchedHasher;
use crate::on_both_stores;
use crate::site::{PASSWORD, send};

async fn a_password_that_may_not_be_one_is_refused(store: Store) {
    let site = store.open().await;
    let body = json!({ "username": "Ada_Passw0rd", "password": PASSWORD, "email": "ada@example.com" });
    let user = site.register(body).await;
    let path = format!("/users/{}/password", user.id);
    let refused = [
        String::new(),
        "7 chars".to_owned(),
        "🦀".repeat(7),
        "x".repeat(1_025),
        "🦀".repeat(1_025),
        "password".to_owned(),
        "PASSWORD".to_owned(),
        "iloveyou".to_owned(),
        "12345678".to_owned(),
        "Ada_Passw0rd".to_owned(),
        "aDA_pASSW0RD".to_owned(),
        "ada@example.com".to_owned(),
        "ADA@EXAMPLE.COM".to_owned(),
    ];
    for password in refused {
        let answer = site.put_as(&user, &path, json!({ "new_password": password })).await;
        assert_eq!(answer.refusal(), (400, "validation_failed"), "{password}");
        assert!(answer.json["error"]["details"]["fields"]["new_password"].is_array(), "{answer:?}");
        assert!(password.is_empty() || !answer.text.contains(&format!("\"{password}\"")), "{answer:?}");
        let new = json!({ "username": "Ada_Passw0rd2", "email": "ada@example.com", "password": password });
        let is_own_name = password.to_lowercase() == "ada_passw0rd";
        if !is_own_name {
            let answer = site.post("/users", new).await;
            assert_eq!(answer.refusal(), (400, "validation_failed"), "{password}");
            assert!(answer.json["error"]["details"]["fields"]["password"].is_array(), "{answer:?}");
        }
    }
    for password in [json!(null), json!(7), json!(["An0therPassw0rd"]), json!({ "x": "An0therPassw0rd" }), json!(true)]
    {
        let answer = site.put_as(&user, &path, json!({ "new_password": password })).await;
        assert_eq!(answer.refusal(), (400, "validation_failed"), "{password}");
    }
    let huge = site.put_as(&user, &path, json!({ "new_password": "x".repeat(1_048_576) })).await;
    assert_eq!(huge.refusal(), (413, "payload_too_large"));
    assert_eq!(site.login(&user.username, PASSWORD).await.status, 200);
    assert_eq!(site.post("/users", json!({ "username": "Ada_Passw0rd2" })).await.status, 201);
}

async fn a_password_is_taken_exactly_as_typed(store: Store) {
    let site = store.open().await;
    let mut user = site.user().await;
    let path = format!("/users/{}/password", user.id);
    let mut current = PASSWORD.to_owned();
    // Each with what a hasher would take for the same that cuts, trims or folds.
    for (password, others) in [
        ("        ".to_owned(), vec!["         ".to_owned(), "       ".to_owned(), String::new()]),
        ("  Sp4ces at both ends ".to_owned(), vec!["Sp4ces at both ends".to_owned()]),
        ("x".repeat(64), vec!["x".repeat(63), "x".repeat(65)]),
        ("x".repeat(73), vec!["x".repeat(72)]),
        ("🦀".repeat(128), vec!["🦀".repeat(127)]),
        ("x".repeat(1_024), vec!["x".repeat(1_023), "x".repeat(1_025)]),
        ("🦀".repeat(1_024), vec!["🦀".repeat(1_023)]),
        ("Before\0After1".to_owned(), vec!["Before".to_owned(), "Before\0".to_owned(), "BeforeAfter1".to_owned()]),
        ("\0Nul at first".to_owned(), vec![String::new(), "\0".to_owned()]),
        ("Compos\u{e9}d".to_owned(), vec!["Compose\u{301}d".to_owned(), "COMPOS\u{c9}D".to_owned()]),
        ("line\r\nfeed\u{7f}".to_owned(), vec!["line\nfeed\u{7f}".to_owned()]),
    ] {
        let body = json!({ "new_password": password, "current_password": current });
        let set = site.put_as(&user, &path, body).await;
        assert_eq!(set.status, 200, "{password:?}: {set:?}");
        assert_eq!(site.login(&user.username, &password).await.status, 200, "{password:?}");
        for other in others {
            let refused = site.login(&user.username, &other).await;
            assert_eq!(refused.refusal(), (401, "unauthorized"), "{other:?} for {password:?}");
        }
        user = user.with(&set);
        current = password;
    }
}

async fn registrations_that_break_a_rule_make_no_account(store: Store) {
    let site = store.open().await;
    let named = |name: &str, value: Value| {
        let mut body = json!({ "username": "rejected_1", "password": PASSWORD });
        body[name] = value;
        body
    };
    let mut bodies = vec![json!({}), json!({ "password": PASSWORD }), json!({ "Username": "rejected_1" })];
    for value in [json!(null), json!(["rejected_1"]), json!(7), json!("a\u{0}bc"), json!(""), json!("x".repeat(33))] {
        bodies.push(named("username", value));
    }
    for value in [json!("password"), json!("Rejected_1"), json!(["x"]), json!(7), json!(""), json!("x".repeat(1_025))] {
        bodies.push(named("password", value));
    }
    bodies.extend(NO_EMAILS.iter().map(|email| named("email", json!(email))));
    bodies.extend([json!(7), json!("🦀".repeat(101)), json!("a\u{202e}b")].map(|name| named("display_name", name)));
    for body in bodies {
        let answer = site.post("/users", body.clone()).await;
        assert_eq!(answer.refusal(), (400, "validation_failed"), "{body}");
        assert!(answer.json["detail"].is_string());
        assert!(!answer.text.contains(PASSWORD), "{answer:?}");
    }
    assert_eq!(site.login("rejected_1", PASSWORD).await.refusal(), (401, "unauthorized"));
    assert_eq!(site.post("/users", json!({ "username": "rejected_1", "password": PASSWORD })).await.status, 201);
}

async fn a_name_that_is_taken_makes_no_second_account(store: Store) {
    let site = store.open().await;
    let body = json!({ "username": "Ada_Taken", "password": PASSWORD, "email": "ada@example.com" });
    let owner = site.register(body).await;
    let before = state(&site, &owner).await;
    for name in ["Ada_Taken", "ada_taken", "ADA_TAKEN", " Ada_Taken", "Ada_Taken \n"] {
        let body = json!({ "username": name, "password": "An0therPassw0rd", "email": "eve@example.com" });
        let answer = site.post("/users", body).await;
        assert_eq!(answer.refusal(), (409, "username_taken"), "{name:?}");
        assert!(!answer.text.contains("ada@example.com") && !answer.text.contains(&owner.id), "{answer:?}");
        assert_eq!(site.login(name, "An0therPassw0rd").await.refusal(), (401, "unauthorized"), "{name:?}");
        assert_eq!(site.login(name, PASSWORD).await.status, 200, "{name:?}");
    }
    assert_eq!(state(&site, &owner).await, before);
}

async fn a_failed_sign_in_tells_nothing_of_who_exists(store: Store) {
    let site = store.open().await;
    let (user, unclaimed) = (site.user().await, site.unclaimed().await);
    let known = site.login(&user.username, "Wr0ngPassw0rd").await;
    assert_eq!(known.refusal(), (401, "unauthorized"));
    assert_eq!(known.header("www-authenticate"), Some("Bearer"));
    let (long, longer) = ("x".repeat(2_000), "x".repeat(40_000));
    let wrong = ["", " ", "\u{0}", "Str0ngPassw0rd!\u{0}", "Str0ngPassw0rd! ", "str0ngpassw0rd!", &long, &longer];
    let nobody = [
        unclaimed.username.as_str(),
        "nobody_at_all",
        "not a username",
        "",
        "\u{0}",
        "a\u{0}b",
        "\u{202e}",
        "' OR 'x' = 'x",
        "%",
        "______",
        &user.id,
        &longer,
    ];
    let of_somebody = wrong.map(|password| (user.username.as_str(), password));
    for (username, password) in of_somebody.into_iter().chain(nobody.map(|username| (username, PASSWORD))) {
        let answer = site.login(username, password).await;
        let shown: String = format!("{username:?} {password:?}").chars().take(80).collect();
        assert_eq!((answer.status, &answer.text), (401, &known.text), "{shown}");
        assert_eq!(answer.header_names(), known.header_names(), "{shown}");
    }
    let huge = site.login(&user.username, &"x".repeat(1_048_576)).await;
    assert_eq!(huge.refusal(), (413, "payload_too_large"));
    assert_eq!(site.login("nobody_at_all", &"x".repeat(1_048_576)).await.text, huge.text);
}

async fn a_malformed_sign_in_is_told_as_such(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for body in [
        json!({}),
        json!({ "username": user.username }),
        json!({ "password": PASSWORD }),
        json!({ "username": user.username, "password": null }),
        json!({ "username": user.username, "password": [PASSWORD] }),
        json!({ "username": user.username, "password": { "$ne": "" } }),
        json!({ "username": user.username, "password": 7 }),
        json!({ "username": user.username, "password": true }),
        json!({ "username": [user.username], "password": PASSWORD }),
        json!({ "username": null, "password": PASSWORD }),
        json!({ "username": user.username, "password": PASSWORD, "otp": 1 }),
        json!({ "username": user.username, "password": PASSWORD, "user_id": user.id }),
    ] {
        let answer = site.post("/api/v1/auth/login", body.clone()).await;
        assert_eq!(answer.refusal(), (400, "validation_failed"), "{body}");
        assert!(!answer.text.contains(PASSWORD) && !answer.text.contains("access_token"), "{answer:?}");
    }
    let query = format!("/api/v1/auth/login?username={}&password={PASSWORD}", user.username);
    assert_eq!(site.get(&query).await.refusal(), (405, "method_not_allowed"));
    let empty = send(site.request(Method::POST, &query)).await;
    assert_eq!(empty.refusal(), (415, "unsupported_media_type"));
}

async fn a_sign_in_costs_one_hash_whoever_it_names(store: Store) {
    let hasher = WatchedHasher::new();
    let site = store.open_watched(hasher.clone()).await;
    let (user, unclaimed) = (site.user().await, site.unclaimed().await);
    assert_eq!((hasher.hashed(), hasher.verified()), (1, 0));
    let long = "x".repeat(2_000);
    let mut costs = 0;
    for (username, password, status) in [
        (user.username.as_str(), PASSWORD, 200),
        (&user.username, "Wr0ngPassw0rd", 401),
        (&user.username, "", 401),
        (&user.username, &long, 401),
        (&unclaimed.username, PASSWORD, 401),
        (&unclaimed.username, &long, 401),
        ("nobody_at_all", PASSWORD, 401),
        ("nobody_at_all", &long, 401),
        ("not a username", PASSWORD, 401),
        ("\u{0}", PASSWORD, 401),
    ] {
        assert_eq!(site.login(username, password).await.status, status, "{username:?}");
        costs += 1;
        assert_eq!((hasher.hashed(), hasher.verified()), (1, costs), "{username:?}");
    }
}

on_both_stores! {
    a_password_that_may_not_be_one_is_refused,
    a_password_is_taken_exactly_as_typed,
    registrations_that_break_a_rule_make_no_account,
    a_name_that_is_taken_makes_no_second_account,
    a_failed_sign_in_tells_nothing_of_who_exists,
    a_malformed_sign_in_is_told_as_such,
    a_sign_in_costs_one_hash_whoever_it_names,
}
