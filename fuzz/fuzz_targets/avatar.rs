//! Renders whatever it is given: it must be refused or come out as four files, and no decoder may panic.

#![no_main]

use frontdesk_imaging::render;
use frontdesk_profile::avatar::{Part, PartName, RenderError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let parts = [Part { name: PartName::File, bytes: bytes.to_vec() }];
    match render(&parts) {
        Ok(rendered) => assert!(rendered.files.iter().all(|(_, file)| !file.bytes.is_empty())),
        Err(RenderError::Broken { reason, .. }) => assert_ne!(reason, "the decoder gave up"),
        Err(RenderError::Unsupported { .. } | RenderError::TooLarge { .. }) => {}
        Err(other) => panic!("{other}"),
    }
});
