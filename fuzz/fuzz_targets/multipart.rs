//! Reads whatever it is given as the body of an upload: in whatever pieces it comes, it is the same.

#![no_main]

use frontdesk_http::multipart::{Multipart, Refused, boundary};
use frontdesk_profile::avatar::PartName;
use libfuzzer_sys::fuzz_target;

fn read(body: &[u8], step: usize) -> Result<Vec<(PartName, Vec<u8>)>, Refused> {
    let mut multipart = Multipart::new("b", Some(body.len()));
    for piece in body.chunks(step.max(1)) {
        multipart.push(piece)?;
    }
    Ok(multipart.finish()?.into_iter().map(|part| (part.name, part.bytes)).collect())
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(Ok(boundary)) = std::str::from_utf8(bytes).ok().and_then(boundary) {
        assert!((1..=70).contains(&boundary.len()));
    }
    let Some((step, body)) = bytes.split_first() else { return };
    let whole = read(body, body.len());
    assert_eq!(read(body, usize::from(*step)), whole);
    let Ok(parts) = whole else { return };
    assert!((1..=5).contains(&parts.len()));
    for (name, content) in &parts {
        assert!(!content.is_empty());
        assert_eq!(parts.iter().filter(|(other, _)| other.size() == name.size()).count(), 1);
        assert!(body.windows(content.len()).any(|window| window == content));
    }
});
