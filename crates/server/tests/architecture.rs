//! Which crate may depend on which: the rules of `docs/architecture.md`, over what the manifests declare.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, TargetKind};

/// What a rule crate may use from outside: data, errors, ids and time, and nothing that does I/O.
const DOMAIN_MAY_USE: &[&str] =
    &["async-trait", "chrono", "chrono-tz", "serde", "serde_json", "thiserror", "tracing", "uuid"];

/// Technologies, and the crates that may name them.
const ONLY_HERE: &[(&str, &[&str])] = &[
    ("actix-codec", &["frontdesk-http"]),
    ("actix-cors", &["frontdesk-http"]),
    ("actix-http", &["frontdesk-http"]),
    ("actix-service", &["frontdesk-http"]),
    // The server holds the handle of the running HTTP server; the bench has a bare one as its yardstick.
    ("actix-web", &["frontdesk-http", "frontdesk", "frontdesk-bench"]),
    ("argon2", &["frontdesk-auth"]),
    ("bb8", &["frontdesk-postgres"]),
    ("clap", &["frontdesk", "frontdesk-bench"]),
    ("diesel", &["frontdesk-postgres"]),
    ("diesel-async", &["frontdesk-postgres"]),
    ("diesel_migrations", &["frontdesk-postgres"]),
    ("dotenvy", &["frontdesk"]),
    ("fast_image_resize", &["frontdesk-imaging"]),
    ("gif", &["frontdesk-imaging"]),
    ("image-webp", &["frontdesk-imaging"]),
    ("jpeg-decoder", &["frontdesk-imaging"]),
    // The bench makes the photographs that it uploads.
    ("jpeg-encoder", &["frontdesk-bench", "frontdesk-imaging"]),
    ("jsonwebtoken", &["frontdesk-auth"]),
    ("moxcms", &["frontdesk-imaging"]),
    ("object_store", &["frontdesk-blobs"]),
    ("png", &["frontdesk-imaging"]),
    ("redis", &["frontdesk-bus"]),
    // The keys of trusted issuers; the server asks itself whether it is alive.
    ("reqwest", &["frontdesk-auth", "frontdesk"]),
    // The event bus has a connection of its own; the server hands it what opens one.
    ("tokio-postgres", &["frontdesk-bus", "frontdesk-postgres", "frontdesk-testkit"]),
    ("utoipa", &["frontdesk-http"]),
    ("validator", &["frontdesk-http"]),
];

/// Adapters that stand on another adapter, with the reason.
const ADAPTER_ON_ADAPTER: &[(&str, &str)] = &[
    // Hashing takes its turn in the bounded pool that all CPU work shares.
    ("frontdesk-auth", "frontdesk-cpu"),
    // So does decoding pictures.
    ("frontdesk-imaging", "frontdesk-cpu"),
];

#[expect(clippy::unwrap_used, reason = "without the manifests there is nothing to test")]
fn workspace() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).no_deps().other_options(["--offline".to_owned()]);
    command.exec().unwrap()
}

fn is_below(package: &Package, folder: &str) -> bool {
    package.manifest_path.as_str().contains(&format!("/crates/{folder}/"))
}

fn below(metadata: &Metadata, folder: &str) -> BTreeSet<String> {
    metadata
        .packages
        .iter()
        .filter(|package| is_below(package, folder))
        .map(|package| package.name.to_string())
        .collect()
}

/// What a crate needs outside its own tests.
fn needs(package: &Package) -> impl Iterator<Item = &str> {
    let dependencies = package.dependencies.iter();
    dependencies.filter(|dependency| dependency.kind != DependencyKind::Development).map(|dependency| &*dependency.name)
}

/// Lists every pair of a crate and a dependency of it that `is_wrong`.
fn wrong(metadata: &Metadata, is_wrong: impl Fn(&Package, &str) -> bool) -> Vec<String> {
    let pairs = metadata.packages.iter().flat_map(|package| needs(package).map(move |needed| (package, needed)));
    pairs
        .filter(|(package, needed)| is_wrong(package, needed))
        .map(|(package, needed)| format!("{} -> {needed}", package.name))
        .collect()
}

const NONE: [String; 0] = [];

#[test]
fn rules_use_data_ids_and_time_and_the_kernel_alone() {
    let metadata = workspace();
    assert!(below(&metadata, "domain").contains("frontdesk-kernel"), "the folders have moved");
    let wrong = wrong(&metadata, |package, needed| {
        let is_kernel = needed == "frontdesk-kernel" && *package.name != "frontdesk-kernel";
        is_below(package, "domain") && !is_kernel && !DOMAIN_MAY_USE.contains(&needed)
    });
    assert_eq!(wrong, NONE, "a domain declares what it needs as a port; `server` plugs it in");
}

#[test]
fn adapters_know_the_domains_and_not_one_another() {
    let metadata = workspace();
    let adapters = below(&metadata, "adapters");
    let wrong = wrong(&metadata, |package, needed| {
        is_below(package, "adapters")
            && adapters.contains(needed)
            && !ADAPTER_ON_ADAPTER.contains(&(&package.name, needed))
    });
    assert_eq!(wrong, NONE, "only `server` joins adapters");
}

#[test]
fn each_technology_has_its_place() {
    let metadata = workspace();
    let wrong = wrong(&metadata, |package, needed| {
        let places = ONLY_HERE.iter().find(|(technology, _)| *technology == needed).map(|(_, places)| *places);
        places.is_some_and(|places| !places.contains(&package.name.as_str()))
    });
    assert_eq!(wrong, NONE, "see `ONLY_HERE`");
}

#[test]
fn nothing_that_ships_needs_the_tests_or_the_bench() {
    let metadata = workspace();
    let wrong = wrong(&metadata, |package, needed| {
        ["frontdesk-testkit", "frontdesk-bench", "frontdesk"].contains(&needed) && *package.name != "frontdesk-bench"
    });
    assert_eq!(wrong, NONE);
}

#[test]
fn cargo_run_has_exactly_one_program_to_start() {
    let metadata = workspace();
    let members: Vec<_> = metadata.workspace_default_members.iter().collect();
    let packages = metadata.packages.iter().filter(|package| members.contains(&&package.id));
    let targets = packages.flat_map(|package| &package.targets);
    let programs: Vec<_> =
        targets.filter(|target| target.kind.contains(&TargetKind::Bin)).map(|target| &target.name).collect();
    assert_eq!(programs, ["frontdesk"]);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for package in workspace().packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true\n"), "{} has lints of its own", package.name);
    }
}
