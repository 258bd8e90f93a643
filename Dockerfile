# syntax=docker/dockerfile:1

# Builder and runtime are of the same Debian generation: a newer glibc at build time would not start at run time.
FROM rust:1.95-bookworm AS chef
RUN cargo install cargo-chef --version 0.1.78 --locked
WORKDIR /build

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

# The dependencies: a layer that changes only with Cargo.lock.
FROM chef AS build
COPY .cargo .cargo
COPY --from=plan /build/recipe.json recipe.json
RUN cargo chef cook --release --locked --package frontdesk --recipe-path recipe.json
COPY . .
RUN cargo build --release --locked --package frontdesk && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/frontdesk /usr/local/bin/frontdesk
# Avatars are kept below `data` unless AVATAR_DIR or AVATAR_BUCKET_URL says otherwise: mount a volume there.
COPY --from=build --chown=nonroot:nonroot /data /var/lib/frontdesk/data
WORKDIR /var/lib/frontdesk
ENV HOST=0.0.0.0 PORT=8080 LOG_FORMAT=json
EXPOSE 8080
# There is no shell and no curl in this image.
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s --retries=3 CMD ["/usr/local/bin/frontdesk", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/frontdesk"]
CMD ["serve"]
