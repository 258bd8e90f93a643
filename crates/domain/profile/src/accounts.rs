//! Registration, sign-in and passwords.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_kernel::gcra::{Limiter, Quota, Subject, Verdict};
use frontdesk_kernel::idempotency::Completion;
use frontdesk_kernel::{
    Clock, Entropy, Event, EventBody, EventId, Fault, FaultCode, SessionId, Timestamp, Unavailable, UserId,
};

use crate::account::{Account, FRESH_SIGN_IN, PasswordGround, SetPassword};
use crate::channels::Channels;
use crate::password::{Password, PasswordHash, PasswordHasher};
use crate::profile::{Authority, Profile};
use crate::settings::Settings;
use crate::token::{AccessClaims, TokenRefused, TokenSigner};
use crate::{Email, FieldError, Line, ProfileStore, Username};

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

/// Who may act for an account without its token (`USERS_AUTH`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimPolicy {
    /// Whoever has the id, until the account is claimed or the window ends.
    Claim,
    /// As `Claim`, and profile writes never need a token.
    Open,
    /// Nobody.
    Jwt,
}

/// A new account, as it is stored: all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The account.
    pub account: Account,
    /// Its profile.
    pub profile: Profile,
    /// Its settings.
    pub settings: Settings,
    /// Its channels.
    pub channels: Channels,
    /// The event that tells of it.
    pub event: Event,
}

/// A checked request for an account.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The id it will have.
    pub user_id: UserId,
    /// The name to sign in with.
    pub username: Username,
    /// The name to show.
    pub display_name: Option<Line<100>>,
    /// A contact.
    pub email: Option<Email>,
    /// The password as typed; without one the account is unclaimed.
    pub password: Option<String>,
}

/// What a store says to a new account.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The username belongs to somebody.
    #[error("the username is taken")]
    UsernameTaken,
    /// Somebody else holds the idempotency key by now.
    #[error("another request with this Idempotency-Key is running")]
    ClaimLost,
    /// The store is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Fault for CreateError {
    fn code(&self) -> FaultCode {
        match self {
            Self::UsernameTaken => FaultCode::UsernameTaken,
            Self::ClaimLost => FaultCode::IdempotencyInProgress,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}

/// Why a registration is refused before anything is stored.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The password may not be one.
    #[error("the password is refused")]
    Password(FieldError),
    /// The hasher is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What a store says to a new password.
#[derive(Debug, thiserror::Error)]
pub enum StorePasswordError {
    /// No such account.
    #[error("no such account")]
    NotFound,
    /// The account has been claimed, or its window has ended.
    #[error("the account is not open")]
    NotOpen,
    /// Another password was set since the proof was made.
    #[error("the password was changed by another request")]
    ChangedMeanwhile,
    /// The store is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a password is not changed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordChangeError {
    /// No credential, and the account is not open; or the account is gone.
    #[error(transparent)]
    Unauthorized(#[from] TokenRefused),
    /// The account is another user's, or nobody's.
    #[error("User not found")]
    NotFound,
    /// The new password may not be one.
    #[error("the new password is refused")]
    Invalid(FieldError),
    /// The account has a password, and neither it nor a fresh sign-in came along.
    #[error("send current_password, or sign in again: the last sign-in is more than 5 minutes ago")]
    ReauthenticationRequired,
    /// The current password is another.
    #[error("the current password is wrong")]
    WrongPassword,
    /// Another change was faster.
    #[error("the password was changed by another request meanwhile")]
    ChangedMeanwhile,
    /// Too many wrong passwords.
    #[error("too many failed attempts")]
    RateLimited {
        /// Until the next attempt is heard.
        retry_after: Duration,
    },
    /// Something is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a sign-in is refused.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No such user or another password; which of the two is not told.
    #[error("the username or the password is wrong")]
    Refused,
    /// Too many wrong passwords.
    #[error("too many failed attempts")]
    RateLimited {
        /// Until the next attempt is heard.
        retry_after: Duration,
    },
    /// Something is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A sign-in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The username as typed.
    pub username: String,
    /// The password as typed.
    pub password: Password,
    /// Where it comes from.
    pub address: IpAddr,
}

/// A request to change a password.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// Whose password.
    pub user_id: UserId,
    /// Who asks, by their token.
    pub caller: Option<AccessClaims>,
    /// The new password as typed.
    pub new_password: String,
    /// The current one as typed.
    pub current_password: Option<Password>,
    /// Where it comes from.
    pub address: IpAddr,
}

/// What a sign-in needs to know of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user_id: UserId,
    /// The password, where there is one.
    pub password: Option<PasswordHash>,
}

