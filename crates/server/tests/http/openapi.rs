//! The description against real answers.

use reqwest::Method;
use serde_json::{Value, json};

use crate::Store;
use crate::on_both_stores;
use crate::pictures::{RED, form, png, routes};
use crate::site::{Answer, PASSWORD, Site, send};

/// Follows `$ref`s.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let target = document.pointer(reference.trim_start_matches('#'));
            resolve(document, target.unwrap_or_else(|| panic!("dangling {reference}")))
        }
        None => schema,
    }
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}

/// The names of all properties that a schema describes, through `allOf`.
fn properties<'a>(
    document: &'a Value,
    schema: &'a Value,
    found: &mut Vec<(&'a str, &'a Value)>,
    required: &mut Vec<&'a str>,
) {
    let schema = resolve(document, schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        properties(document, part, found, required);
    }
    // A flattened optional part is one alternative among others.
    for part in schema["oneOf"].as_array().into_iter().flatten().filter(|part| part["type"] != "null") {
        properties(document, part, found, &mut Vec::new());
    }
    found.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value)));
    required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
}

/// A small validator: types, required and undescribed properties. Enough to catch a description that lies.
fn check(document: &Value, schema: &Value, value: &Value, path: &str) {
    let schema = resolve(document, schema);
    if let Some(parts) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        let fits = |part: &&Value| {
            let (mut found, mut required) = (Vec::new(), Vec::new());
            properties(document, part, &mut found, &mut required);
            (part["type"] == "null") == value.is_null() && required.iter().all(|name| value.get(name).is_some())
        };
        let part = parts.iter().find(fits);
        return check(document, part.unwrap_or_else(|| panic!("{path}: {value} fits no part")), value, path);
    }
    match &schema["type"] {
        Value::String(name) => assert!(is_type(value, name), "{path}: {value} is no {name}"),
        Value::Array(names) => {
            assert!(names.iter().filter_map(Value::as_str).any(|name| is_type(value, name)), "{path}: {value}");
        }
        _ => {}
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{path}[{index}]"));
    }
    let (mut found, mut required) = (Vec::new(), Vec::new());
    properties(document, schema, &mut found, &mut required);
    if found.is_empty() || !value.is_object() {
        return;
    }
    for (name, value) in value.as_object().unwrap() {
        let described = found.iter().find(|(described, _)| described == name);
        let (_, schema) = described.unwrap_or_else(|| panic!("{path}.{name} is not described"));
        check(document, schema, value, &format!("{path}.{name}"));
    }
    for name in required {
        assert!(value.get(name).is_some(), "{path}.{name} is required and absent");
    }
}

fn check_answer(document: &Value, method: &Method, pattern: &str, answer: &Answer) {
    let operation = &document["paths"][pattern][method.as_str().to_lowercase()];
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{method} {pattern} answered {} and does not say so", answer.status);
    let schema = &response["content"]["application/json"]["schema"];
    if schema.is_object() {
        check(document, schema, &answer.json, &format!("{method} {pattern}"));
    }
}

async fn document(site: &Site) -> Value {
    let answer = site.get("/openapi.json").await;
    assert_eq!((answer.status, &answer.json["openapi"]), (200, &json!("3.1.0")));
    answer.json
}

