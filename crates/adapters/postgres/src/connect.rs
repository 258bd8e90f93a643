//! Reading a database URL, TLS, and opening a connection.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long opening a connection may take before the server answers at all.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_400);

/// Why a database URL cannot be used. Never repeats the URL: it holds a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// Not a URL of Postgres at all.
    #[error("not a database URL, like postgres://user:password@localhost:5432/frontdesk")]
    Malformed,
    /// A mode that does not exist.
    #[error("sslmode must be disable, prefer, require or verify-full")]
    SslMode,
    /// No certificate to verify the server's with.
    #[error("no root certificate: {0}")]
    Roots(String),
    /// The TLS library refuses to start.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// A server to connect to, and how.
#[derive(Clone)]
pub(crate) struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

/// What libpq means by the values of `sslmode`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tls {
    Disable,
    Prefer,
    Require,
    VerifyFull { roots: Option<PathBuf> },
}

impl Target {
    /// Reads a URL (or a `key=value` string).
    pub(crate) fn parse(url: &str) -> Result<Self, UrlError> {
        let (stripped, tls) = split_tls(url)?;
        let mut config: Config = stripped.parse().map_err(|_| UrlError::Malformed)?;
        let all_sockets = config.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_)));
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(UrlError::Malformed);
        }
        // A socket of this machine has no name to put on a certificate, and needs none.
        let tls = if all_sockets { Tls::Disable } else { tls };
        config.ssl_mode(match tls {
            Tls::Disable => SslMode::Disable,
            Tls::Prefer => SslMode::Prefer,
            Tls::Require | Tls::VerifyFull { .. } => SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name("frontdesk");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(ANSWER_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            // What is sent and not acknowledged for this long is lost: a connection into a black hole ends.
            config.tcp_user_timeout(Duration::from_secs(5));
        }
        config.keepalives_idle(Duration::from_secs(30));
        Ok(Self { config, tls: connector(&tls)? })
    }

    /// Opens a connection. The driver runs on the present runtime.
    pub(crate) async fn open(&self) -> Result<Opened, tokio_postgres::Error> {
        match &self.tls {
            None => {
                let (client, connection) = self.config.connect(tokio_postgres::NoTls).await?;
                Ok(Opened::Plain(client, Box::new(connection)))
            }
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                Ok(Opened::Tls(client, Box::new(connection)))
            }
        }
    }

    /// The login, for messages to the administrator.
    pub(crate) fn login(&self) -> &str {
        self.config.get_user().unwrap_or("the login of DATABASE_URL")
    }
}

type TlsStream = <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<Socket>>::Stream;

/// An open connection, to be driven by whoever asked for it.
pub(crate) enum Opened {
    Plain(Client, Box<Connection<Socket, NoTlsStream>>),
    Tls(Client, Box<Connection<Socket, TlsStream>>),
}

/// Takes the parameters that tokio-postgres does not know out of a URL.
fn split_tls(url: &str) -> Result<(String, Tls), UrlError> {
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let (head, parameters, separator) = if is_url {
        url.split_once('?').map_or((url, "", '&'), |(head, query)| (head, query, '&'))
    } else {
        ("", url, ' ')
    };
    let (mut mode, mut roots, mut kept) = (None, None, Vec::new());
    for parameter in parameters.split(separator).filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => roots = Some(decoded(value, is_url)),
            _ => kept.push(parameter),
        }
    }
    let tls = match (mode.as_deref(), roots) {
        (Some("disable"), _) => Tls::Disable,
        (None | Some("prefer" | "allow"), _) => Tls::Prefer,
        // As in libpq: with a root certificate at hand, `require` verifies.
        (Some("require"), None) => Tls::Require,
        (Some("verify-full" | "verify-ca" | "require"), roots) => {
            Tls::VerifyFull { roots: roots.filter(|path| path != "system").map(PathBuf::from) }
        }
        (Some(_), _) => return Err(UrlError::SslMode),
    };
    let kept = kept.join(&separator.to_string());
    let joined = match (is_url, kept.is_empty()) {
        (true, true) => head.to_owned(),
        (true, false) => format!("{head}?{kept}"),
        (false, _) => kept,
    };
    Ok((joined, tls))
}

fn decoded(value: &str, is_url: bool) -> String {
    if !is_url {
        return value.to_owned();
    }
    let query = format!("value={}", value.replace('+', "%2B"));
    url::form_urlencoded::parse(query.as_bytes()).next().map_or_else(String::new, |(_, value)| value.into_owned())
}

fn connector(tls: &Tls) -> Result<Option<MakeRustlsConnect>, UrlError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let config = match tls {
        Tls::Disable => return Ok(None),
        Tls::Prefer | Tls::Require => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(EncryptOnly(provider))).with_no_client_auth()
        }
        Tls::VerifyFull { roots } => {
            builder.with_root_certificates(root_certificates(roots.as_ref())?).with_no_client_auth()
        }
    };
    Ok(Some(MakeRustlsConnect::new(config)))
}

fn root_certificates(file: Option<&PathBuf>) -> Result<RootCertStore, UrlError> {
    let loaded = match file {
        Some(file) => rustls_native_certs::load_certs_from_paths(Some(file), None),
        None => rustls_native_certs::load_native_certs(),
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let source = file.map_or_else(|| "the system has none".to_owned(), |file| file.display().to_string());
        return Err(UrlError::Roots(source));
    }
    Ok(roots)
}

/// What libpq means by `sslmode=require`: nobody listens in, but the server is whoever answered.
#[derive(Debug)]
struct EncryptOnly(Arc<CryptoProvider>);

impl ServerCertVerifier for EncryptOnly {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(url: &str) -> (String, Tls) {
        split_tls(url).unwrap()
    }

    #[test]
    fn the_parameters_of_tls_are_taken_out_of_a_url() {
        let url =
            "postgres://ada:pw@db.example/frontdesk?sslmode=verify-full&application_name=x&sslrootcert=/a%20b.pem";
        let (stripped, tls) = split(url);
        assert_eq!(stripped, "postgres://ada:pw@db.example/frontdesk?application_name=x");
        assert_eq!(tls, Tls::VerifyFull { roots: Some(PathBuf::from("/a b.pem")) });
    }

    #[test]
    fn the_parameters_of_tls_are_taken_out_of_a_key_value_string() {
        assert_eq!(split("host=db user=ada sslmode=require"), ("host=db user=ada".to_owned(), Tls::Require));
    }

    #[test]
    fn without_a_mode_tls_is_preferred() {
        assert_eq!(split("postgres://db/x"), ("postgres://db/x".to_owned(), Tls::Prefer));
    }

    #[test]
    fn a_bad_url_is_refused_without_repeating_it() {
        for bad in [
            "",
            "mysql://root:hunter2@db/x",
            "postgres://u:hunter2@db/x?sslmode=sometimes",
            "postgres://u:hunter2@db:port/",
        ] {
            let error = Target::parse(bad).err().unwrap().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_root_certificate_that_is_not_there_is_named() {
        let error = Target::parse("postgres://db/x?sslmode=verify-full&sslrootcert=/no/such.pem").err().unwrap();
        assert_eq!(error.to_string(), "no root certificate: /no/such.pem");
    }
}
