use actix_web::test::TestRequest;

use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn asking() -> TestRequest {
    TestRequest::get()
        .insert_header((header::UPGRADE, "WebSocket"))
        .insert_header((header::SEC_WEBSOCKET_VERSION, "13"))
        .insert_header((header::SEC_WEBSOCKET_KEY, KEY))
        .insert_header((header::HOST, "accounts.test:8080"))
}

fn offer(protocols: &str) -> Result<Option<String>, Closure> {
    offered(protocols.split(',').map(str::trim))
}

#[test]
fn a_token_is_read_from_the_subprotocols() {
    let token = URL_SAFE_NO_PAD.encode("a.b~c");
    assert_eq!(offer(&format!("frontdesk.v1, base64url.bearer.{token}")), Ok(Some("a.b~c".to_owned())));
    assert_eq!(offer("frontdesk.v1"), Ok(None));
}

#[test]
fn a_token_that_cannot_be_read_is_refused_and_not_passed_over() {
    let refused = Err(Kind::Unauthenticated.into());
    for protocols in ["base64url.bearer.=", "base64url.bearer.YQ, base64url.bearer.YQ", "base64url.bearer._w"] {
        assert_eq!(offer(protocols), refused, "{protocols}");
    }
}

#[test]
fn pages_of_strangers_are_refused_and_native_clients_are_not() {
    let policy = CorsPolicy { origins: vec!["https://app.test".parse().unwrap()], allow_credentials: false };
    let allowed = |origin: &str| {
        let asked = asking().insert_header((header::ORIGIN, origin)).to_http_request();
        check_origin(&asked, &policy, &PublicUrl::default()).is_ok()
    };
    assert!(check_origin(&asking().to_http_request(), &policy, &PublicUrl::default()).is_ok());
    for origin in ["https://app.test", "http://accounts.test:8080", "https://Accounts.test:8080"] {
        assert!(allowed(origin), "{origin}");
    }
    for origin in ["https://evil.test", "null", "", "http://accounts.test", "https://accounts.test:8080.evil.test"] {
        assert!(!allowed(origin), "{origin}");
    }
    let two = asking().append_header((header::ORIGIN, "https://app.test")).append_header((header::ORIGIN, "null"));
    assert!(check_origin(&two.to_http_request(), &policy, &PublicUrl::default()).is_err());
}

#[test]
fn where_the_public_url_is_known_no_host_is_the_own_origin() {
    let (policy, public_url) = (CorsPolicy::default(), "https://id.test/accounts".parse().unwrap());
    let allowed = |origin: &str| {
        let asked = asking().insert_header((header::ORIGIN, origin)).to_http_request();
        check_origin(&asked, &policy, &public_url).is_ok()
    };
    assert!(allowed("https://id.test"));
    for origin in ["http://id.test", "https://id.test:8080", "https://id.test/accounts", "https://accounts.test:8080"] {
        assert!(!allowed(origin), "{origin}");
    }
}

#[test]
fn a_host_that_is_none_is_nobodys_origin() {
    for (host, origin) in [("", "https://"), ("me@evil.test", "https://me@evil.test")] {
        let asked = asking().insert_header((header::HOST, host)).insert_header((header::ORIGIN, origin));
        let checked = check_origin(&asked.to_http_request(), &CorsPolicy::default(), &PublicUrl::default());
        assert!(checked.is_err(), "{host}");
    }
}

fn refused(request: TestRequest) -> Code {
    handshake(&request.to_http_request()).err().unwrap().code
}

#[test]
fn a_plain_request_is_told_to_ask_for_an_upgrade() {
    assert_eq!(refused(TestRequest::get()), Code::UpgradeRequired);
    assert_eq!(refused(asking().insert_header((header::UPGRADE, "h2c"))), Code::UpgradeRequired);
}

#[test]
fn another_version_is_told_which_one_is_spoken() {
    let plain = || asking().insert_header((header::CONNECTION, "upgrade"));
    assert!(handshake(&plain().to_http_request()).is_ok());
    for version in ["8", "12", "x", "", "13, 8"] {
        assert_eq!(refused(plain().insert_header((header::SEC_WEBSOCKET_VERSION, version))), Code::UpgradeRequired);
    }
    let none = TestRequest::get().insert_header((header::UPGRADE, "websocket"));
    assert_eq!(refused(none.insert_header((header::CONNECTION, "upgrade"))), Code::UpgradeRequired);
    assert_eq!(refused(plain().version(Version::HTTP_10)), Code::UpgradeRequired);
}

#[test]
fn what_stands_twice_is_malformed() {
    for (name, value) in [(header::SEC_WEBSOCKET_VERSION, "13"), (header::SEC_WEBSOCKET_KEY, KEY)] {
        let twice = asking().insert_header((header::CONNECTION, "upgrade")).append_header((name, value));
        assert_eq!(refused(twice), Code::MalformedRequest);
    }
}

#[actix_web::test]
async fn what_is_asked_is_checked_as_it_was_decoded() {
    let user = "0190f5fe-7c00-7a00-8000-00000000000a";
    let epoch = "0".repeat(32);
    let reading = async |room: &str, user: &str, query: &str| {
        let asked = TestRequest::with_uri(&format!("/ws?{query}"))
            .param("room_id", room.to_owned())
            .param("user_id", user.to_owned());
        super::asked(&asked.to_http_request()).await.map_err(|closure| closure.kind)
    };
    let asked = reading("team:1", user, &format!("since={epoch}:7&ticket=t&token=x")).await.unwrap();
    assert_eq!((asked.room.as_str(), asked.since.unwrap().offset), ("team:1", 7));
    assert_eq!(asked.ticket.as_deref(), Some("t"));
    for (room, user, query) in [
        ("a/b", user, ""),
        ("a\0", user, ""),
        ("..", user, ""),
        ("lobby", "me", ""),
        ("lobby", user, "since=1"),
        ("lobby", user, "since="),
        ("lobby", user, "ticket=a&ticket=b"),
    ] {
        assert_eq!(reading(room, user, query).await.err(), Some(Kind::Malformed), "{room} {user} {query}");
    }
}
