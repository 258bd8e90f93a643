//! The servers under load, as child processes.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::{Outcome, response};

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; it ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the first 200 of `/ready`.
    pub(crate) cold_start: Duration,
}

impl Server {
    /// Starts a program that listens on the port given by `with_port`, and waits until it is ready.
    ///
    /// It inherits nothing but `PATH`: a variable of the caller must not change what is measured.
    pub(crate) fn start(program: &Path, with_port: impl FnOnce(&mut Command, u16)) -> Outcome<Self> {
        let port = free_port()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = Command::new(program);
        // Elsewhere than the caller, whose `.env` is none of a measurement.
        command.current_dir("/").env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        with_port(&mut command, port);
        let started = Instant::now();
        let child = command.spawn().map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let mut server = Self { child, address, cold_start: Duration::ZERO };
        while !is_ready(address) {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("{} ended at once with {status}", program.display()).into());
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("{} was not ready within {PATIENCE:?}", program.display()).into());
            }
            pause(Duration::from_micros(100));
        }
        server.cold_start = started.elapsed();
        Ok(server)
    }

    /// Resident memory, in MiB.
    pub(crate) fn resident_mib(&self) -> Outcome<f64> {
        self.memory_mib("VmRSS:")
    }

    /// The most that resident memory ever was, in MiB.
    pub(crate) fn peak_mib(&self) -> Outcome<f64> {
        self.memory_mib("VmHWM:")
    }

    fn memory_mib(&self, field: &str) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib: u32 = line.ok_or_else(|| format!("no {field} in /proc"))?.trim().trim_end_matches(" kB").parse()?;
        Ok(f64::from(kib) / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits; on no worker's time, since the driver of a benchmark has nothing else to do.
pub(crate) fn pause(time: Duration) {
    let (_kept_open, nothing) = mpsc::channel::<()>();
    nothing.recv_timeout(time).ok();
}

/// A port that was free a moment ago. `PORT=0` would need the output, which goes to /dev/null.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn is_ready(address: SocketAddr) -> bool {
    let request = b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    TcpStream::connect(address)
        .map_err(Into::into)
        .and_then(|stream| Caller(stream).call(request))
        .is_ok_and(|(status, _)| status == 200)
}

/// A connection for single requests, off the clock.
pub(crate) struct Caller(TcpStream);

impl Caller {
    pub(crate) fn connect(address: SocketAddr) -> Outcome<Self> {
        Ok(Self(TcpStream::connect(address)?))
    }

    /// Sends a request and gives status and body.
    pub(crate) fn call(&mut self, request: &[u8]) -> Outcome<(u16, Vec<u8>)> {
        self.0.set_nodelay(true)?;
        self.0.write_all(request)?;
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let read = self.0.read(&mut piece)?;
            answer.extend_from_slice(piece.get(..read).unwrap_or_default());
            match response::head(&answer)? {
                Some(head) if answer.len() >= head.len => return Ok((head.status, answer.split_off(head.body_at))),
                _ if read == 0 => return Err("the server closed the connection".into()),
                _ => {}
            }
        }
    }
}
