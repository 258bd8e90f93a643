//! The pictures that fuzzing begins with.

use std::fs;
use std::path::Path;

use frontdesk_profile::avatar::RenderError;

use super::fixtures::try_render;
use super::hostile::whole_files;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../fuzz/corpus/avatar");

#[test]
fn the_pictures_that_it_begins_with_are_whole() {
    for (name, _) in whole_files() {
        let bytes = fs::read(Path::new(CORPUS).join(name)).unwrap();
        assert!(try_render(&bytes).is_ok(), "{name}");
    }
}

#[test]
fn every_file_of_the_corpus_is_rendered_or_refused() {
    let files: Vec<_> = fs::read_dir(CORPUS).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in files {
        match try_render(&fs::read(&file).unwrap()) {
            Ok(rendered) => assert!(rendered.bytes() > 0),
            Err(RenderError::Broken { reason, .. }) => assert_ne!(reason, "the decoder gave up", "{}", file.display()),
            Err(RenderError::Unsupported { .. } | RenderError::TooLarge { .. }) => {}
            Err(other) => panic!("{}: {other}", file.display()),
        }
    }
}

#[test]
#[ignore = "writes files: run it when the pictures of these tests have changed"]
fn write_the_corpus() {
    fs::create_dir_all(CORPUS).unwrap();
    for (name, bytes) in whole_files() {
        assert!(bytes.len() < 2_048, "{name}");
        fs::write(Path::new(CORPUS).join(name), bytes).unwrap();
    }
}