/// Keeps accounts.
///
/// # Contract
/// - `create` MUST store account, profile, settings, channels, event and completion together or not at all.
/// - `create` MUST refuse a username that another user has, without regard to case.
/// - `create` with a completion MUST refuse when its claim no longer holds the scope.
/// - `find_login` MUST find an account by the comparison form of its username and nothing else.
/// - `set_password` MUST lock the account, ask [`decide_password`](crate::account::decide_password), and store
///   account and event together.
/// - `close_claim` MUST be idempotent, and MUST do nothing for an unknown user.
/// - A method that names a user MUST NOT read or write another user's rows.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Stores a new account.
    async fn create(&self, new: &Registered, completion: Option<&Completion>) -> Result<(), CreateError>;

    /// Reads an account.
    async fn account(&self, user: UserId) -> Result<Option<Account>, Unavailable>;

    /// Finds the account of a username in its comparison form.
    async fn find_login(&self, username_key: &str) -> Result<Option<Login>, Unavailable>;

    /// Sets a password and closes the account to strangers.
    async fn set_password(&self, command: &SetPassword) -> Result<(), StorePasswordError>;

    /// Closes the account to strangers.
    async fn close_claim(&self, user: UserId) -> Result<(), Unavailable>;
}

/// The ports that [`Accounts`] holds.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the port its type names")]
pub struct AccountsPorts {
    pub accounts: Arc<dyn AccountStore>,
    pub profiles: Arc<dyn ProfileStore>,
    pub hasher: Arc<dyn PasswordHasher>,
    pub signer: Arc<dyn TokenSigner>,
    pub limiter: Arc<dyn Limiter>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Registers users, signs them in and changes their passwords.
#[derive(Clone)]
pub struct Accounts {
    ports: AccountsPorts,
    policy: ClaimPolicy,
    claim_window: Duration,
    limits: bool,
}

impl Accounts {
    /// Joins the ports. `limits` switches the limits on failed sign-ins.
    pub const fn new(ports: AccountsPorts, policy: ClaimPolicy, claim_window: Duration, limits: bool) -> Self {
        Self { ports, policy, claim_window, limits }
    }

    /// Draws the id of a user to be.
    pub fn draw_user_id(&self) -> UserId {
        UserId::new(self.ports.entropy.uuid_v7(self.ports.clock.now()))
    }

    /// Makes an account, without storing it.
    pub async fn prepare(&self, registration: Registration) -> Result<Registered, RegistrationError> {
        let Registration { user_id, username, display_name, email, password } = registration;
        let password = match password {
            None => None,
            Some(typed) => {
                let chosen = Password::choose(&typed, Some(&username), email.as_ref());
                Some(self.ports.hasher.hash(chosen.map_err(RegistrationError::Password)?).await?)
            }
        };
        let now = self.ports.clock.now();
        let is_unclaimed = password.is_none() && self.policy != ClaimPolicy::Jwt;
        let profile = Profile { display_name, email, ..Profile::new(user_id, Some(username), now) };
        Ok(Registered {
            account: Account {
                id: user_id,
                password,
                claim_open_until: is_unclaimed.then(|| now + self.claim_window),
                created_at: now,
            },
            profile,
            settings: Settings::new(now),
            channels: Channels::default(),
            event: Event {
                id: EventId::new(self.ports.entropy.uuid_v7(now)),
                user_id,
                occurred_at: now,
                body: EventBody::AccountCreated,
            },
        })
    }

    /// Stores a prepared account.
    pub async fn create(&self, new: &Registered, completion: Option<&Completion>) -> Result<(), CreateError> {
        self.ports.accounts.create(new, completion).await
    }

    /// Issues a token for somebody who has just proved who they are, in a session of its own.
    pub fn issue(&self, account: &Account) -> String {
        let now = self.ports.clock.now();
        let issued_at = Timestamp::from_unix_seconds(now.unix_seconds()).unwrap_or(now);
        self.ports.signer.sign(&AccessClaims {
            user_id: account.id,
            session_id: SessionId::new(self.ports.entropy.uuid_v7(now)),
            token_id: self.ports.entropy.uuid_v7(now),
            issued_at,
            expires_at: issued_at + self.ports.signer.lifetime(),
            authenticated_at: issued_at,
            claims_until: account.claim_open_until,
        })
    }

