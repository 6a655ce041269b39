# Two stages: build with the Rust toolchain, run on a small base as a user without rights.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --release -p phasor

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/phasor --create-home phasor
COPY --from=build /src/target/release/phasor /usr/local/bin/phasor
USER phasor
EXPOSE 4000 4021 4317 4318 13133
ENTRYPOINT ["/usr/local/bin/phasor"]
CMD ["run"]
