//! `TRUSTED_ISSUERS`. Every mistake is told by its place in the list, and no value: some are secrets.

use frontdesk_auth::{IssuerAlgorithm, IssuerKeys, MIN_SECRET_BYTES, TrustedIssuer, usable_keys};
use serde_json::{Map, Value};
use url::{Host, Url};

use super::parse;
use super::reader::Reader;
use super::variables as v;

const ALGORITHMS: &[(&str, IssuerAlgorithm)] = &[
    ("RS256", IssuerAlgorithm::Rs256),
    ("ES256", IssuerAlgorithm::Es256),
    ("EdDSA", IssuerAlgorithm::EdDsa),
    ("HS256", IssuerAlgorithm::Hs256),
];

const JWKS_URL: &str = "jwks_url";
const JWKS_FILE: &str = "jwks_file";
const SECRET: &str = "hs256_secret";
const SOURCES: [&str; 3] = [JWKS_URL, JWKS_FILE, SECRET];
const MEMBERS: [&str; 6] = ["issuer", "audience", "algorithm", JWKS_URL, JWKS_FILE, SECRET];

/// Reads the list; what is wrong is remembered by the reader.
pub(super) fn read(reader: &mut Reader<'_>, own_issuer: &str) -> Vec<TrustedIssuer> {
    let Some(entries) = reader.get(&v::TRUSTED_ISSUERS, list) else { return Vec::new() };
    let mut issuers: Vec<TrustedIssuer> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let mut entry = Entry { index, members: entry, wrong: Vec::new() };
        let issuer = entry.issuer();
        if let Some(TrustedIssuer { issuer, .. }) = &issuer {
            if issuer == own_issuer {
                entry.refuse("issuer", "is JWT_ISSUER itself");
            } else if issuers.iter().any(|known| known.issuer == *issuer) {
                entry.refuse("issuer", "is in the list twice");
            }
        }
        entry.wrong.into_iter().for_each(|wrong| reader.refuse(&v::TRUSTED_ISSUERS, wrong));
        issuers.extend(issuer);
    }
    issuers
}

fn list(text: &str) -> Result<Vec<Map<String, Value>>, String> {
    let wrong = |why: String| format!("is no JSON list of objects: {why}");
    // The error of a document names a place in it; that of a type would repeat the value.
    let list = serde_json::from_str::<Value>(text).map_err(|error| wrong(error.to_string()))?;
    let Value::Array(entries) = list else { return Err(wrong("it is something else".to_owned())) };
    let objects = entries.into_iter().enumerate().map(|(index, entry)| match entry {
        Value::Object(members) => Ok(members),
        _ => Err(wrong(format!("[{index}] is something else"))),
    });
    objects.collect()
}

/// One issuer of the list.
struct Entry<'a> {
    index: usize,
    members: &'a Map<String, Value>,
    wrong: Vec<String>,
}

impl<'a> Entry<'a> {
    fn refuse(&mut self, member: &str, wrong: &str) {
        self.wrong.push(format!("[{}].{member} {wrong}", self.index));
    }

    /// What is right, if it is; what is wrong is remembered.
    fn right<T>(&mut self, member: &str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|wrong| self.refuse(member, &wrong)).ok()
    }

    fn text(&mut self, member: &str) -> Option<&'a str> {
        match self.members.get(member) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            Some(_) => {
                self.refuse(member, "must be text, and not empty");
                None
            }
            None => {
                self.refuse(member, "is missing");
                None
            }
        }
    }

    fn name(&mut self, member: &str) -> Option<String> {
        let text = self.text(member)?;
        self.right(member, parse::name(text))
    }

    /// Reads everything, so that every mistake is told, before anything is missed.
    fn issuer(&mut self) -> Option<TrustedIssuer> {
        for unknown in self.members.keys().filter(|member| !MEMBERS.contains(&member.as_str())) {
            self.wrong.push(format!(
                "[{}] has a member that is none of {}: {unknown:?}",
                self.index,
                MEMBERS.join(", ")
            ));
        }
        let (issuer, audience) = (self.name("issuer"), self.name("audience"));
        let algorithm = self.text("algorithm");
        let algorithm = algorithm.and_then(|text| self.right("algorithm", parse::choice(ALGORITHMS)(text)));
        let keys = self.keys(algorithm);
        Some(TrustedIssuer { issuer: issuer?, audience: audience?, algorithm: algorithm?, keys: keys? })
    }

    fn keys(&mut self, algorithm: Option<IssuerAlgorithm>) -> Option<IssuerKeys> {
        let given: Vec<_> = SOURCES.into_iter().filter(|source| self.members.contains_key(*source)).collect();
        let [source] = given.as_slice() else {
            self.wrong.push(format!("[{}] must have exactly one of {}", self.index, SOURCES.join(", ")));
            return None;
        };
        let text = self.text(source)?;
        let algorithm = algorithm?;
        if (*source == SECRET) != (algorithm == IssuerAlgorithm::Hs256) {
            self.refuse(source, "does not fit the algorithm: HS256 takes hs256_secret, and the others take a key set");
            return None;
        }
        match *source {
            JWKS_URL => self.right(source, jwks_url(text)),
            JWKS_FILE => self.right(source, jwks_file(text, algorithm)),
            _ => self.right(source, secret(text)),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whoever can change the keys on their way here can sign in as anybody.
fn jwks_url(text: &str) -> Result<IssuerKeys, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => return Err("must begin with https:// (http:// is for this machine alone)".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must have no user name and no password".to_owned());
    }
    Ok(IssuerKeys::JwksUrl(url.into()))
}

fn jwks_file(path: &str, algorithm: IssuerAlgorithm) -> Result<IssuerKeys, String> {
    let document = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    match usable_keys(&document, algorithm) {
        None => Err("holds no JSON Web Key Set".to_owned()),
        Some(0) => Err("holds no usable key for the algorithm".to_owned()),
        Some(_) => Ok(IssuerKeys::JwksFile(document)),
    }
}

fn secret(text: &str) -> Result<IssuerKeys, String> {
    if text.len() < MIN_SECRET_BYTES {
        return Err(format!("is {} bytes long: at least {MIN_SECRET_BYTES} are needed", text.len()));
    }
    Ok(IssuerKeys::Secret(text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests;
