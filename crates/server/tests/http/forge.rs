//! Tokens that no library would make: any header, any payload, any signature.

use serde_json::Value;
use sha2::digest::Digest;
use sha2::{Sha256, Sha384, Sha512};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 for URLs, without padding (RFC 4648, section 5).
fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0_u32, |word, at| (word << 8) | u32::from(chunk.get(at).copied().unwrap_or_default()));
        for at in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * at)) as usize & 63]));
        }
    }
    text
}

fn decode(text: &str) -> Vec<u8> {
    let (mut word, mut bits, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == byte).unwrap();
        (word, bits) = ((word << 6) | u32::try_from(value).unwrap(), bits + 6);
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((word >> bits) & 0xff).unwrap());
        }
    }
    bytes
}

/// HMAC (RFC 2104) over a digest with blocks of a given size.
fn hmac<D: Digest>(block: usize, key: &str, message: &str) -> Vec<u8> {
    let mut padded = key.as_bytes().to_vec();
    assert!(padded.len() <= block);
    padded.resize(block, 0);
    let with = |pad: u8| padded.iter().map(|byte| byte ^ pad).collect::<Vec<_>>();
    let inner = D::digest([with(0x36), message.as_bytes().to_vec()].concat());
    D::digest([with(0x5c), inner.to_vec()].concat()).to_vec()
}

pub(crate) type Mac = fn(&str, &str) -> Vec<u8>;

pub(crate) fn hs256(key: &str, message: &str) -> Vec<u8> {
    hmac::<Sha256>(64, key, message)
}

pub(crate) fn hs384(key: &str, message: &str) -> Vec<u8> {
    hmac::<Sha384>(128, key, message)
}

pub(crate) fn hs512(key: &str, message: &str) -> Vec<u8> {
    hmac::<Sha512>(128, key, message)
}

/// Signs a header and a payload, whatever they are.
pub(crate) fn signed(header: &str, payload: &str, mac: Mac, key: &str) -> String {
    let message = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
    let signature = encode(&mac(key, &message));
    format!("{message}.{signature}")
}

/// A token of the server's own, taken apart to be spoiled.
#[derive(Clone)]
pub(crate) struct Forge {
    header: Value,
    payload: Value,
}

impl Forge {
    pub(crate) fn of(token: &str) -> Self {
        let mut parts = token.split('.').map(|part| serde_json::from_slice(&decode(part)));
        let mut next = || parts.next().unwrap().unwrap();
        Self { header: next(), payload: next() }
    }

    pub(crate) fn header(&self, name: &str, value: Value) -> Self {
        let mut spoiled = self.clone();
        spoiled.header[name] = value;
        spoiled
    }

    pub(crate) fn payload(&self, name: &str, value: Value) -> Self {
        let mut spoiled = self.clone();
        spoiled.payload[name] = value;
        spoiled
    }

    pub(crate) fn without(&self, name: &str) -> Self {
        let mut spoiled = self.clone();
        spoiled.payload.as_object_mut().unwrap().remove(name);
        spoiled
    }

    pub(crate) fn claim(&self, name: &str) -> &Value {
        &self.payload[name]
    }

    /// Header and payload as JSON.
    pub(crate) fn texts(&self) -> (String, String) {
        (self.header.to_string(), self.payload.to_string())
    }

    pub(crate) fn signed_by(&self, mac: Mac, key: &str) -> String {
        let (header, payload) = self.texts();
        signed(&header, &payload, mac, key)
    }

    /// With a signature from elsewhere.
    pub(crate) fn signed_with(&self, signature: &str) -> String {
        let (header, payload) = self.texts();
        format!("{}.{}.{signature}", encode(header.as_bytes()), encode(payload.as_bytes()))
    }
}
