//! Limits on attempts to prove a password.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::gcra::{Limiter, Quota, Subject, Verdict};
use frontdesk_kernel::{Clock, Unavailable};

/// Failures to prove a password, of one account from one address: 10 in 15 minutes.
fn sign_in_quota() -> Quota {
    Quota::new(10, Duration::from_mins(15), 10)
}

/// Failures from one address, whatever the account: 100 a minute.
fn address_quota() -> Quota {
    Quota::new(100, Duration::from_mins(1), 100)
}

const SIGN_IN_POLICY: &str = "sign-in";
const ADDRESS_POLICY: &str = "sign-in-address";

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

    /// Counts an attempt before it is made, so that parallel guesses cannot slip through together.
    pub(crate) async fn count(&self, account: &str, address: IpAddr) -> Result<Result<Attempt, Duration>, Unavailable> {
        let attempt = Attempt {
            account: Subject::SignIn { username: account.to_owned(), address },
            address: Subject::Address(address),
        };
        if !self.is_limited {
            return Ok(Ok(attempt));
        }
        let (limiter, now) = (&self.limiter, self.clock.now());
        let verdict = limiter.take(ADDRESS_POLICY, &address_quota(), &attempt.address, now).await?;
        if let Verdict::Refused { retry_after } = verdict {
            return Ok(Err(retry_after));
        }
        let verdict = limiter.take(SIGN_IN_POLICY, &sign_in_quota(), &attempt.account, now).await?;
        Ok(match verdict {
            Verdict::Allowed { .. } => Ok(attempt),
            Verdict::Refused { retry_after } => Err(retry_after),
        })
    }

    /// Gives an attempt back that was no failure.
    pub(crate) async fn forgive(&self, attempt: Attempt) -> Result<(), Unavailable> {
        if !self.is_limited {
            return Ok(());
        }
        self.limiter.give_back(ADDRESS_POLICY, &address_quota(), &attempt.address).await?;
        self.limiter.give_back(SIGN_IN_POLICY, &sign_in_quota(), &attempt.account).await
    }
}
