//! `vipsthumbnail`, the yardstick: what people call from a script to make thumbnails, and fast at it.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

const PROGRAM: &str = "vipsthumbnail";
/// From the picture, and each of the others from the one before the first.
const SIDES: [u32; 4] = [512, 256, 128, 64];

/// An installed `vipsthumbnail`.
pub(super) struct Vips {
    program: &'static str,
    version: String,
}

/// What four sizes took.
pub(super) struct Thumbnails {
    pub(super) took: Duration,
    /// Of the one process that took most.
    pub(super) peak_mib: f64,
}

impl Vips {
    /// Asks for its version; none where it is not installed.
    pub(super) fn find() -> Option<Self> {
        let output = Command::new(PROGRAM).arg("--version").output().ok()?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(Self { program: PROGRAM, version })
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Makes 512 pixels of the picture and the smaller ones of that, as a careful script would.
    pub(super) fn thumbnails(&self, picture: &Path, folder: &Path) -> Outcome<Thumbnails> {
        let large = folder.join("512.jpg");
        let begins = Instant::now();
        let mut peak_mib = 0.0_f64;
        for side in SIDES {
            let source = if side == 512 { picture } else { &large };
            let mut out = OsString::from(folder.join(format!("{side}.jpg")));
            out.push("[Q=80,strip]");
            let mut command = Command::new(self.program);
            command.arg(source).args(["--size", &format!("{side}x{side}"), "--smartcrop", "centre", "-o"]).arg(out);
            peak_mib = peak_mib.max(peak_of(command.stdout(Stdio::null()).spawn()?)?);
        }
        Ok(Thumbnails { took: begins.elapsed(), peak_mib })
    }
}

/// Waits for a process and gives the most memory it was seen to take, in MiB. Asking takes a few microseconds each time,
/// on a core that the process leaves free.
fn peak_of(mut child: Child) -> Outcome<f64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0_u32;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak_kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak_kib);
        if let Some(ended) = child.try_wait()? {
            return if ended.success() {
                Ok(f64::from(peak_kib) / 1024.0)
            } else {
                Err(format!("{PROGRAM}: {ended}").into())
            };
        }
        crate::process::pause(Duration::from_micros(200));
    }
}
