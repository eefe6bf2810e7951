# What a developer runs every day. `just` lists it.

default:
    @just --list

# the school on embedded stores, with demo people and posts
demo:
    cargo run --release -- serve --demo

# everything that needs no server
test:
    cargo test

# one crate, quickly
t CRATE *ARGS:
    cargo test -p {{CRATE}} {{ARGS}}

# what CI refuses
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# licences and refused crates (needs cargo-deny)
deny:
    cargo deny check bans licenses sources

# the whole of CI
ci:
    bash .ci/run

# the numbers of bench/RESULTS.md
bench:
    bench/run
