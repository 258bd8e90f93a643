//! Keys for tests, made for them with openssl and good for nothing else, and tokens made by hand.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// RFC 8037, appendix A.1.
pub(crate) const ED_1: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";

/// Its public half.
pub(crate) const ED_1_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";

/// Its id (RFC 8037, appendix A.3).
pub(crate) const ED_1_ID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

/// Its `x`.
pub(crate) const ED_1_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// Another.
pub(crate) const ED_2: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINsdaN2XatpKuqtRhSWNSpEDqGyQ/52VOtRPwLaRIH5O
-----END PRIVATE KEY-----
";

/// The public half of the other.
pub(crate) const ED_2_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAWxJ8f0Erbdm8bdcw3aqU8T4liKpqhYHEDk+jLvIfeNA=
-----END PUBLIC KEY-----
";

/// P-256.
pub(crate) const EC: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8SC3fw2+mqXXxh4X
S2LcaVEJuiptBmb7XUCKDgXO7yuhRANCAAQdWO5K1dErmYI7s0f+e37wbWG3QwI2
fF5MHva4fHd2lTqtXBynf6o2X3QpkVSNcX7WNGNQmnGQlydpdN4oE83L
-----END PRIVATE KEY-----
";

/// P-256, another.
pub(crate) const EC_2: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSOSr2zA8k1ItoPIq
splH4yOfYGTmzvcEwWBp61y8RuihRANCAASKJBgMZhxufl1J/SyNtk+l39BJyg+4
MsMFQT/QqQPTew1Lh6v99ilwPI2VoVpTQEGsanzd4OMEG8MwmdCtqGK0
-----END PRIVATE KEY-----
";

/// RSA, 2,048 bits.
pub(crate) const RSA: &str = "-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQC+M7/A0C3SXGZl
HDhU36CzlncPrGKZyAW3nYr0hvjmhKTwNLYLJB6a1LdHUutHuVSR6HIUbXCRMxH4
UEgDJUo/4Sgxu/f4ygs6cDAxEUrqIQvzI+b7YRolH+BFBW8rCp5TmyYw1eX7Nf7F
EZGkkpYm1SQHC2xEQ2EG5F04f5euaLxULmfNU3W+W4SGn5aeyWGdiahC4UiWeIJV
M+vG/482nkin1mnwqm2pkyMT107OTlw7CrnVmzsMbMqkTxUMCysyvN1GdCFQR0aR
XjLO6/D6jiopQJhTW+dBbD2UM10SIeSlLgzQtWlOpMJbm3cN3hESbEeYCr+ZUuwy
21DzpDgHAgMBAAECggEADBH+pj7P2ZyxhtMepAw5B4yR67W14Cp4ammeCtyR6Rcb
3H6L2vMk2hCLvQP/GGMjgcrtimxTi3NhPY/isghoyNsCEP3rw6cWxVOfS03cojUM
rBZoLyW/YgG+2sJ4hpO67nVXHBxG5wVLMLhntLj0vGwkSCoqab6Y5rYRUGeQeanh
tZv7HiIvVvkCj4SD9r4BfuqWCXS+CJbHSv6HKdA0XmuWjze77G+IhL5IsU2AwgcA
ViPfh29Vz6PeMIMY8Z/x1GUH/2ygRHRNlMLXwAzGtdGkWQUBSh8/6qdraDaKlIQo
kqqZUvm/5Z6MdFe8qCktGHKogas/6TXXxWRmT1HQ6QKBgQD1+ejBVy2ZZqDPzHJm
S4MYSEapo8OaEOtESqWoyN9ijdvQNHnPAhyiZaJSvoTLT6uxCjDc43glCiGB/nZf
85VKKXoaUWx1n5Eep+eJ8lPzHhEehKw68MabMgxe/LR2xyKY9e5t56TL2DX/4HGZ
kzk57YKWPsIVPkAt4tzHrlnfIwKBgQDF8/1Xiw6wA7/INQg6KG9zcLWcEnr3YV63
IWcqaXOw5hHAml5R61MyuCpW2kPr+r3aVPhKbh0ZpGIxLDMZ4BWksW7PPWDRmiXf
dbeg3crZcllVltTag9muLo+xT6qNttrKAKxDSKcPIPgkW4Ns18jFkCdfN3HPEyHy
vct3ITZjzQKBgDszK4ak0a+y2I9KmFnwYJvOgVtAs8n3unfUM2yc886Hb9j7WDmv
O28GYPvjKJi6Ewtn9XykLn1To97ifGD5gfu4Yc/FuwHQJqAnLv2vWe8QVHRw3/bL
jjE56WpPDavsn3IK9phzAOGiptRvk0ev/Dzp4d0BO7rbIZ0plZNlbfHbAoGALrxh
Vvbk29e2wt0KeTisv5OfvR5728YoZ5JCWjgVcXGQRWns1Oh7dyEWFfVoTeGgS1j+
WgxPYIt4B2YJFpXaZkzh/ZnfLv127aBMX3Wd++LMhrGaxZCVp1Mk59cITHcchs7L
3QLdNmwxSdw1VlBH/aUANrHPc/VvcXEwBYtY3Q0CgYBK/Rlu+pilbuMeTQhe4c8T
X3utWGLvebakPyjwJHsK3+ExYB8mWuQkrho4uHztr7XPHTHdZmVxzvtw2sxxKZdb
k7sYH3gi1UEQDywcfcgiCsmr5qFPS7UYC9Wl0/DNgb+Xyg2Ec9mD+MuHh2RW/FLo
5KJ0RQ6lt/hXjS5IaQhIuw==
-----END PRIVATE KEY-----
";

