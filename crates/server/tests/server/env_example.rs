use std::collections::BTreeSet;

use frontdesk::config::variables::ALL;

/// The names in a line of the example: `NAME=value`, or `# NAME=value` where it is switched off.
fn name(line: &str) -> Option<&str> {
    let (name, _) = line.trim_start_matches(['#', ' ']).split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    is_name.then_some(name)
}

#[test]
fn the_example_has_every_variable_and_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.env.example");
    let text = std::fs::read_to_string(path).unwrap();
    let shown: BTreeSet<_> = text.lines().filter_map(name).collect();
    let read: BTreeSet<_> = ALL.iter().map(|variable| variable.name).collect();
    let files: BTreeSet<_> = ALL.iter().filter_map(|variable| variable.file).map(|file| file.name).collect();
    assert_eq!(read.difference(&shown).collect::<Vec<_>>(), Vec::<&&str>::new(), "missing in .env.example");
    let unknown: Vec<_> = shown.iter().filter(|name| !read.contains(*name) && !files.contains(*name)).collect();
    assert_eq!(unknown, Vec::<&&str>::new(), "not read by this version");
}
