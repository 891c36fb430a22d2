FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --locked --profile dist

FROM debian:12-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 10001 -g 10001 /var/lib/tidewaiter
COPY --from=build /build/target/dist/tidewaiter /usr/local/bin/tidewaiter
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
# The default database, its key file and the event file are made here.
WORKDIR /var/lib/tidewaiter
VOLUME ["/var/lib/tidewaiter"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["tidewaiter", "health"]
# Give `docker stop` 30 s: on SIGTERM the worker takes up to 25 s to finish or hand back its runs.
ENTRYPOINT ["tidewaiter"]
CMD ["run"]