    /// How long a token lives.
    pub fn token_lifetime(&self) -> Duration {
        self.ports.signer.lifetime()
    }

    /// Believes a token, or not. The first use of an unclaimed account's token claims the account.
    pub async fn authenticate(&self, token: &str) -> Result<AccessClaims, AuthenticationError> {
        let now = self.ports.clock.now();
        let claims = self.ports.signer.verify(token, now)?;
        if claims.claims_until.is_some_and(|until| now < until) {
            self.ports.accounts.close_claim(claims.user_id).await?;
        }
        Ok(claims)
    }

    /// Tells on whose authority the profile of `target` may be written.
    pub async fn authority(&self, target: UserId, caller: Option<&AccessClaims>) -> Result<Authority, AuthorityError> {
        match caller {
            Some(claims) if claims.user_id == target => Ok(Authority::Granted),
            Some(_) => Err(AuthorityError::NotFound),
            None if self.policy == ClaimPolicy::Jwt => Err(TokenRefused.into()),
            None => match self.ports.accounts.account(target).await? {
                Some(account) if account.is_open(self.ports.clock.now()) => Ok(Authority::Unclaimed),
                Some(_) if self.policy == ClaimPolicy::Open => Ok(Authority::Granted),
                None if self.policy == ClaimPolicy::Open => Err(AuthorityError::NotFound),
                _ => Err(TokenRefused.into()),
            },
        }
    }

    /// Tells whether the caller sees all of the profile of `target`, or what everybody sees.
    pub async fn sees_all(&self, target: UserId, caller: Option<&AccessClaims>) -> Result<bool, Unavailable> {
        match caller {
            Some(claims) => Ok(claims.user_id == target),
            None if self.policy == ClaimPolicy::Jwt => Ok(false),
            None => {
                let account = self.ports.accounts.account(target).await?;
                Ok(account.is_some_and(|account| account.is_open(self.ports.clock.now())))
            }
        }
    }

    /// Signs in with a username and a password.
    pub async fn sign_in(&self, sign_in: SignIn) -> Result<Account, SignInError> {
        let SignIn { username, password, address } = sign_in;
        let key = Username::key_of(&username);
        let attempt = self.attempt(&key, address).await?;
        let attempt = attempt.map_err(|retry_after| SignInError::RateLimited { retry_after })?;
        let login = self.ports.accounts.find_login(&key).await?;
        let hash = login.as_ref().filter(|_| password.is_plausible()).and_then(|login| login.password.clone());
        // An unknown user costs a hash too: the time must not tell who has an account.
        let is_right = self.ports.hasher.verify(password, hash).await?;
        let user = login.filter(|_| is_right).map(|login| login.user_id).ok_or(SignInError::Refused)?;
        self.forgive(attempt).await?;
        self.ports.accounts.account(user).await?.ok_or(SignInError::Refused)
    }

    /// Changes a password, and gives the account after it.
    pub async fn change_password(&self, change: PasswordChange) -> Result<Account, PasswordChangeError> {
        let PasswordChange { user_id, caller, new_password, current_password, address } = change;
        let ground = match &caller {
            Some(claims) if claims.user_id == user_id => PasswordGround::Owner,
            Some(_) => return Err(PasswordChangeError::NotFound),
            None => PasswordGround::Unclaimed,
        };
        let stored = self.ports.accounts.account(user_id).await?.ok_or(TokenRefused)?;
        let now = self.ports.clock.now();
        let is_closed = self.policy == ClaimPolicy::Jwt || !stored.is_open(now);
        if ground == PasswordGround::Unclaimed && is_closed {
            return Err(TokenRefused.into());
        }
        let profile = self.ports.profiles.profile(user_id).await?.ok_or(TokenRefused)?;
        let chosen = Password::choose(&new_password, profile.username.as_ref(), profile.email.as_ref());
        let chosen = chosen.map_err(PasswordChangeError::Invalid)?;
        if let Some(hash) = &stored.password {
            let signed_in = caller.as_ref().map(|claims| claims.authenticated_at);
            self.reauthenticate(user_id, hash, current_password, signed_in, address).await?;
        }
        let hash = self.ports.hasher.hash(chosen).await?;
        let now = self.ports.clock.now();
        let event_id = EventId::new(self.ports.entropy.uuid_v7(now));
        let command = SetPassword { user_id, ground, seen: stored.password, hash: hash.clone(), now, event_id };
        self.ports.accounts.set_password(&command).await.map_err(|error| match error {
            StorePasswordError::NotFound | StorePasswordError::NotOpen => TokenRefused.into(),
            StorePasswordError::ChangedMeanwhile => PasswordChangeError::ChangedMeanwhile,
            StorePasswordError::Unavailable(cause) => cause.into(),
        })?;
        Ok(Account { id: user_id, password: Some(hash), claim_open_until: None, created_at: stored.created_at })
    }

