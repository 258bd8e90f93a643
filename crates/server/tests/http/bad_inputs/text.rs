//! What is wrong in any JSON body and in any text: encodings, nesting, repeated keys, unknown fields, `null`,
//! characters, lengths.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{PROFILE, Row, SETTINGS, drive, field, raw, state};
use crate::on_both_stores;
use crate::site::{Answer, PASSWORD, User, send};
use crate::{Site, Store};

/// The fields of a profile that are lines of free text, and how many characters each may have.
const LINES: &[(&str, usize)] = &[
    ("display_name", 100),
    ("first_name", 100),
    ("last_name", 100),
    ("company", 200),
    ("job_title", 200),
    ("location", 200),
];

fn broken_bodies() -> Vec<Row> {
    let malformed = |body: &[u8]| raw(body, 400, "malformed_request");
    let nested = |open: &str, depth: usize, close: &str| {
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        raw(format!("{{\"preferences\":{open}1{close}}}"), 400, "malformed_request")
    };
    let mut rows = vec![
        malformed(b""),
        malformed(b" "),
        malformed(b"null"),
        malformed(b"true"),
        malformed(b"7"),
        malformed(b"[]"),
        malformed(b"[{}]"),
        malformed(b"\"x\""),
        malformed(b"{"),
        malformed(b"{}{}"),
        malformed(b"{}\0"),
        malformed(b"{\"bio\":\"a\"} x"),
        malformed(b"{\"bio\":\"a\",}"),
        malformed(b"{'bio':'a'}"),
        malformed(b"{bio:\"a\"}"),
        malformed(b"{/**/}"),
        malformed(b"{\"bio\":\"a\nb\"}"),
        malformed(b"{\"bio\":\"a\0b\"}"),
        malformed(b"{\"bio\":NaN}"),
        malformed(b"{\"bio\":Infinity}"),
        malformed(b"{\"bio\":-Infinity}"),
        malformed(b"{\"bio\":1e400}"),
        malformed(b"{\"preferences\":{\"a\":-1e400}}"),
        malformed(b"{\"bio\":01}"),
        malformed(b"{\"bio\":\"a\",\"bio\":\"b\"}"),
        malformed(b"{\"bio\":\"a\",\"\\u0062io\":\"b\"}"),
        malformed(b"{\"bio\":null,\"bio\":null}"),
        malformed(b"{\"preferences\":{\"a\":1,\"a\":2}}"),
        malformed(b"{\"preferences\":{\"a\":[{\"b\":{\"c\":1,\"c\":1}}]}}"),
        malformed(b"{\"bio\":\"\\ud800\"}"),
        malformed(b"{\"bio\":\"\\udc00\"}"),
        malformed(b"{\"bio\":\"\\udc00\\ud800\"}"),
        malformed(b"{\"bio\":\"\\ud800\\ud800\"}"),
        malformed(b"{\"\\ud800\":1}"),
        malformed(b"{\"bio\":\"\\u12\"}"),
        malformed(b"{\"bio\":\"\xff\xfe\"}"),
        malformed(b"{\"bio\":\"\xc0\x80\"}"),
        malformed(b"{\"bio\":\"\xed\xa0\x80\"}"),
        malformed(b"{\"bio\":\"\xf4\x90\x80\x80\"}"),
        malformed(b"{\"bio\":\"\xc3\"}"),
        malformed(b"\xef\xbb\xbf{}"),
        malformed(b"{\0}\0"),
        malformed(b"\xff\xfe{\0}\0"),
        malformed("[".repeat(65_536).as_bytes()),
        malformed("{\"a\":".repeat(13_000).as_bytes()),
        raw(json!({ "bio": "x".repeat(65_536) }).to_string(), 413, "payload_too_large"),
        raw(json!({ "bio": "x".repeat(1_048_576) }).to_string(), 413, "payload_too_large"),
        raw("x".repeat(1_048_576), 413, "payload_too_large"),
    ];
    rows.extend([40, 127, 128, 10_000].map(|depth| nested("{\"a\":", depth, "}")));
    rows.extend([40, 127, 128, 10_000].map(|depth| nested("[", depth, "]")));
    rows
}

