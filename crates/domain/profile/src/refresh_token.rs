//! Refresh tokens: opaque secrets of which only digests are kept.

use std::fmt;

use frontdesk_kernel::{Entropy, SessionId, UserId};
use uuid::Uuid;

/// A digest of a secret.
pub type Digest = [u8; 32];

const PREFIX: &str = "fdr_";
const UUID_BYTES: usize = 16;
const FAMILY_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const BYTES: usize = 2 * UUID_BYTES + FAMILY_BYTES + SECRET_BYTES;

/// Digests secrets of 128 bits and more, which need no slow hash.
///
/// # Contract
/// - The digest MUST be one-way (SHA-256), and digests for two purposes MUST tell nothing of each other.
pub trait SecretDigest: Send + Sync + 'static {
    /// Digests.
    fn digest(&self, purpose: &'static str, secret: &[u8]) -> Digest;
}

/// A refresh token. It names its session, proves to be of its family, and holds a secret that is good for one use.
///
/// The proof of the family tells an old token, whose reuse ends the session, from an invented one, which must not:
/// otherwise whoever has seen a session's id could end it.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Whose session.
    pub user_id: UserId,
    /// Which session.
    pub session_id: SessionId,
    /// The same in all tokens of the session.
    family: [u8; FAMILY_BYTES],
    /// Another in each.
    secret: [u8; SECRET_BYTES],
}

impl RefreshToken {
    /// Draws the first token of a session.
    pub fn first(user_id: UserId, session_id: SessionId, entropy: &dyn Entropy) -> Self {
        let (mut family, mut secret) = ([0; FAMILY_BYTES], [0; SECRET_BYTES]);
        entropy.fill(&mut family);
        entropy.fill(&mut secret);
        Self { user_id, session_id, family, secret }
    }

    /// Draws the token that follows this one.
    pub fn next(&self, entropy: &dyn Entropy) -> Self {
        let mut secret = [0; SECRET_BYTES];
        entropy.fill(&mut secret);
        Self { secret, ..self.clone() }
    }

    /// Reads a token as it was sent; `None` where it is not of the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; BYTES] = from_hex(text.strip_prefix(PREFIX)?)?;
        let (user, rest) = bytes.split_first_chunk::<UUID_BYTES>()?;
        let (session, rest) = rest.split_first_chunk::<UUID_BYTES>()?;
        let (family, rest) = rest.split_first_chunk::<FAMILY_BYTES>()?;
        let secret = rest.first_chunk::<SECRET_BYTES>()?;
        Some(Self {
            user_id: UserId::new(Uuid::from_bytes(*user)),
            session_id: SessionId::new(Uuid::from_bytes(*session)),
            family: *family,
            secret: *secret,
        })
    }

    /// Writes the token as it is sent to its owner, and to nobody else.
    pub fn expose(&self) -> String {
        let ids = [self.user_id.as_uuid().into_bytes(), self.session_id.as_uuid().into_bytes(), self.family];
        let bytes = ids.iter().flatten().chain(&self.secret);
        bytes.fold(PREFIX.to_owned(), |mut text, byte| {
            text.extend([byte >> 4, byte & 0xF].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
            text
        })
    }

    /// What is kept of the proof of the family.
    pub fn family_digest(&self, digest: &dyn SecretDigest) -> Digest {
        digest.digest("refresh token family", &[self.session_id.as_uuid().as_bytes().as_slice(), &self.family].concat())
    }

    /// What is kept of the secret.
    pub fn digest(&self, digest: &dyn SecretDigest) -> Digest {
        digest.digest("refresh token", &self.secret)
    }

    /// The secret of `next`, readable only with this token. So a lost answer can be given again, and the store holds no
    /// token that anybody could use. Each secret seals one other: as good as a one-time pad.
    pub fn seal(&self, next: &Self, digest: &dyn SecretDigest) -> [u8; 32] {
        xor(next.secret, digest.digest("refresh token seal", &self.secret))
    }

    /// The token whose secret was sealed with this one.
    pub fn unseal(&self, sealed: [u8; 32], digest: &dyn SecretDigest) -> Self {
        Self { secret: xor(sealed, digest.digest("refresh token seal", &self.secret)), ..self.clone() }
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

fn xor(mut one: [u8; 32], other: [u8; 32]) -> [u8; 32] {
    one.iter_mut().zip(other).for_each(|(byte, mask)| *byte ^= mask);
    one
}

/// Reads exactly `N` bytes of lower-case hexadecimal digits: a token has one spelling.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    let pairs = text.as_bytes().as_chunks::<2>();
    if pairs.0.len() != N || !pairs.1.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs.0) {
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not one-way, and enough to see what goes where.
    struct Sum;

    impl SecretDigest for Sum {
        fn digest(&self, purpose: &'static str, secret: &[u8]) -> Digest {
            let seed = purpose.bytes().fold(0_u8, u8::wrapping_add);
            let mut digest = [seed; 32];
            for (index, byte) in secret.iter().enumerate() {
                digest[index % 32] = digest[index % 32].wrapping_mul(31).wrapping_add(*byte);
            }
            digest
        }
    }

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill_with(|| self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    fn token() -> (RefreshToken, Counting) {
        let entropy = Counting(std::sync::atomic::AtomicU8::new(7));
        let (user, session) = (UserId::new(Uuid::from_u128(1)), SessionId::new(Uuid::from_u128(2)));
        (RefreshToken::first(user, session, &entropy), entropy)
    }

    #[test]
    fn what_is_written_is_read() {
        let (token, _) = token();
        assert_eq!(RefreshToken::parse(&token.expose()), Some(token));
    }

    #[test]
    fn other_spellings_are_no_token() {
        let text = token().0.expose();
        let upper = text.to_uppercase().replace("FDR_", "fdr_");
        for bad in [
            "",
            "fdr_",
            "x",
            &upper,
            &format!("{text}0"),
            &format!("{text}00"),
            text.trim_start_matches("fdr_"),
            text.trim_end_matches(text.chars().last().unwrap()),
        ] {
            assert_eq!(RefreshToken::parse(bad), None, "{bad}");
        }
        assert_eq!(RefreshToken::parse(&text.replace("fdr_0", "fdr_é")), None);
    }

    #[test]
    fn the_next_token_is_of_the_same_family_and_has_another_secret() {
        let (token, entropy) = token();
        let next = token.next(&entropy);
        assert_eq!(next.family_digest(&Sum), token.family_digest(&Sum));
        assert_ne!(next.digest(&Sum), token.digest(&Sum));
    }

    #[test]
    fn a_sealed_token_is_read_with_the_one_before_it_alone() {
        let (token, entropy) = token();
        let next = token.next(&entropy);
        let sealed = token.seal(&next, &Sum);
        assert_eq!(token.unseal(sealed, &Sum), next);
        assert_ne!(next.unseal(sealed, &Sum), next);
        assert_ne!(sealed, next.secret);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", token().0), "RefreshToken(…)");
    }
}
