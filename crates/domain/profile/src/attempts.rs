//! Limits on attempts to prove a password.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// When a refusal that is owed to attempts under way is worth another try: they are soon known for what they are.
const SOON: Duration = Duration::from_secs(1);

/// A counted attempt to prove a password, under way until it is dropped.
pub(crate) struct Attempt {
    account: Subject,
    address: Subject,
    underway: Underway,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.underway.leave(&self.account);
        self.underway.leave(&self.address);
    }
}

/// The attempts whose outcome is not known yet. They are counted as failures, and most of them are none.
#[derive(Clone, Default)]
struct Underway(Arc<Mutex<HashMap<Subject, u32>>>);

impl Underway {
    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, subject: &Subject) {
        *self.lock().entry(subject.clone()).or_default() += 1;
    }

    fn leave(&self, subject: &Subject) {
        let mut counts = self.lock();
        if let Some(count) = counts.get_mut(subject) {
            *count -= 1;
            if *count == 0 {
                counts.remove(subject);
            }
        }
    }

    /// Until a refused subject is worth another try.
    fn wait(&self, subject: &Subject, retry_after: Duration) -> Duration {
        if self.lock().contains_key(subject) { retry_after.min(SOON) } else { retry_after }
    }
}

/// Counts attempts.
#[derive(Clone)]
pub(crate) struct Attempts {
    limiter: Arc<dyn Limiter>,
    clock: Arc<dyn Clock>,
    is_limited: bool,
    underway: Underway,
}

impl Attempts {
    pub(crate) fn new(limiter: Arc<dyn Limiter>, clock: Arc<dyn Clock>, is_limited: bool) -> Self {
        Self { limiter, clock, is_limited, underway: Underway::default() }
    }

    /// Counts an attempt before it is made, so that parallel guesses cannot slip through together. A refused one
    /// leaves nothing counted: whoever keeps knocking at one account does not lock the neighbours of an address out.
    pub(crate) async fn count(&self, name: &str, address: IpAddr) -> Result<Result<Attempt, Duration>, Unavailable> {
        let username = name.chars().take(NAME_CHARS).collect();
        let (account, address) = (Subject::SignIn { username, address }, Subject::Address(address));
        if self.is_limited {
            let (limiter, now) = (&self.limiter, self.clock.now());
            let of_account = limiter.take(ACCOUNT_POLICY, &account_quota(), &account, now).await?;
            let of_address = limiter.take(ADDRESS_POLICY, &address_quota(), &address, now).await?;
            let of_account = self.refusal(of_account, &account);
            let of_address = self.refusal(of_address, &address);
            if of_account.is_none() && of_address.is_some() {
                limiter.give_back(ACCOUNT_POLICY, &account_quota(), &account).await?;
            }
            if of_account.is_some() && of_address.is_none() {
                limiter.give_back(ADDRESS_POLICY, &address_quota(), &address).await?;
            }
            if let Some(retry_after) = of_account.max(of_address) {
                return Ok(Err(retry_after));
            }
        }
        self.underway.enter(&account);
        self.underway.enter(&address);
        Ok(Ok(Attempt { account, address, underway: self.underway.clone() }))
    }

    /// Until a refused subject is worth another try; `None` where it is let through.
    fn refusal(&self, verdict: Verdict, subject: &Subject) -> Option<Duration> {
        match verdict {
            Verdict::Allowed { .. } => None,
            Verdict::Refused { retry_after } => Some(self.underway.wait(subject, retry_after)),
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