async fn answers_are_as_described(store: Store) {
    let site = store.open().await;
    let document = document(&site).await;
    let user = site.user().await;
    let other = site.user().await;
    let public = json!({ "public_profile": true, "bio": "x", "avatar_urls": { "small": "https://a.example/x" } });
    site.patch_as(&user, "/api/v1/profile", public).await;
    let id = &user.id;
    let name = Site::fresh_name();
    let calls: Vec<(Method, &str, String, Value)> = vec![
        (Method::GET, "/", "/".into(), Value::Null),
        (Method::GET, "/health", "/health".into(), Value::Null),
        (Method::GET, "/ready", "/ready".into(), Value::Null),
        (Method::POST, "/users", "/users".into(), json!({ "username": name })),
        (Method::POST, "/users", "/users".into(), json!({ "username": name })),
        (Method::POST, "/users", "/users".into(), json!({})),
        (Method::GET, "/users/{id}", format!("/users/{id}"), Value::Null),
        (Method::GET, "/users/{id}", "/users/1".into(), Value::Null),
        (Method::GET, "/users/{id}", format!("/users/{}", other.id), Value::Null),
        (Method::PUT, "/users/{id}/profile", format!("/users/{id}/profile"), json!({ "bio": "y" })),
        (Method::PUT, "/users/{id}/profile", format!("/users/{}/profile", other.id), json!({ "bio": "y" })),
        (Method::PUT, "/users/{id}/password", format!("/users/{id}/password"), json!({ "new_password": PASSWORD })),
        (Method::PUT, "/users/{id}/password", format!("/users/{id}/password"), json!({ "new_password": "x" })),
        (Method::GET, "/mobile/user/profile", "/mobile/user/profile".into(), Value::Null),
        (Method::POST, "/mobile/user/profile", "/mobile/user/profile".into(), json!({ "display_name": "z" })),
        (Method::POST, "/update-user-name", "/update-user-name".into(), json!({ "name": "z" })),
        (Method::PUT, "/update-user-name", "/update-user-name".into(), json!({ "name": "z" })),
        (Method::PATCH, "/update-user-name", "/update-user-name".into(), json!({ "nom": "z" })),
        (
            Method::POST,
            "/api/v1/auth/login",
            "/api/v1/auth/login".into(),
            json!({ "username": user.username, "password": PASSWORD }),
        ),
        (Method::POST, "/api/v1/auth/login", "/api/v1/auth/login".into(), json!({ "username": "x", "password": "y" })),
        (
            Method::POST,
            "/api/v1/auth/refresh",
            "/api/v1/auth/refresh".into(),
            json!({ "refresh_token": other.refresh }),
        ),
        (Method::POST, "/api/v1/auth/refresh", "/api/v1/auth/refresh".into(), json!({ "refresh_token": "x" })),
        (Method::POST, "/api/v1/auth/refresh", "/api/v1/auth/refresh".into(), json!({})),
        (Method::GET, "/api/v1/auth/sessions", "/api/v1/auth/sessions?limit=1".into(), Value::Null),
        (Method::GET, "/api/v1/auth/sessions", "/api/v1/auth/sessions?limit=0".into(), Value::Null),
        (Method::DELETE, "/api/v1/auth/sessions/{id}", "/api/v1/auth/sessions/1".into(), Value::Null),
        (Method::GET, "/api/v1/account/export", "/api/v1/account/export".into(), Value::Null),
        (Method::GET, "/.well-known/jwks.json", "/.well-known/jwks.json".into(), Value::Null),
        (Method::GET, "/api/v1/profile", "/api/v1/profile".into(), Value::Null),
        (Method::PATCH, "/api/v1/profile", "/api/v1/profile".into(), json!({ "bio": "z" })),
        (Method::PATCH, "/api/v1/profile", "/api/v1/profile".into(), json!({ "bio": 1 })),
        (Method::GET, "/api/v1/profiles/{id}", format!("/api/v1/profiles/{id}"), Value::Null),
        (Method::GET, "/api/v1/profiles/{id}", format!("/api/v1/profiles/{}", other.id), Value::Null),
        (Method::GET, "/api/v1/settings", "/api/v1/settings".into(), Value::Null),
        (Method::PATCH, "/api/v1/settings", "/api/v1/settings".into(), json!({ "theme": "dark" })),
        (Method::PATCH, "/api/v1/settings", "/api/v1/settings".into(), json!({ "theme": "neon" })),
        (Method::POST, "/api/v1/auth/logout", "/api/v1/auth/logout".into(), json!({ "all": 1 })),
        (Method::POST, "/api/v1/auth/logout", "/api/v1/auth/logout".into(), json!({})),
    ];
    for (method, pattern, path, body) in calls {
        let request = site.mobile(&user, method.clone(), &path);
        let request = if body.is_null() { request } else { request.json(&body) };
        check_answer(&document, &method, pattern, &send(request).await);
    }
}