async fn broken_bodies_are_refused_on_every_route_that_reads_one(store: Store) {
    let site = store.open().await;
    for operation in site.operations().await.into_iter().filter(|operation| operation.reads_json) {
        let mut rows = broken_bodies();
        rows.retain(|row| operation.needs_body || !row.body.is_empty());
        drive(&site, operation.method, &operation.path, rows).await;
    }
}

async fn a_form_is_read_as_strictly(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = state(&site, &user).await;
    for (form, code) in [
        ("", "validation_failed"),
        ("nonsense", "validation_failed"),
        ("userName=%ff", "malformed_request"),
        ("%ff=x&userName=x", "malformed_request"),
        ("userName=a&userName=b", "malformed_request"),
        ("userName=a&user%4Eame=b", "malformed_request"),
        ("userName=a%00b", "validation_failed"),
        ("userName=a%E2%80%AEb", "validation_failed"),
        ("userName=a%0D%0Ab", "validation_failed"),
    ] {
        let request = site.mobile(&user, Method::POST, "/update-user-name").body(form);
        let answer = send(request.header("Content-Type", "application/x-www-form-urlencoded")).await;
        assert_eq!(answer.refusal(), (400, code), "{form}: {answer:?}");
    }
    assert_eq!(state(&site, &user).await, before);
}

async fn thirty_two_containers_are_read_and_one_more_is_not(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    // The body and `preferences` are the first two.
    let nested = |arrays: usize| {
        let body = format!("{{\"preferences\":{{\"a\":{}{}}}}}", "[".repeat(arrays), "]".repeat(arrays));
        let request = site.mobile(&user, Method::PATCH, PROFILE).header("Content-Type", "application/json");
        send(request.body(body))
    };
    assert_eq!(nested(31).await.refusal(), (400, "malformed_request"));
    assert_eq!(site.profile(&user).await["version"], 1);
    let deepest = nested(30).await;
    assert_eq!(deepest.status, 200, "{deepest:?}");
    assert_eq!(site.profile(&user).await, deepest.json);
}

/// NUL and every other control character, and what draws nothing or turns the reading direction.
fn deceiving() -> impl Iterator<Item = char> {
    let controls = ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}');
    let turning = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}');
    controls.chain(turning).chain(['\u{200b}', '\u{feff}', '\u{2028}', '\u{2029}'])
}

fn names_them_all(answer: &Answer, names: &[&str], what: &str) {
    assert_eq!(answer.refusal(), (400, "validation_failed"), "{what}: {answer:?}");
    let fields = answer.json["error"]["details"]["fields"].as_object().unwrap();
    let mut expected = names.to_vec();
    expected.sort_unstable();
    assert_eq!(fields.keys().map(String::as_str).collect::<Vec<_>>(), expected, "{what}");
}

async fn characters_that_deceive_or_control_are_refused(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = state(&site, &user).await;
    let users = format!("/users/{}/profile", user.id);
    let lines: Vec<_> = LINES.iter().map(|(name, _)| *name).collect();
    let others = [
        "username",
        "email",
        "phone",
        "website",
        "linkedin_username",
        "github_username",
        "twitter_username",
        "avatar_url",
        "timezone",
        "language",
    ];
    for bad in deceiving() {
        let what = format!("U+{:04X}", u32::from(bad));
        let text = format!("a{bad}b");
        let mut names = lines.clone();
        names.extend(others);
        if bad.is_control() && bad != '\n' && bad != '\t' {
            names.push("bio");
        }
        let body: Value = names.iter().map(|name| (*name, text.as_str())).collect();
        names_them_all(&site.patch_as(&user, PROFILE, body.clone()).await, &names, &what);
        names_them_all(&site.put_as(&user, &users, body).await, &names, &what);
        let mobile = json!({ "display_name": text, "preferences": { "default_scenario": text } });
        let mobile = site.mobile_post(&user, mobile).await;
        names_them_all(&mobile, &["display_name", "preferences.default_scenario"], &what);
        let renamed = site.mobile(&user, Method::PATCH, "/update-user-name").json(&json!({ "userName": text }));
        names_them_all(&send(renamed).await, &["userName"], &what);
        let new = site.post("/users", json!({ "username": text, "display_name": text, "email": text })).await;
        names_them_all(&new, &["display_name", "email", "username"], &what);
        if bad.is_control() && bad != '\n' && bad != '\t' {
            for document in [json!({ "a": { "b": ["x", text] } }), json!({ &text: 1 }), json!({ "a": { &text: null } })]
            {
                let answer = site.patch_as(&user, PROFILE, json!({ "preferences": document })).await;
                assert_eq!(answer.refusal(), (400, "validation_failed"), "{what} in {document}");
            }
        }
    }
    assert_eq!(state(&site, &user).await, before);
}

