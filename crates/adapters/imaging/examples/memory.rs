//! Renders a picture as an upload does, and tells how long it took and how much memory:
//! `cargo run --release -p frontdesk-imaging --example memory -- PICTURE [FOLDER]` keeps the files in the folder.

#![expect(clippy::print_stdout, reason = "it is what the program is for")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;
use std::{env, fs};

use frontdesk_imaging::render;
use frontdesk_profile::avatar::{Part, PartName};

/// A line of what Linux tells of this process, in KiB; 0 elsewhere.
fn kibibytes(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|found| found.strip_prefix(line)?.trim().strip_suffix(" kB"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let picture = arguments.next().ok_or("name a picture")?;
    let parts = [Part { name: PartName::File, bytes: fs::read(&picture)? }];
    let before = kibibytes("VmRSS:");
    let started = Instant::now();
    let rendered = render(&parts);
    let took = started.elapsed();
    let extra = kibibytes("VmHWM:").saturating_sub(before) / 1_024;
    let outcome = rendered.as_ref().map_or_else(ToString::to_string, |rendered| format!("{} bytes", rendered.bytes()));
    println!("{}: {} ms, {extra} MiB more, {outcome}", picture.display(), took.as_millis());
    if let (Some(folder), Ok(rendered)) = (arguments.next(), rendered) {
        for (size, file) in rendered.files.iter() {
            fs::write(folder.join(format!("{}.{}", size.as_str(), file.format.extension())), &file.bytes)?;
        }
    }
    Ok(())
}