    async fn reauthenticate(
        &self,
        user: UserId,
        hash: &PasswordHash,
        current: Option<Password>,
        signed_in: Option<Timestamp>,
        address: IpAddr,
    ) -> Result<(), PasswordChangeError> {
        let Some(current) = current else {
            // In whole seconds, as tokens tell the time.
            let now = self.ports.clock.now().unix_seconds();
            let is_fresh = signed_in
                .is_some_and(|at| now.saturating_sub(at.unix_seconds()).unsigned_abs() <= FRESH_SIGN_IN.as_secs());
            return if is_fresh { Ok(()) } else { Err(PasswordChangeError::ReauthenticationRequired) };
        };
        let attempt = self.attempt(&user.to_string(), address).await?;
        let attempt = attempt.map_err(|retry_after| PasswordChangeError::RateLimited { retry_after })?;
        let hash = Some(hash.clone()).filter(|_| current.is_plausible());
        if !self.ports.hasher.verify(current, hash).await? {
            return Err(PasswordChangeError::WrongPassword);
        }
        Ok(self.forgive(attempt).await?)
    }

    /// Counts an attempt before it is made, so that parallel guesses cannot slip through together.
    async fn attempt(&self, account: &str, address: IpAddr) -> Result<Result<Attempt, Duration>, Unavailable> {
        let attempt = Attempt {
            account: Subject::SignIn { username: account.to_owned(), address },
            address: Subject::Address(address),
        };
        if !self.limits {
            return Ok(Ok(attempt));
        }
        let (limiter, now) = (&self.ports.limiter, self.ports.clock.now());
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
    async fn forgive(&self, attempt: Attempt) -> Result<(), Unavailable> {
        if !self.limits {
            return Ok(());
        }
        self.ports.limiter.give_back(ADDRESS_POLICY, &address_quota(), &attempt.address).await?;
        self.ports.limiter.give_back(SIGN_IN_POLICY, &sign_in_quota(), &attempt.account).await
    }
}

/// A counted attempt to prove a password.
struct Attempt {
    account: Subject,
    address: Subject,
}

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// It is not one of ours, or not any more.
    #[error(transparent)]
    Refused(#[from] TokenRefused),
    /// Something is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Fault for AuthenticationError {
    fn code(&self) -> FaultCode {
        match self {
            Self::Refused(cause) => cause.code(),
            Self::Unavailable(cause) => cause.code(),
        }
    }
}

/// Why a profile may not be written.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// No credential, and the account is not open.
    #[error(transparent)]
    Refused(#[from] TokenRefused),
    /// The profile is another user's, or nobody's.
    #[error("User not found")]
    NotFound,
    /// Something is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Fault for AuthorityError {
    fn code(&self) -> FaultCode {
        match self {
            Self::Refused(cause) => cause.code(),
            Self::NotFound => FaultCode::NotFound,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}

impl Fault for PasswordChangeError {
    fn code(&self) -> FaultCode {
        match self {
            Self::Unauthorized(cause) => cause.code(),
            Self::NotFound => FaultCode::NotFound,
            Self::Invalid(_) => FaultCode::ValidationFailed,
            Self::ReauthenticationRequired => FaultCode::ReauthenticationRequired,
            Self::WrongPassword => FaultCode::Forbidden,
            Self::ChangedMeanwhile => FaultCode::Conflict,
            Self::RateLimited { .. } => FaultCode::RateLimited,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}

impl Fault for SignInError {
    fn code(&self) -> FaultCode {
        match self {
            Self::Refused => FaultCode::Unauthorized,
            Self::RateLimited { .. } => FaultCode::RateLimited,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}