async fn control_characters_hide_at_no_end(store: Store) {
    let site = store.open().await;
    let mut rows = Vec::new();
    for (name, _) in LINES {
        rows.extend(["\0", "\0a", "a\0", "\u{1b}[31m", "a\u{7f}", "\u{feff}a"].map(|text| field(name, text)));
    }
    rows.extend(["\0", "a\0", "a\u{1b}[31mb", "a\rb"].map(|text| field("bio", text)));
    drive(&site, Method::PATCH, PROFILE, rows).await;
}

/// What a client could hope to set, and what the schema could have beside it.
const NOT_THEIRS: &[&str] = &[
    "user_id",
    "id",
    "is_admin",
    "role",
    "current_balance",
    "password_hash",
    "password",
    "new_password",
    "created_at",
    "updated_at",
    "version",
    "email_verified",
    "shown_name",
    "claim_open_until",
    "username_key",
    "nonsense",
    "__proto__",
    "",
    "Bio",
    "bio ",
];

async fn fields_that_are_not_the_callers_to_set_are_refused_on_v1(store: Store) {
    let site = store.open().await;
    for path in [PROFILE, SETTINGS] {
        let rows =
            NOT_THEIRS.iter().flat_map(|name| [json!("x"), json!(null), json!(7)].map(|value| field(name, value)));
        drive(&site, Method::PATCH, path, rows.collect()).await;
    }
    let beside = |name: &str, value: Value| json!({ name: value, "is_admin": true }).to_string();
    let refused = |body: String| raw(body, 400, "validation_failed");
    drive(&site, Method::PATCH, PROFILE, vec![refused(beside("bio", json!("half done")))]).await;
    drive(&site, Method::PATCH, SETTINGS, vec![refused(beside("theme", json!("dark")))]).await;
}

async fn fields_that_are_not_the_callers_to_set_do_nothing_elsewhere(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let other = site.user().await;
    let claims = |value: &Value| -> Map<String, Value> {
        NOT_THEIRS
            .iter()
            .filter(|name| !name.contains("password"))
            .map(|name| ((*name).to_owned(), value.clone()))
            .collect()
    };
    for value in [json!(other.id), json!(true), json!(null), json!("2000-01-01T00:00:00Z"), json!(1_000_000)] {
        let before = [state(&site, &user).await, state(&site, &other).await];
        let put = site.put_as(&user, &format!("/users/{}/profile", user.id), Value::Object(claims(&value))).await;
        let posted = site.mobile_post(&user, Value::Object(claims(&value))).await;
        assert_eq!((put.status, posted.status), (200, 200), "{value}");
        assert_eq!([state(&site, &user).await, state(&site, &other).await], before, "{value}");

        let plain = site.register(json!({ "username": Site::fresh_name() })).await;
        let mut body = claims(&value);
        body.insert("username".to_owned(), json!(Site::fresh_name()));
        let claiming = site.register(Value::Object(body)).await;
        assert_ne!(claiming.id, other.id);
        let shown = |user: &User, state: [Value; 3]| {
            let text = format!("{state:?}");
            text.replace(&user.id, "").replace(&user.username, "")
        };
        let expected = shown(&plain, state(&site, &plain).await);
        assert_eq!(shown(&claiming, state(&site, &claiming).await), expected, "{value}");
    }
    assert_eq!(site.login(&other.username, PASSWORD).await.status, 200);
}

async fn an_empty_change_changes_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = state(&site, &user).await;
    site.clock.advance(Duration::from_mins(1));
    let users = format!("/users/{}/profile", user.id);
    for (method, path) in [
        (Method::PATCH, PROFILE),
        (Method::PATCH, SETTINGS),
        (Method::PUT, users.as_str()),
        (Method::POST, "/mobile/user/profile"),
    ] {
        for body in ["{}", " {\r\n\t} "] {
            let request = site.mobile(&user, method.clone(), path).header("Content-Type", "application/json");
            assert_eq!(send(request.body(body)).await.status, 200, "{path}");
        }
    }
    assert_eq!(state(&site, &user).await, before);
}

