use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;
use crate::test_keys::{ec_jwk, ec_jwk_other};
use crate::test_site::{Site, http, keys};

fn remote_keys(site: &Site) -> Arc<RemoteKeys> {
    Arc::new(RemoteKeys::new(site.url.clone(), Algorithm::ES256).unwrap())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_000_000 + seconds).unwrap()
}

/// What became of it, in a word.
async fn find(keys: &Arc<RemoteKeys>, kid: &str, seconds: i64) -> &'static str {
    match keys.find(Some(kid), at(seconds)).await {
        Ok(_) => "found",
        Err(AuthenticationError::Refused(_)) => "refused",
        Err(AuthenticationError::Unavailable(_)) => "unavailable",
    }
}

/// Waits for a renewal that was started behind the back of a request.
async fn renewed(keys: &RemoteKeys) {
    drop(keys.flight.lock().await);
}

#[tokio::test]
async fn keys_are_fetched_once_and_kept() {
    let site = Site::serve(keys(&[ec_jwk("a")])).await;
    let remote = remote_keys(&site);
    assert_eq!(site.asked(), 0, "nothing is fetched before the first token");
    for seconds in [0, 1, 60, 299] {
        assert_eq!(find(&remote, "a", seconds).await, "found");
    }
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn after_five_minutes_keys_are_renewed_while_nobody_waits() {
    let site = Site::serve(keys(&[ec_jwk("a")])).await;
    let remote = remote_keys(&site);
    assert_eq!(find(&remote, "a", 0).await, "found");
    site.answers(keys(&[ec_jwk("b")]));
    assert_eq!(find(&remote, "a", 300).await, "found");
    renewed(&remote).await;
    assert_eq!(site.asked(), 2);
    assert_eq!(find(&remote, "b", 301).await, "found");
    assert_eq!(find(&remote, "a", 301).await, "refused");
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn an_unknown_key_id_causes_one_fetch_in_thirty_seconds() {
    let site = Site::serve(keys(&[ec_jwk("a")])).await;
    let remote = remote_keys(&site);
    assert_eq!(find(&remote, "a", 0).await, "found");
    for n in 0..100 {
        assert_eq!(find(&remote, &format!("made-up-{n}"), 29).await, "refused");
    }
    assert_eq!(site.asked(), 1);
    site.answers(keys(&[ec_jwk("a"), ec_jwk_other("b")]));
    assert_eq!(find(&remote, "b", 30).await, "found");
    for n in 0..100 {
        assert_eq!(find(&remote, &format!("made-up-{n}"), 59).await, "refused");
    }
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn sixty_four_tokens_at_once_cause_one_fetch() {
    let site = Site::serve(keys(&[ec_jwk("a")])).await;
    site.gate.forget_permits(Semaphore::MAX_PERMITS);
    let remote = remote_keys(&site);
    let mut tokens = JoinSet::new();
    for _ in 0..64 {
        let remote = Arc::clone(&remote);
        tokens.spawn(async move { find(&remote, "a", 0).await });
    }
    while site.asked() == 0 {
        tokio::task::yield_now().await;
    }
    site.gate.add_permits(64);
    assert!(tokens.join_all().await.into_iter().all(|found| found == "found"));
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn a_request_that_is_given_up_does_not_start_a_second_fetch() {
    let site = Site::serve(keys(&[ec_jwk("a")])).await;
    site.gate.forget_permits(Semaphore::MAX_PERMITS);
    let remote = remote_keys(&site);
    let given_up = tokio::spawn({
        let remote = Arc::clone(&remote);
        async move { find(&remote, "a", 0).await }
    });
    while site.asked() == 0 {
        tokio::task::yield_now().await;
    }
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    site.gate.add_permits(64);
    assert_eq!(find(&remote, "a", 0).await, "found");
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn without_keys_an_outage_is_told_and_the_issuer_is_left_alone_for_a_while() {
    let site = Site::serve(http("500 Internal Server Error", "", "")).await;
    let remote = remote_keys(&site);
    for _ in 0..100 {
        assert_eq!(find(&remote, "a", 0).await, "unavailable");
        assert_eq!(find(&remote, "b", 4).await, "unavailable");
    }
    assert_eq!(site.asked(), 1);
    site.answers(keys(&[ec_jwk("a")]));
    assert_eq!(find(&remote, "a", 5).await, "found");
}

#[tokio::test]
async fn keys_outlive_an_outage_until_they_are_ten_minutes_old() {
    let site = Site::serve(keys(&[ec_jwk("a")])).await;
    let remote = remote_keys(&site);
    assert_eq!(find(&remote, "a", 0).await, "found");
    site.answers(http("503 Service Unavailable", "", ""));
    for seconds in [300, 400, 599] {
        assert_eq!(find(&remote, "a", seconds).await, "found");
        renewed(&remote).await;
    }
    assert_eq!(find(&remote, "new", 599).await, "refused", "whoever invents key ids makes no outage");
    assert_eq!(find(&remote, "a", 605).await, "unavailable");
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_keep_keys_for_longer() {
    let site = Site::serve(keys(&[ec_jwk("a")])).await;
    let remote = remote_keys(&site);
    assert_eq!(find(&remote, "a", 86_400).await, "found");
    site.answers(keys(&[ec_jwk("b")]));
    assert_eq!(find(&remote, "a", 0).await, "refused");
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Site::serve(keys(&[ec_jwk("a")])).await;
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect"] {
        let site = Site::serve(http(status, &format!("location: {}\r\n", elsewhere.url), "")).await;
        assert_eq!(find(&remote_keys(&site), "a", 0).await, "unavailable", "{status}");
    }
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn an_answer_of_256_kib_is_read_and_a_longer_one_is_not() {
    let document = json!({ "keys": [ec_jwk("a")] }).to_string();
    for (length, becomes) in [(MAX_DOCUMENT_BYTES, "found"), (MAX_DOCUMENT_BYTES + 1, "unavailable")] {
        let padded = format!("{document}{}", " ".repeat(length - document.len()));
        for head in [String::new(), format!("content-length: {length}\r\n")] {
            let site = Site::serve(http("200 OK", &head, &padded)).await;
            assert_eq!(find(&remote_keys(&site), "a", 0).await, becomes, "{length} {head}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_is_an_outage() {
    for body in ["", "<html>sign in</html>", "{}", "[]", r#"{"keys":null}"#] {
        let site = Site::serve(http("200 OK", "", body)).await;
        assert_eq!(find(&remote_keys(&site), "a", 0).await, "unavailable", "{body}");
    }
    let cut = Site::serve(http("200 OK", "content-length: 5000\r\n", r#"{"keys":[]}"#)).await;
    assert_eq!(find(&remote_keys(&cut), "a", 0).await, "unavailable");
}

#[tokio::test]
async fn an_issuer_without_keys_refuses_and_is_not_down() {
    let site = Site::serve(keys(&[])).await;
    assert_eq!(find(&remote_keys(&site), "a", 0).await, "refused");
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_is_an_outage() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/jwks.json", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let remote = Arc::new(RemoteKeys::new(url, Algorithm::ES256).unwrap());
    assert_eq!(find(&remote, "a", 0).await, "unavailable");
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_never_answers_is_given_up() {
    let site = Site::serve(Vec::new()).await;
    site.gate.forget_permits(Semaphore::MAX_PERMITS);
    let before = tokio::time::Instant::now();
    assert_eq!(find(&remote_keys(&site), "a", 0).await, "unavailable");
    assert!(before.elapsed() < PATIENCE * 2);
}

#[tokio::test]
async fn what_went_wrong_is_told_to_the_log_without_the_path() {
    let site = Site::serve(http("404 Not Found", "", "")).await;
    let mut url = site.url.clone();
    url.set_path("/secret-path");
    let remote = Arc::new(RemoteKeys::new(url, Algorithm::ES256).unwrap());
    let Err(AuthenticationError::Unavailable(error)) = remote.find(Some("a"), at(0)).await else { panic!("an outage") };
    let told = error.source().unwrap().to_string();
    assert_eq!(told, "no keys from 127.0.0.1: the answer is 404 Not Found");
}

#[tokio::test]
async fn the_same_document_again_is_the_same_generation() {
    let site = Site::serve(keys(&[ec_jwk("a")])).await;
    let remote = remote_keys(&site);
    assert_eq!(remote.generation(at(0)), None);
    assert_eq!(find(&remote, "a", 0).await, "found");
    let first = remote.generation(at(0));
    assert_eq!(find(&remote, "unknown", 60).await, "refused");
    assert_eq!(remote.generation(at(60)), first);
    site.answers(keys(&[ec_jwk("b")]));
    assert_eq!(find(&remote, "b", 120).await, "found");
    assert_ne!(remote.generation(at(120)), first);
}
