//! Tickets: what opens one socket for a browser, which can send no header with it.
//!
//! A ticket says what the token of its owner says, sealed with a key that every node has, so each node takes the tickets
//! of all. That it was used, the node remembers that took it: one ticket opens one socket on a node, within 30 seconds
//! (and what is left of the last of them).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use frontdesk_kernel::{Entropy, SessionId, Timestamp, UserId};
use frontdesk_profile::token::{AccessClaims, Origin};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use super::closure::{Closure, Kind};

/// How long a ticket can be used.
pub(crate) const LIVES_FOR: Duration = Duration::from_secs(30);

/// How many used tickets are remembered. They are forgotten as they end.
const USED_MAX: usize = 65_536;

/// What the key is for: another use of the same secret has another label.
const LABEL: &[u8] = b"frontdesk realtime ticket 1";

/// Origin, nonce, user, session, token, and four moments.
const SAID: usize = 1 + 32 + 3 * 16 + 4 * 8;
const SEAL: usize = 32;

type Nonce = [u8; 32];
type Said = [u8; SAID];

/// Makes tickets, and takes each once.
pub(crate) struct Tickets {
    /// Keyed already.
    seal: Option<Hmac<Sha256>>,
    used: Mutex<HashMap<Nonce, Timestamp>>,
}

impl Tickets {
    /// Derives its key from one that is the same on every node.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let keyed = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).ok();
        let derived = keyed(secret).map(|mut mac| {
            mac.update(LABEL);
            mac.finalize().into_bytes()
        });
        Self { seal: derived.and_then(|key| keyed(&key)), used: Mutex::default() }
    }

    fn sealing(&self, said: &Said) -> Option<Hmac<Sha256>> {
        let mut seal = self.seal.clone()?;
        seal.update(said);
        Some(seal)
    }

    /// Makes a ticket for whoever these claims speak of. Nothing where there is no key, which cannot be.
    pub(crate) fn issue(&self, claims: &AccessClaims, entropy: &dyn Entropy, now: Timestamp) -> Option<String> {
        let mut nonce = [0; 32];
        entropy.fill(&mut nonce);
        let said = write(claims, &nonce, whole_second(now + LIVES_FOR)?)?;
        let seal = self.sealing(&said)?.finalize().into_bytes();
        Some(URL_SAFE_NO_PAD.encode([said.as_slice(), seal.as_slice()].concat()))
    }

    /// Takes a ticket, and gives the claims that it was made for.
    pub(crate) fn redeem(&self, ticket: &str, now: Timestamp) -> Result<AccessClaims, Closure> {
        let refused = Closure::because(Kind::Unauthenticated, "the ticket is malformed, used or over");
        let bytes = URL_SAFE_NO_PAD.decode(ticket).map_err(|_| refused)?;
        let (said, seal) = bytes.split_first_chunk::<SAID>().ok_or(refused)?;
        let seal = <[u8; SEAL]>::try_from(seal).map_err(|_| refused)?;
        self.sealing(said).ok_or(refused)?.verify_slice(&seal).map_err(|_| refused)?;
        let (claims, nonce, until) = read(said).ok_or(refused)?;
        if until <= now {
            return Err(refused);
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= USED_MAX {
            used.retain(|_, until| now < *until);
        }
        if used.len() >= USED_MAX {
            return Err(Kind::TryAgain.into());
        }
        if used.insert(nonce, until).is_some() { Err(refused) } else { Ok(claims) }
    }
}

/// The moment, or the next that can be written: the ticket must not end early.
fn whole_second(moment: Timestamp) -> Option<Timestamp> {
    let second = moment.unix_seconds();
    let whole = Timestamp::from_unix_seconds(second)?;
    if whole < moment { Timestamp::from_unix_seconds(second.checked_add(1)?) } else { Some(whole) }
}

fn write(claims: &AccessClaims, nonce: &Nonce, until: Timestamp) -> Option<Said> {
    let AccessClaims {
        origin,
        user_id,
        session_id,
        token_id,
        issued_at,
        expires_at,
        authenticated_at,
        // The token that asked for the ticket has claimed the account.
        claims_until: _,
    } = claims;
    let mut said = Vec::with_capacity(SAID);
    said.push(u8::from(*origin == Origin::Own));
    said.extend_from_slice(nonce);
    for id in [user_id.as_uuid(), session_id.as_uuid(), *token_id] {
        said.extend_from_slice(id.as_bytes());
    }
    for moment in [*issued_at, *expires_at, *authenticated_at] {
        said.extend_from_slice(&moment.unix_seconds().to_be_bytes());
    }
    said.extend_from_slice(&until.unix_seconds().to_be_bytes());
    said.try_into().ok()
}

