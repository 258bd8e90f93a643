//! Serves until it is told to stop.

use std::time::Duration;

use frontdesk_profile::ClaimPolicy;

use crate::banner;
use crate::compose::{self, Overrides, Running, StartError};
use crate::config::Config;

/// How long the server answers on after it has said that it is not ready: until a load balancer looks again.
const GRACE: Duration = Duration::from_millis(500);

/// Starts, waits for SIGTERM or SIGINT, and stops.
pub(crate) async fn serve(config: &Config) -> Result<(), StartError> {
    let mut signals = Signals::listen().map_err(StartError::Signals)?;
    warn(config);
    let mut running = tokio::select! {
        started = compose::start(config, Overrides::default()) => started?,
        signal = signals.next() => {
            tracing::info!(signal, "stopped while starting");
            return Ok(());
        }
    };
    banner::show(config, running.address());
    tracing::info!(
        address = %running.address(),
        version = crate::VERSION,
        storage = if config.database.is_some() { "postgres" } else { "memory" },
        "listening"
    );
    tokio::select! {
        ended = running.ended() => return ended,
        signal = signals.next() => {
            running.drain();
            tracing::info!(signal, "stopping: not ready any more, requests in flight finish");
        }
    }
    tokio::select! {
        () = tokio::time::sleep(GRACE) => {}
        // Who asks twice does not want to wait.
        _ = signals.next() => {}
    }
    stop(running).await;
    Ok(())
}

async fn stop(running: Running) {
    if running.stop().await {
        tracing::info!("stopped");
    } else {
        tracing::warn!("stopped with requests still in flight");
    }
}

/// Says what is set and does not do what it seems to.
fn warn(config: &Config) {
    for variable in &config.not_yet {
        tracing::warn!(variable, "this version does not use {variable}: it has no effect");
    }
    if config.users_auth == ClaimPolicy::Open {
        tracing::warn!(
            "USERS_AUTH=open: whoever knows a user's id may change the profile; USERS_AUTH=claim closes accounts"
        );
    }
}

/// The signals that end the server.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Listens from now on: a signal that comes while the server starts still stops it.
    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "as on unix")]
    const fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> &'static str {
        tokio::signal::ctrl_c().await.ok();
        "Ctrl-C"
    }
}
