//! What was measured, and on what.

use std::process::Command;

use crate::Outcome;

/// Date, commit and hardware; nothing that names the host.
pub(crate) fn describe() -> Outcome<Vec<(&'static str, String)>> {
    let cores = std::thread::available_parallelism()?;
    Ok(vec![
        ("Date", today()),
        ("Commit", commit().unwrap_or_else(|| "unknown".to_owned())),
        ("CPU", format!("{}, {cores} cores", line_of("/proc/cpuinfo", "model name").unwrap_or_default())),
        ("Memory", line_of("/proc/meminfo", "MemTotal").unwrap_or_default()),
        ("Kernel", std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()),
    ])
}

#[expect(clippy::disallowed_methods, reason = "a report bears the date of the machine that made it")]
fn today() -> String {
    chrono::Utc::now().format("%Y-%m-%d").to_string()
}

fn commit() -> Option<String> {
    let hash = git(&["rev-parse", "--short", "HEAD"])?;
    let is_changed = git(&["status", "--porcelain", "--", "crates", "migrations", "Cargo.lock"])?;
    Some(if is_changed.is_empty() { hash } else { format!("{hash} and what was not committed yet") })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The value of the first `key: value` line of a file in /proc.
fn line_of(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}