/// Its modulus.
pub(crate) const RSA_N: &str = "vjO_wNAt0lxmZRw4VN-gs5Z3D6ximcgFt52K9Ib45oSk8DS2CyQemtS3R1LrR7lUkehyFG1wkTMR-FBIAyVKP-EoMbv3-MoLOnAwMRFK6iEL8yPm-2EaJR_gRQVvKwqeU5smMNXl-zX-xRGRpJKWJtUkBwtsRENhBuRdOH-Xrmi8VC5nzVN1vluEhp-WnslhnYmoQuFIlniCVTPrxv-PNp5Ip9Zp8KptqZMjE9dOzk5cOwq51Zs7DGzKpE8VDAsrMrzdRnQhUEdGkV4yzuvw-o4qKUCYU1vnQWw9lDNdEiHkpS4M0LVpTqTCW5t3Dd4REmxHmAq_mVLsMttQ86Q4Bw";

/// The modulus of an RSA key of 1,024 bits.
pub(crate) const WEAK_RSA_N: &str = "xkzQsj83r_JIE4TWRRA8tSy39ygatWztCVx1jc9LomGXxdrZreowX7yk1L1u-Uh1s0jM5bqKnuqatd1Wm9-fS-x5MGBFo5YFyzkusTBII060qO8K9nwOtyIc7WWl63wHbIiKZDme0KgK2bnfigcDRJRlPxVq-taXzElMPlmzGas";

pub(crate) fn rs256() -> EncodingKey {
    EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap()
}

pub(crate) fn es256() -> EncodingKey {
    EncodingKey::from_ec_pem(EC.as_bytes()).unwrap()
}

pub(crate) fn es256_other() -> EncodingKey {
    EncodingKey::from_ec_pem(EC_2.as_bytes()).unwrap()
}

pub(crate) fn eddsa() -> EncodingKey {
    EncodingKey::from_ed_pem(ED_1.as_bytes()).unwrap()
}

pub(crate) fn rsa_jwk(kid: &str) -> Value {
    json!({ "kty": "RSA", "n": RSA_N, "e": "AQAB", "kid": kid, "use": "sig", "alg": "RS256" })
}

pub(crate) fn ec_jwk(kid: &str) -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
        "x": "HVjuStXRK5mCO7NH_nt-8G1ht0MCNnxeTB72uHx3dpU", "y": "Oq1cHKd_qjZfdCmRVI1xftY0Y1CacZCXJ2l03igTzcs",
    })
}

pub(crate) fn ec_jwk_other(kid: &str) -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid,
        "x": "iiQYDGYcbn5dSf0sjbZPpd_QScoPuDLDBUE_0KkD03s", "y": "DUuHq_32KXA8jZWhWlNAQaxqfN3g4wQbwzCZ0K2oYrQ",
    })
}

pub(crate) fn ed_jwk(kid: &str) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": ED_1_X, "kid": kid, "use": "sig" })
}

/// Encodes as in a token.
pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Makes a token of any two texts, signed with any key.
pub(crate) fn token_of(header: &str, payload: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", b64(header), b64(payload));
    let signature = sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// Every way to spoil the signature of a good token.
pub(crate) fn spoiled_signatures(token: &str) -> Vec<String> {
    let (body, signature) = token.rsplit_once('.').unwrap();
    let (first, rest) = signature.split_at(1);
    let flipped = if first == "A" { "B" } else { "A" };
    let (most, last) = signature.split_at(signature.len() - 1);
    // The last character carries unused bits: another spelling of the same bytes.
    let alias = char::from(last.as_bytes()[0] + 1);
    vec![
        format!("{body}."),
        body.to_owned(),
        format!("{body}.{flipped}{rest}"),
        format!("{body}.{most}{alias}"),
        format!("{body}.{most}"),
        format!("{body}.{signature}="),
        format!("{body}.{signature} "),
        format!("{body}.{signature}\n"),
        format!("{token}.{signature}"),
        format!("{body}.{}", b64("")),
    ]
}

/// Texts that are no token at all, those of other credentials among them.
pub(crate) fn nonsense() -> Vec<String> {
    ["", ".", "..", "...", "x", "fdr_0123456789abcdef", "pk_live_0123456789abcdef", "null", "e30.e30.e30", "\u{0}"]
        .map(str::to_owned)
        .into_iter()
        .chain(["x".repeat(16_384), format!("{}.{}.", b64("{}"), b64("{}")), ".".repeat(8_000)])
        .collect()
}