async fn pictures_are_answered_as_described(store: Store) {
    let site = store.open().await;
    let document = document(&site).await;
    let user = site.user().await;
    let patterns = ["/api/v1/profile/avatar", "/avatars/upload/{id}", "/users/{id}/avatar"];
    for ((method, path), pattern) in routes(&user).into_iter().zip(patterns) {
        for (form, status) in [
            (form(&[("file", &png(9, 9, RED))]), 200),
            (form(&[]), 400),
            (form(&[("file", b"no picture")]), 415),
            (form(&[("file", &vec![0; 5 * 1_024 * 1_024 + 1])]), 413),
        ] {
            let answer = site.send_form(method.clone(), &path, Some(&user), form).await;
            assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
            check_answer(&document, &method, pattern, &answer);
        }
        let answer = site.send_form(method.clone(), &path, None, form(&[])).await;
        assert_eq!(answer.status, 401, "{method} {path}: {answer:?}");
        check_answer(&document, &method, pattern, &answer);
    }
    let [.., large] = site.uploaded(&user, &png(9, 9, RED)).await;
    let alias = format!("/avatars/{}/large", user.id);
    for (pattern, path) in [("/avatars/{user}/{picture}/{file}", &large), ("/avatars/{user}/{size}", &alias)] {
        for path in [path.clone(), path.replace("large", "huge")] {
            check_answer(&document, &Method::GET, pattern, &site.get(&path).await);
        }
    }
    let answer = site.delete_as(&user, "/api/v1/profile/avatar").await;
    check_answer(&document, &Method::DELETE, "/api/v1/profile/avatar", &answer);
}

async fn a_deletion_is_answered_as_described(store: Store) {
    let site = store.open().await;
    let document = document(&site).await;
    let user = site.user().await;
    for (password, status) in [(Some("Wr0ngPassw0rd"), 403), (None, 200), (None, 401)] {
        let request = site.request(Method::DELETE, "/api/v1/account").bearer_auth(&user.token);
        let request = password.into_iter().fold(request, |request, typed| request.header("X-Confirm-Password", typed));
        let answer = send(request).await;
        assert_eq!(answer.status, status, "{answer:?}");
        check_answer(&document, &Method::DELETE, "/api/v1/account", &answer);
    }
}

async fn strangers_too_get_what_is_described(store: Store) {
    let site = store.open().await;
    let document = document(&site).await;
    let mut checked = 0;
    for (pattern, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if operation["responses"].get("401").is_none()
                || pattern.contains("/users")
                || pattern.contains("login")
                || pattern.contains("refresh")
            {
                continue;
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = pattern.replace("{id}", "0190f5fe-7c00-7a00-8000-00000000000a");
            let answer = send(site.request(method.clone(), &path).json(&json!({}))).await;
            assert_eq!(answer.status, 401, "{method} {pattern}");
            check_answer(&document, &method, pattern, &answer);
            checked += 1;
        }
    }
    assert!(checked >= 10, "{checked}");
}

async fn the_page_works_offline(store: Store) {
    let site = store.open().await;
    assert_eq!(site.get("/docs").await.header("location"), Some("/docs/"));
    let page = site.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("http://") && !page.text.contains("https://"), "{}", page.text);
    for part in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        assert_eq!(site.get(&format!("/docs/{part}")).await.status, 200, "{part}");
    }
    assert_eq!(site.get("/docs/../etc/passwd").await.status, 404);
}

on_both_stores! {
    answers_are_as_described,
    pictures_are_answered_as_described,
    a_deletion_is_answered_as_described,
    strangers_too_get_what_is_described,
    the_page_works_offline,
}
