//! Limits on attempts to prove a password.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::gcra::{Limiter, Quota, Subject, Verdict};
use frontdesk_kernel::{Clock, Unavailable};

/// Failures to prove the password of one account, from one address: 10 in 15 minutes. The burst holds all ten, and
/// after it one more is heard every 15 minutes.
fn account_quota() -> Quota {
    Quota::new(1, Duration::from_mins(15), 10)
}

/// Failures from one address, whatever the account: 100 a minute.
fn address_quota() -> Quota {
    Quota::new(100, Duration::from_mins(1), 100)
}

const ACCOUNT_POLICY: &str = "sign-in";
const ADDRESS_POLICY: &str = "sign-in-address";

/// How much of a name is kept: one character more than a username has, so that a longer name is no account's.
const NAME_CHARS: usize = 33;

/// A counted attempt to prove a password.
pub(crate) struct Attempt {
    account: Subject,
    address: Subject,
}

/// Counts attempts.
#[derive(Clone)]
pub(crate) struct Attempts {
    limiter: Arc<dyn Limiter>,
    clock: Arc<dyn Clock>,
    is_limited: bool,
}

impl Attempts {
    pub(crate) const fn new(limiter: Arc<dyn Limiter>, clock: Arc<dyn Clock>, is_limited: bool) -> Self {
        Self { limiter, clock, is_limited }
    }

    /// Counts an attempt before it is made, so that parallel guesses cannot slip through together. A refused one
    /// leaves nothing counted: whoever keeps knocking at one account does not lock the neighbours of an address out.
    pub(crate) async fn count(&self, name: &str, address: IpAddr) -> Result<Result<Attempt, Duration>, Unavailable> {
        let username = name.chars().take(NAME_CHARS).collect();
        let account = Subject::SignIn { username, address };
        let attempt = Attempt { account, address: Subject::Address(address) };
        if !self.is_limited {
            return Ok(Ok(attempt));
        }
        let (limiter, now) = (&self.limiter, self.clock.now());
        let of_account = limiter.take(ACCOUNT_POLICY, &account_quota(), &attempt.account, now).await?;
        let of_address = limiter.take(ADDRESS_POLICY, &address_quota(), &attempt.address, now).await?;
        match (of_account, of_address) {
            (Verdict::Allowed { .. }, Verdict::Allowed { .. }) => Ok(Ok(attempt)),
            (Verdict::Refused { retry_after }, Verdict::Allowed { .. }) => {
                limiter.give_back(ADDRESS_POLICY, &address_quota(), &attempt.address).await?;
                Ok(Err(retry_after))
            }
            (Verdict::Allowed { .. }, Verdict::Refused { retry_after }) => {
                limiter.give_back(ACCOUNT_POLICY, &account_quota(), &attempt.account).await?;
                Ok(Err(retry_after))
            }
            (Verdict::Refused { retry_after: one }, Verdict::Refused { retry_after: other }) => Ok(Err(one.max(other))),
        }
    }

    /// Gives an attempt back that was no failure to prove a password.
    pub(crate) async fn forgive(&self, attempt: Attempt) -> Result<(), Unavailable> {
        if !self.is_limited {
            return Ok(());
        }
        self.limiter.give_back(ADDRESS_POLICY, &address_quota(), &attempt.address).await?;
        self.limiter.give_back(ACCOUNT_POLICY, &account_quota(), &attempt.account).await
    }
}
