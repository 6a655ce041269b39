# Two stages: build with the Rust toolchain, run on a small base as a user without rights.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --release -p phasor

# Debian's slim image has 75 MB, the binary 17: below 100 together.
FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/phasor --create-home phasor
COPY --from=build /src/target/release/phasor /usr/local/bin/phasor
USER 10001:10001
VOLUME /var/lib/phasor
EXPOSE 4000 4021 4317 4318 13133
# The extension health_check answers 200 when the collector takes data. The image has bash, but no HTTP client.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/13133 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["/usr/local/bin/phasor"]
CMD ["run"]
