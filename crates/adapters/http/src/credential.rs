//! Who calls. A handler that serves users takes one of these three, and each counts the request against its caller's
//! rate: a route without a credential cannot forget to. Only the upgrade to a socket, which has more places for a
//! token, counts by itself.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use frontdesk_kernel::UserId;
use frontdesk_kernel::gcra::{Quota, Subject, Verdict};
use frontdesk_profile::session::Client;
use frontdesk_profile::token::AccessClaims;
use futures_util::future::LocalBoxFuture;
use ipnet::IpNet;

use crate::config::{HttpConfig, Services};
use crate::error::ApiError;

pub(crate) const POLICY: &str = "caller";

/// The caller's token was believed.
pub(crate) struct Caller {
    pub(crate) claims: AccessClaims,
    /// As limits count it.
    pub(crate) address: IpAddr,
}

/// A token may come along; one that does is believed, or the request refused.
pub(crate) struct MaybeCaller {
    pub(crate) claims: Option<AccessClaims>,
    /// As limits count it.
    pub(crate) address: IpAddr,
}

/// Nobody is asked for a token, and one that comes along is not looked at.
pub(crate) struct Anonymous {
    /// As limits count it.
    pub(crate) address: IpAddr,
}

/// What the credential leaves for the edge to log and to put into headers.
#[derive(Clone, Copy, Default)]
pub(crate) struct Noted {
    pub(crate) user_id: Option<UserId>,
    pub(crate) rate: Option<(Quota, Verdict)>,
}

/// Tells the log whose request it was, where only the answer shows it: a sign-in, a registration.
pub(crate) fn note_user(request: &HttpRequest, user: UserId) {
    if let Some(noted) = request.extensions_mut().get_mut::<Noted>() {
        noted.user_id = Some(user);
    }
}

/// What the client says about itself, for a session that begins.
pub(crate) fn client(request: &HttpRequest) -> Client {
    let text = |name: &str| request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Client::of(text("user-agent").as_deref(), text("x-app-type").as_deref())
}

impl Caller {
    pub(crate) fn user_id(&self) -> UserId {
        self.claims.user_id
    }
}

/// The address of the client: the right-most hop that is not one of our proxies. Hops to its left were written by
/// whoever sent the request and are not believed.
pub(crate) fn client_address(request: &HttpRequest, proxies: &[IpNet]) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    if !is_proxy(&peer) {
        return peer;
    }
    let mut client = peer;
    let values: Vec<_> = request.headers().get_all("x-forwarded-for").collect();
    let hops = values.into_iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let hops: Vec<&[u8]> = hops.collect();
    for hop in hops.into_iter().rev() {
        // Nobody knows who wrote what stands left of a hop that cannot be read.
        let Some(address) = hop_address(hop) else { return client };
        client = address.to_canonical();
        if !is_proxy(&client) {
            break;
        }
    }
    client
}

/// An address, with or without a port, as proxies write either.
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

/// An IPv6 subscriber has a whole /64: counting single addresses would count nothing.
pub(crate) fn limited(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
    }
}

pub(crate) fn bearer(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let Some(value) = values.next() else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") && values.next().is_none()).then_some(token.trim())
    });
    token.map(Some).ok_or_else(ApiError::unauthorized)
}

/// Counts a request against the rate of its caller.
pub(crate) async fn count(request: &HttpRequest, subject: Subject, user_id: Option<UserId>) -> Result<(), ApiError> {
    let (services, config) = shared(request)?;
    let per_minute = config.requests_per_minute;
    let mut noted = Noted { user_id, rate: None };
    if per_minute > 0 {
        let quota = Quota::new(per_minute, Duration::from_mins(1), per_minute / 6);
        let verdict = services.limiter.take(POLICY, &quota, &subject, services.clock.now()).await?;
        noted.rate = Some((quota, verdict));
    }
    request.extensions_mut().insert(noted);
    match noted.rate {
        Some((_, Verdict::Refused { retry_after })) => Err(ApiError::rate_limited("too many requests", retry_after)),
        _ => Ok(()),
    }
}

fn shared(request: &HttpRequest) -> Result<(&Services, &HttpConfig), ApiError> {
    let services = request.app_data::<Data<Services>>().map(|data| &***data);
    let config = request.app_data::<Data<HttpConfig>>().map(|data| &***data);
    services.zip(config).ok_or_else(|| ApiError::internal("the route has no services"))
}

async fn authenticate(request: &HttpRequest) -> Result<(Option<AccessClaims>, IpAddr), ApiError> {
    let (services, config) = shared(request)?;
    let address = limited(client_address(request, &config.trusted_proxies));
    let believed = match bearer(request) {
        Ok(None) => Ok(None),
        Ok(Some(token)) => services.authentication.authenticate(token).await.map(Some).map_err(ApiError::from),
        Err(refused) => Err(refused),
    };
    match believed {
        Ok(Some(claims)) => {
            count(request, Subject::User(claims.user_id), Some(claims.user_id)).await?;
            Ok((Some(claims), address))
        }
        // A refused token is counted against its address: guessing is not free.
        other => {
            count(request, Subject::Address(address), None).await?;
            other.map(|claims| (claims, address))
        }
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (claims, address) = authenticate(&request).await?;
            claims.map(|claims| Self { claims, address }).ok_or_else(ApiError::unauthorized)
        })
    }
}

impl FromRequest for MaybeCaller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (claims, address) = authenticate(&request).await?;
            Ok(Self { claims, address })
        })
    }
}

impl FromRequest for Anonymous {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (_, config) = shared(&request)?;
            let address = limited(client_address(&request, &config.trusted_proxies));
            count(&request, Subject::Address(address), None).await?;
            Ok(Self { address })
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let request = forwarded
            .iter()
            .fold(TestRequest::default().peer_addr(format!("{peer}:1").parse().unwrap()), |request, value| {
                request.append_header(("x-forwarded-for", *value))
            });
        client_address(&request.to_http_request(), &proxies).to_string()
    }

    #[test]
    fn a_stranger_cannot_forward_for_anybody() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn behind_proxies_the_right_most_stranger_is_the_client() {
        assert_eq!(client("10.0.0.1", &["198.51.100.1, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["198.51.100.1", "203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn garbage_in_the_header_ends_the_walk_at_the_last_hop_that_we_know() {
        assert_eq!(client("10.0.0.1", &["203.0.113.9, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn a_hop_may_have_a_port() {
        assert_eq!(client("10.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]:80"]), "2001:db8::1");
    }

    #[test]
    fn a_line_that_is_no_text_hides_no_hop() {
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        let line = HeaderValue::from_bytes(b"\xe9, 203.0.113.99").unwrap();
        let request = TestRequest::default().peer_addr("10.0.0.1:1".parse().unwrap());
        let request =
            request.append_header(("x-forwarded-for", "198.51.100.7")).append_header(("x-forwarded-for", line));
        assert_eq!(client_address(&request.to_http_request(), &proxies).to_string(), "203.0.113.99");
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_the_same_client() {
        assert_eq!(client("10.0.0.1", &["::ffff:203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn ipv6_is_limited_by_subscriber() {
        let limit = |text: &str| limited(text.parse().unwrap()).to_string();
        assert_eq!(limit("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(limit("203.0.113.9"), "203.0.113.9");
    }
}