fn read(said: &Said) -> Option<(AccessClaims, Nonce, Timestamp)> {
    let (origin, rest) = said.split_first()?;
    let (nonce, rest) = rest.split_first_chunk()?;
    let (ids, moments) = rest.split_first_chunk::<48>()?;
    let mut ids = ids.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok());
    let mut moments = moments
        .chunks_exact(8)
        .filter_map(|moment| Some(i64::from_be_bytes(moment.try_into().ok()?)))
        .filter_map(Timestamp::from_unix_seconds);
    let claims = AccessClaims {
        origin: if *origin == 1 { Origin::Own } else { Origin::Foreign },
        user_id: UserId::new(ids.next()?),
        session_id: SessionId::new(ids.next()?),
        token_id: ids.next()?,
        issued_at: moments.next()?,
        expires_at: moments.next()?,
        authenticated_at: moments.next()?,
        claims_until: None,
    };
    Some((claims, *nonce, moments.next()?))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    struct Counting(AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds).unwrap()
    }

    fn claims(origin: Origin) -> AccessClaims {
        AccessClaims {
            origin,
            user_id: UserId::new(Uuid::from_u128(1)),
            session_id: SessionId::new(Uuid::from_u128(2)),
            token_id: Uuid::from_u128(3),
            issued_at: at(900),
            expires_at: at(1_800),
            authenticated_at: at(100),
            claims_until: None,
        }
    }

    fn tickets() -> (Tickets, Counting) {
        (Tickets::new(&[7; 32]), Counting(AtomicU8::new(0)))
    }

    #[test]
    fn a_ticket_gives_the_claims_it_was_made_for() {
        let (tickets, entropy) = tickets();
        for origin in [Origin::Own, Origin::Foreign] {
            let asked = AccessClaims { claims_until: Some(at(5_000)), ..claims(origin) };
            let ticket = tickets.issue(&asked, &entropy, at(1_000)).unwrap();
            assert_eq!(tickets.redeem(&ticket, at(1_000)), Ok(claims(origin)));
        }
    }

    #[test]
    fn a_ticket_is_taken_once_and_two_are_two() {
        let (tickets, entropy) = tickets();
        let [first, second] = [(); 2].map(|()| tickets.issue(&claims(Origin::Own), &entropy, at(1_000)).unwrap());
        assert!(tickets.redeem(&first, at(1_001)).is_ok());
        assert_eq!(tickets.redeem(&first, at(1_001)).unwrap_err().kind, Kind::Unauthenticated);
        assert!(tickets.redeem(&second, at(1_001)).is_ok());
    }

    #[test]
    fn a_ticket_lives_for_30_seconds() {
        let (tickets, entropy) = tickets();
        let [kept, late] = [(); 2].map(|()| tickets.issue(&claims(Origin::Own), &entropy, at(1_000)).unwrap());
        assert!(tickets.redeem(&kept, at(1_029)).is_ok());
        assert!(tickets.redeem(&late, at(1_030)).is_err());
    }

    #[test]
    fn a_ticket_that_is_made_within_a_second_lives_no_shorter() {
        let (tickets, entropy) = tickets();
        let now = at(1_000) + Duration::from_millis(1);
        let [kept, late] = [(); 2].map(|()| tickets.issue(&claims(Origin::Own), &entropy, now).unwrap());
        assert!(tickets.redeem(&kept, at(1_030) + Duration::from_millis(999)).is_ok());
        assert!(tickets.redeem(&late, at(1_031)).is_err());
    }

    #[test]
    fn every_node_takes_it_and_no_other_service() {
        let (tickets, entropy) = tickets();
        let ticket = tickets.issue(&claims(Origin::Own), &entropy, at(1_000)).unwrap();
        assert!(Tickets::new(&[7; 32]).redeem(&ticket, at(1_000)).is_ok());
        assert!(Tickets::new(&[8; 32]).redeem(&ticket, at(1_000)).is_err());
    }

    #[test]
    fn a_ticket_that_was_changed_is_refused() {
        let (tickets, entropy) = tickets();
        let ticket = tickets.issue(&claims(Origin::Own), &entropy, at(1_000)).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&ticket).unwrap();
        for index in 0..bytes.len() {
            let mut other = bytes.clone();
            other[index] ^= 1;
            assert!(tickets.redeem(&URL_SAFE_NO_PAD.encode(other), at(1_000)).is_err(), "byte {index}");
        }
        let (_, beheaded) = ticket.split_at(1);
        for other in ["", "x", beheaded, &format!("{ticket}AAAA"), &format!("{ticket}=")] {
            assert!(tickets.redeem(other, at(1_000)).is_err(), "{other}");
        }
        assert!(tickets.redeem(&ticket, at(1_000)).is_ok());
    }

    #[test]
    fn used_tickets_are_forgotten_as_they_end() {
        let (tickets, entropy) = tickets();
        let full = (0..USED_MAX as u64).map(|index| {
            let mut nonce = [0xff; 32];
            nonce[..8].copy_from_slice(&index.to_be_bytes());
            (nonce, at(1_030))
        });
        tickets.used.lock().unwrap().extend(full);
        let ticket = |now| tickets.issue(&claims(Origin::Own), &entropy, now).unwrap();
        // Who cannot be remembered is not let in.
        assert_eq!(tickets.redeem(&ticket(at(1_000)), at(1_029)).unwrap_err().kind, Kind::TryAgain);
        assert!(tickets.redeem(&ticket(at(1_020)), at(1_030)).is_ok());
        assert_eq!(tickets.used.lock().unwrap().len(), 1);
    }
}
