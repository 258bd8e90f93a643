//! Asks a server whether it is alive, for containers without a shell or `curl`.

use std::time::Duration;

use reqwest::Client;
use url::Url;

use crate::config::Config;
use crate::describe::describe;

const PATIENCE: Duration = Duration::from_secs(3);

/// Where the server of this configuration answers.
pub(crate) fn url(config: &Config) -> String {
    let host = match config.host.as_str() {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "[::1]".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    format!("http://{host}:{}/health", config.port)
}

/// Gives the reason why the server is not alive.
pub(crate) async fn check(url: &Url) -> Result<(), String> {
    let client = client(url, PATIENCE).map_err(|error| describe(&error))?;
    let response = client.get(url.clone()).send().await.map_err(|error| describe(&error))?;
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("{url} answers {status}")),
    }
}

/// A client that talks to this URL and to nobody in between.
pub(crate) fn client(url: &Url, patience: Duration) -> Result<Client, reqwest::Error> {
    crate::install_crypto();
    let builder = Client::builder().timeout(patience).no_proxy().redirect(reqwest::redirect::Policy::none());
    // Without TLS no certificates are read: a container may have none, and then the client would refuse to exist.
    if url.scheme() == "http" { builder.tls_certs_only([]).build() } else { builder.build() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_asked_where_it_listens() {
        let url_of = |pairs: [(&str, &str); 2]| url(&Config::of(pairs).unwrap());
        assert_eq!(url_of([("HOST", "0.0.0.0"), ("PORT", "80")]), "http://127.0.0.1:80/health");
        assert_eq!(url_of([("HOST", "[::]"), ("PORT", "80")]), "http://[::1]:80/health");
        assert_eq!(url_of([("HOST", "fd00::1"), ("PORT", "80")]), "http://[fd00::1]:80/health");
    }
}
