# The same commands without just stand in the README.

_default:
    @just --list

# Serve on http://127.0.0.1:8080, in memory unless DATABASE_URL is set
run *arguments:
    cargo run -- {{ arguments }}

# Every test; those that need Postgres start a throwaway one
test *arguments:
    cargo test {{ arguments }}

# Everything that a reviewer should not have to say
lint: && deny
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets -- -D warnings

# Format
fmt:
    cargo fmt --all

# The fastest answer to "does it compile"
check:
    cargo check --workspace --all-targets

# Measure a release build and keep the ratios in docs/performance.md
bench *arguments: (bench-profile arguments) (bench-login arguments) (bench-avatar arguments) (bench-rooms arguments)

# Profile reads and writes
bench-profile *arguments: _release
    target/release/frontdesk-bench profile {{ arguments }}

# 250 sign-ins at once, and profile reads meanwhile
bench-login *arguments: _release
    target/release/frontdesk-bench login {{ arguments }}

# Uploads of pictures beside vipsthumbnail, which is installed where that is possible
bench-avatar *arguments: _release
    command -v vipsthumbnail > /dev/null || apt-get install --yes libvips-tools || echo "install libvips-tools to compare"
    target/release/frontdesk-bench avatar {{ arguments }}

# Rooms of 1,000 and 5,000 members, 10,000 idle sockets, and a reader who does not read
bench-rooms *arguments: _release
    target/release/frontdesk-bench rooms {{ arguments }}

_release:
    cargo build --release -p frontdesk -p frontdesk-bench

# Bring the schema of DATABASE_URL up to date
migrate:
    cargo run -- migrate

# Print the OpenAPI document
openapi:
    @cargo run --quiet -- openapi

# The API of the crates, as HTML
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Licences, sources, forbidden dependencies and, online, advisories
deny:
    cargo deny check

# The server and its Postgres in containers, on http://127.0.0.1:8080
up:
    docker compose up --build --detach --wait

# Only the Postgres of `up`, for `DATABASE_URL=postgres://frontdesk:frontdesk@127.0.0.1:5432/frontdesk just run`
db:
    docker compose up --detach --wait postgres

# Stop the containers; the data stays
down:
    docker compose down