/// A value for every field that can be cleared, none of them the default.
fn clearable() -> Value {
    json!({
        "display_name": "Ada", "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com",
        "phone": "+4930123456", "bio": "Hello", "company": "Engines", "job_title": "Countess", "location": "London",
        "website": "https://ada.example/", "linkedin_username": "ada", "github_username": "ada",
        "twitter_username": "ada", "avatar_url": "https://ada.example/a.png",
        "avatar_urls": { "small": "https://ada.example/s.png" }, "timezone": "Europe/London", "language": "en-GB",
        "public_profile": true, "email_notifications": false, "marketing_emails": true,
        "preferences": { "voice_preference": "echo", "own": 1 },
    })
}

async fn null_clears_its_field_and_no_other(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let new = site.profile(&user).await;
    for name in clearable().as_object().unwrap().keys() {
        let full = site.patch_as(&user, PROFILE, clearable()).await;
        assert_eq!(full.status, 200, "{full:?}");
        let cleared = site.patch_as(&user, PROFILE, json!({ name: null })).await;
        assert_eq!(cleared.status, 200, "{name}: {cleared:?}");
        let mut expected = full.json;
        expected[name] = new[name].clone();
        expected["version"] = json!(expected["version"].as_i64().unwrap() + 1);
        expected["shown_name"] = cleared.json["shown_name"].clone();
        assert_eq!(cleared.json, expected, "{name}");
    }
    let nulls = ["username"].map(|name| field(name, Value::Null));
    drive(&site, Method::PATCH, PROFILE, nulls.into()).await;
    let nulls = ["username"].map(|name| field(name, Value::Null));
    drive(&site, Method::PUT, "/users/{id}/profile", nulls.into()).await;
    let nulls = ["new_password"].map(|name| field(name, Value::Null));
    drive(&site, Method::PUT, "/users/{id}/password", nulls.into()).await;
}

async fn text_is_counted_in_characters_after_trimming(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut over = Vec::new();
    let mut longest: Vec<(&str, String, String)> = Vec::new();
    let free = LINES.iter().copied().chain([("bio", 2_000)]);
    for (name, most) in free {
        for character in ["x", "é", "🦀"] {
            let full = character.repeat(most);
            over.push(field(name, format!("{full}{character}")));
            longest.push((name, format!(" \t{full}  "), full));
        }
        let combining = format!("e{}", "\u{301}".repeat(most - 1));
        over.push(field(name, format!("{combining}\u{301}")));
        over.push(field(name, format!("e{}", "\u{301}".repeat(most + 1))));
        longest.push((name, combining.clone(), combining));
    }
    for (name, most) in
        [("linkedin_username", 100), ("github_username", 100), ("twitter_username", 100), ("username", 32)]
    {
        over.push(field(name, "a".repeat(most + 1)));
        longest.push((name, format!(" {} ", "a".repeat(most)), "a".repeat(most)));
    }
    let url = |length: usize| format!("https://e.test/{}", "a".repeat(length - 15));
    // 64 before the sign, 190 behind it.
    let address = |more: usize| {
        let label = |length: usize| "b".repeat(length);
        format!("{}@{}.{}.{}", label(64), label(63), label(63), label(62 + more))
    };
    assert_eq!(address(0).len(), 255);
    for (name, full, longer) in [
        ("website", url(2_048), url(2_049)),
        ("avatar_url", url(2_048), url(2_049)),
        ("email", address(0), address(1)),
        ("language", "zh-Hant-TW".to_owned(), "zh-Hant-TWN".to_owned()),
        ("phone", "+123456789012345".to_owned(), "+1234567890123456".to_owned()),
    ] {
        over.push(field(name, longer));
        longest.push((name, format!("{full} "), full));
    }
    drive(&site, Method::PATCH, PROFILE, over).await;
    for (name, sent, kept) in longest {
        let answer = site.patch_as(&user, PROFILE, json!({ name: sent })).await;
        assert_eq!((answer.status, &answer.json[name]), (200, &json!(kept)), "{name}");
        assert_eq!(site.profile(&user).await[name], json!(kept), "{name}");
    }
}

