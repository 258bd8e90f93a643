//! Rate limits, for callers and for failed sign-ins.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::Store;
use crate::on_both_stores;
use crate::site::{PASSWORD, Site, User, send};

const LIMITED: &[(&str, &str)] = &[("RATE_LIMIT_PER_MINUTE", "12")];

async fn hit(site: &Site, user: &User) -> u16 {
    site.get_as(user, "/api/v1/profile").await.status
}

async fn a_burst_of_a_sixth_passes_and_the_next_waits_as_told(store: Store) {
    let site = store.open_with(LIMITED).await;
    let user = site.user().await;
    assert_eq!([hit(&site, &user).await, hit(&site, &user).await], [200, 200]);
    let refused = site.get_as(&user, "/api/v1/profile").await;
    assert_eq!(refused.refusal(), (429, "rate_limited"));
    assert_eq!(refused.header("retry-after"), Some("5"));
    site.clock.advance(Duration::from_millis(4_999));
    assert_eq!(hit(&site, &user).await, 429);
    site.clock.advance(Duration::from_millis(1));
    assert_eq!(hit(&site, &user).await, 200);
}

async fn the_headers_tell_what_is_left(store: Store) {
    let site = store.open_with(LIMITED).await;
    let user = site.user().await;
    let answer = site.get_as(&user, "/api/v1/profile").await;
    assert_eq!(answer.header("ratelimit-policy"), Some("\"caller\";q=12;w=60"));
    assert_eq!(answer.header("ratelimit"), Some("\"caller\";r=1;t=5"));
}

async fn callers_are_limited_each_by_themselves(store: Store) {
    let site = store.open_with(LIMITED).await;
    let (user, other) = (site.user().await, site.user().await);
    while hit(&site, &user).await == 200 {}
    assert_eq!(hit(&site, &other).await, 200);
}

async fn health_is_never_limited(store: Store) {
    let site = store.open_with(LIMITED).await;
    for _ in 0..20 {
        assert_eq!(site.get("/health").await.status, 200);
    }
}

async fn a_forged_hop_counts_for_nobody(store: Store) {
    let site = store.open_with(LIMITED).await;
    let mut statuses = Vec::new();
    for n in 0..3 {
        let request = site.request(Method::GET, "/users/0190f5fe-7c00-7a00-8000-00000000ffff");
        let address = format!("198.51.100.{n}");
        let names = ["X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"];
        let request = names.into_iter().fold(request, |request, name| request.header(name, &address));
        statuses.push(send(request.header("Forwarded", format!("for={address}"))).await.status);
    }
    assert_eq!(statuses, [404, 404, 429]);
}

async fn behind_a_trusted_proxy_each_client_is_its_own(store: Store) {
    let site = store.open_with(&[("RATE_LIMIT_PER_MINUTE", "12"), ("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    for n in 0..4 {
        let request = site.request(Method::GET, "/users/0190f5fe-7c00-7a00-8000-00000000ffff");
        assert_eq!(send(request.header("X-Forwarded-For", format!("198.51.100.{n}"))).await.status, 404);
    }
}

const SIGN_IN: &[(&str, &str)] = &[("RATE_LIMIT_PER_MINUTE", "100000"), ("TRUSTED_PROXIES", "127.0.0.0/8")];

async fn login_from(site: &Site, address: &str, user: &User, password: &str) -> u16 {
    let request = site.request(Method::POST, "/api/v1/auth/login").header("X-Forwarded-For", address);
    send(request.json(&json!({ "username": user.username, "password": password }))).await.status
}

async fn whoever_is_refused_for_attempts_under_way_may_try_again_soon(store: Store) {
    let site = store.open_with(SIGN_IN).await;
    let user = site.user().await;
    let answers = join_all((0..24).map(|_| site.login(&user.username, PASSWORD))).await;
    for answer in answers {
        match answer.status {
            200 => {}
            429 => assert_eq!(answer.header("retry-after"), Some("1")),
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert_eq!(site.login(&user.username, PASSWORD).await.status, 200);
}

async fn ten_failures_lock_that_address_out_and_no_other(store: Store) {
    let site = store.open_with(SIGN_IN).await;
    let user = site.user().await;
    for _ in 0..10 {
        assert_eq!(login_from(&site, "203.0.113.1", &user, "Wr0ngPassw0rd").await, 401);
    }
    assert_eq!(login_from(&site, "203.0.113.1", &user, PASSWORD).await, 429);
    assert_eq!(login_from(&site, "203.0.113.2", &user, PASSWORD).await, 200);
    site.clock.advance(Duration::from_mins(15));
    assert_eq!(login_from(&site, "203.0.113.1", &user, PASSWORD).await, 200);
}

async fn an_ipv6_subscriber_is_one_address(store: Store) {
    let site = store.open_with(SIGN_IN).await;
    let user = site.user().await;
    for n in 0..10 {
        assert_eq!(login_from(&site, &format!("2001:db8::{n:x}"), &user, "Wr0ngPassw0rd").await, 401);
    }
    assert_eq!(login_from(&site, "2001:db8::ff", &user, PASSWORD).await, 429);
    assert_eq!(login_from(&site, "2001:db8:0:1::1", &user, PASSWORD).await, 200);
}

async fn knocking_at_one_account_does_not_lock_the_neighbours_out(store: Store) {
    let site = store.open_with(SIGN_IN).await;
    let (user, neighbour) = (site.user().await, site.user().await);
    for _ in 0..120 {
        login_from(&site, "203.0.113.9", &user, "Wr0ngPassw0rd").await;
    }
    assert_eq!(login_from(&site, "203.0.113.9", &neighbour, PASSWORD).await, 200);
}

async fn good_sign_ins_are_no_failures(store: Store) {
    let site = store.open_with(SIGN_IN).await;
    let user = site.user().await;
    for _ in 0..12 {
        assert_eq!(login_from(&site, "203.0.113.3", &user, PASSWORD).await, 200);
    }
}

async fn wrong_current_passwords_run_out_too(store: Store) {
    let site = store.open_with(SIGN_IN).await;
    let user = site.user().await;
    let path = format!("/users/{}/password", user.id);
    let wrong = || json!({ "new_password": "An0therPassw0rd", "current_password": "Wr0ngPassw0rd" });
    for _ in 0..10 {
        assert_eq!(site.put_as(&user, &path, wrong()).await.refusal(), (403, "forbidden"));
    }
    assert_eq!(site.put_as(&user, &path, wrong()).await.refusal(), (429, "rate_limited"));
    assert_eq!(login_from(&site, "203.0.113.4", &user, PASSWORD).await, 200);
}

on_both_stores! {
    an_ipv6_subscriber_is_one_address,
    knocking_at_one_account_does_not_lock_the_neighbours_out,
    a_burst_of_a_sixth_passes_and_the_next_waits_as_told,
    the_headers_tell_what_is_left,
    callers_are_limited_each_by_themselves,
    health_is_never_limited,
    a_forged_hop_counts_for_nobody,
    behind_a_trusted_proxy_each_client_is_its_own,
    whoever_is_refused_for_attempts_under_way_may_try_again_soon,
    ten_failures_lock_that_address_out_and_no_other,
    good_sign_ins_are_no_failures,
    wrong_current_passwords_run_out_too,
}
