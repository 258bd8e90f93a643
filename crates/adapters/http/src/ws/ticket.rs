//! Tickets: what opens one socket for a browser, which can send no header with it.
//!
//! A ticket says what the token of its owner says, sealed with a key that every node has, so each node takes the tickets
//! of all, within 30 seconds (and what is left of the last of them). That it was taken, the store of the rooms remembers
//! for all of them ([`Rooms::redeem`](frontdesk_rooms::Rooms::redeem)).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use frontdesk_kernel::{Entropy, SessionId, Timestamp, UserId};
use frontdesk_profile::token::{AccessClaims, Origin};
use frontdesk_rooms::store::TicketId;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use super::closure::{Closure, Kind};

/// How long a ticket can be used.
pub(crate) const LIVES_FOR: Duration = Duration::from_secs(30);

/// What the key is for: another use of the same secret has another label.
const LABEL: &[u8] = b"frontdesk realtime ticket 2";

/// Origin, ticket, user, session, token, and four moments.
const SAID: usize = 1 + 4 * 16 + 4 * 8;
const SEAL: usize = 32;

type Said = [u8; SAID];

/// Makes tickets, and reads them.
pub(crate) struct Tickets {
    /// Keyed already.
    seal: Option<Hmac<Sha256>>,
}

/// What a ticket says. It opens a socket once it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) id: TicketId,
    pub(crate) claims: AccessClaims,
    pub(crate) ends_at: Timestamp,
}

/// A ticket that is malformed, used or over; nobody learns which.
pub(crate) const REFUSED: Closure = Closure::because(Kind::Unauthenticated, "the ticket is malformed, used or over");

impl Tickets {
    /// Derives its key from one that is the same on every node.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let keyed = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).ok();
        let derived = keyed(secret).map(|mut mac| {
            mac.update(LABEL);
            mac.finalize().into_bytes()
        });
        Self { seal: derived.and_then(|key| keyed(&key)) }
    }

    fn sealing(&self, said: &Said) -> Option<Hmac<Sha256>> {
        let mut seal = self.seal.clone()?;
        seal.update(said);
        Some(seal)
    }

    /// Makes a ticket for whoever these claims speak of. Nothing where there is no key, which cannot be.
    pub(crate) fn issue(&self, claims: &AccessClaims, entropy: &dyn Entropy, now: Timestamp) -> Option<String> {
        let ticket = TicketId::new(entropy.uuid_v7(now));
        let said = write(claims, ticket, whole_second(now + LIVES_FOR)?)?;
        let seal = self.sealing(&said)?.finalize().into_bytes();
        Some(URL_SAFE_NO_PAD.encode([said.as_slice(), seal.as_slice()].concat()))
    }

    /// Reads a ticket that was made with this key and is not over.
    pub(crate) fn read(&self, ticket: &str, now: Timestamp) -> Result<Ticket, Closure> {
        let bytes = URL_SAFE_NO_PAD.decode(ticket).map_err(|_| REFUSED)?;
        let (said, seal) = bytes.split_first_chunk::<SAID>().ok_or(REFUSED)?;
        let seal = <[u8; SEAL]>::try_from(seal).map_err(|_| REFUSED)?;
        self.sealing(said).ok_or(REFUSED)?.verify_slice(&seal).map_err(|_| REFUSED)?;
        read(said).filter(|ticket| now < ticket.ends_at).ok_or(REFUSED)
    }
}

/// The moment, or the next that can be written: the ticket must not end early.
fn whole_second(moment: Timestamp) -> Option<Timestamp> {
    let second = moment.unix_seconds();
    let whole = Timestamp::from_unix_seconds(second)?;
    if whole < moment { Timestamp::from_unix_seconds(second.checked_add(1)?) } else { Some(whole) }
}

fn write(claims: &AccessClaims, ticket: TicketId, ends_at: Timestamp) -> Option<Said> {
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
    for id in [ticket.as_uuid(), user_id.as_uuid(), session_id.as_uuid(), *token_id] {
        said.extend_from_slice(id.as_bytes());
    }
    for moment in [*issued_at, *expires_at, *authenticated_at, ends_at] {
        said.extend_from_slice(&moment.unix_seconds().to_be_bytes());
    }
    said.try_into().ok()
}

fn read(said: &Said) -> Option<Ticket> {
    let (origin, rest) = said.split_first()?;
    let (ids, moments) = rest.split_first_chunk::<64>()?;
    let mut ids = ids.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok());
    let mut moments = moments
        .chunks_exact(8)
        .filter_map(|moment| Some(i64::from_be_bytes(moment.try_into().ok()?)))
        .filter_map(Timestamp::from_unix_seconds);
    let id = TicketId::new(ids.next()?);
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
    Some(Ticket { id, claims, ends_at: moments.next()? })
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
            assert_eq!(tickets.read(&ticket, at(1_000)).unwrap().claims, claims(origin));
        }
    }

    #[test]
    fn a_ticket_is_the_same_each_time_and_two_are_two() {
        let (tickets, entropy) = tickets();
        let [first, second] = [(); 2].map(|()| tickets.issue(&claims(Origin::Own), &entropy, at(1_000)).unwrap());
        assert_eq!(tickets.read(&first, at(1_000)), tickets.read(&first, at(1_001)));
        assert_ne!(tickets.read(&first, at(1_000)).unwrap().id, tickets.read(&second, at(1_000)).unwrap().id);
    }

    #[test]
    fn a_ticket_lives_for_30_seconds() {
        let (tickets, entropy) = tickets();
        let ticket = tickets.issue(&claims(Origin::Own), &entropy, at(1_000)).unwrap();
        assert_eq!(tickets.read(&ticket, at(1_029)).unwrap().ends_at, at(1_030));
        assert_eq!(tickets.read(&ticket, at(1_030)), Err(REFUSED));
    }

    #[test]
    fn a_ticket_that_is_made_within_a_second_lives_no_shorter() {
        let (tickets, entropy) = tickets();
        let now = at(1_000) + Duration::from_millis(1);
        let ticket = tickets.issue(&claims(Origin::Own), &entropy, now).unwrap();
        assert!(tickets.read(&ticket, at(1_030) + Duration::from_millis(999)).is_ok());
        assert_eq!(tickets.read(&ticket, at(1_031)), Err(REFUSED));
    }

    #[test]
    fn every_node_takes_it_and_no_other_service() {
        let (tickets, entropy) = tickets();
        let ticket = tickets.issue(&claims(Origin::Own), &entropy, at(1_000)).unwrap();
        assert!(Tickets::new(&[7; 32]).read(&ticket, at(1_000)).is_ok());
        assert_eq!(Tickets::new(&[8; 32]).read(&ticket, at(1_000)), Err(REFUSED));
    }

    #[test]
    fn a_ticket_that_was_changed_is_refused() {
        let (tickets, entropy) = tickets();
        let ticket = tickets.issue(&claims(Origin::Own), &entropy, at(1_000)).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&ticket).unwrap();
        for index in 0..bytes.len() {
            let mut other = bytes.clone();
            other[index] ^= 1;
            assert_eq!(tickets.read(&URL_SAFE_NO_PAD.encode(other), at(1_000)), Err(REFUSED), "byte {index}");
        }
        let (_, beheaded) = ticket.split_at(1);
        for other in ["", "x", beheaded, &format!("{ticket}AAAA"), &format!("{ticket}=")] {
            assert_eq!(tickets.read(other, at(1_000)), Err(REFUSED), "{other}");
        }
        assert!(tickets.read(&ticket, at(1_000)).is_ok());
    }
}