async fn what_other_programs_would_run_is_text_here(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let users = format!("/users/{}", user.id);
    for text in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "{{7*7}}",
        "${7*7}",
        "${jndi:ldap://x}",
        "%s%n%p",
        "'; DROP TABLE app.users; --",
        "Robert'); DELETE FROM app.profiles; --",
        "\\'; SELECT pg_sleep(9); --",
        "=cmd()",
        "@SUM(A1)",
        "$(id)`id`",
        "../../etc/passwd",
        "Ωмега 漢字 👩\u{200d}👧",
    ] {
        let body = json!({ "display_name": text, "first_name": text, "bio": text, "preferences": { text: text } });
        let written = site.patch_as(&user, PROFILE, body).await;
        assert_eq!(written.status, 200, "{text}: {written:?}");
        let v1 = site.get_as(&user, PROFILE).await;
        let mobile = send(site.mobile(&user, Method::GET, "/mobile/user/profile")).await;
        let full = site.get_as(&user, &users).await;
        for (answer, at) in [(&v1, &v1.json), (&mobile, &mobile.json["user_profile"]), (&full, &full.json["profile"])] {
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!((&at["display_name"], &at["preferences"][text]), (&json!(text), &json!(text)));
        }
        assert_eq!((&v1.json["first_name"], &v1.json["bio"]), (&json!(text), &json!(text)));
        let gone = site.patch_as(&user, PROFILE, json!({ "preferences": null })).await;
        assert_eq!(gone.status, 200);
    }
}

async fn a_name_that_only_looks_like_another_is_refused(store: Store) {
    let site = store.open().await;
    let victim = site.register(json!({ "username": "Kojak_Ioe", "password": PASSWORD })).await;
    let before = state(&site, &victim).await;
    let mut rows = Vec::new();
    for name in [
        // The Kelvin sign, a Greek omicron, a Cyrillic o, a dotless i, a capital I with a dot, a long s.
        "\u{212a}ojak_Ioe",
        "K\u{3bf}jak_Ioe",
        "K\u{43e}jak_Ioe",
        "Kojak_\u{131}oe",
        "Kojak_\u{130}oe",
        "Kojak_I\u{17f}e",
        // The same letter composed and decomposed; full-width; with a joiner that draws nothing.
        "Kojak_Io\u{e9}",
        "Kojak_Ioe\u{301}",
        "\u{ff2b}ojak_Ioe",
        "Kojak\u{200d}_Ioe",
        "Kojak\u{ad}_Ioe",
        "Kojak _Ioe",
        "Kojak/Ioe",
        "Kojak_Ioe@x",
    ] {
        rows.push(field("username", name));
        let registered = site.post("/users", json!({ "username": name })).await;
        assert_eq!(registered.refusal(), (400, "validation_failed"), "{name}: {registered:?}");
        assert_eq!(site.login(name, PASSWORD).await.refusal(), (401, "unauthorized"), "{name}");
    }
    drive(&site, Method::PATCH, PROFILE, rows).await;
    for same in ["kojak_ioe", "KOJAK_IOE", " Kojak_Ioe ", "Kojak_Ioe\t"] {
        let registered = site.post("/users", json!({ "username": same })).await;
        assert_eq!(registered.refusal(), (409, "username_taken"), "{same}");
    }
    assert_eq!(state(&site, &victim).await, before);
}

on_both_stores! {
    broken_bodies_are_refused_on_every_route_that_reads_one,
    a_form_is_read_as_strictly,
    thirty_two_containers_are_read_and_one_more_is_not,
    characters_that_deceive_or_control_are_refused,
    control_characters_hide_at_no_end,
    fields_that_are_not_the_callers_to_set_are_refused_on_v1,
    fields_that_are_not_the_callers_to_set_do_nothing_elsewhere,
    an_empty_change_changes_nothing,
    null_clears_its_field_and_no_other,
    text_is_counted_in_characters_after_trimming,
    what_other_programs_would_run_is_text_here,
    a_name_that_only_looks_like_another_is_refused,
}
