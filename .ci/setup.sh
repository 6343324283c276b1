#!/usr/bin/env bash
# Installs what a build needs on Debian 12. Says nothing when nothing is missing.
set -eu

packages="build-essential cmake pkg-config python3 python3-pip"

missing=""
command -v cc >/dev/null && command -v c++ >/dev/null || missing="$missing build-essential"
command -v cmake >/dev/null || missing="$missing cmake"
python3 -m pip --version >/dev/null 2>&1 || missing="$missing python3 python3-pip"

if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null; then
        echo "setup: this machine lacks:$missing — install them with its own package manager ($packages on Debian)" >&2
        exit 1
    fi
    if [ "$(id -u)" != 0 ]; then
        echo "setup: this machine lacks:$missing — run as root once: apt-get install$missing" >&2
        exit 1
    fi
    echo "setup: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of names
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

if ! command -v cargo >/dev/null; then
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        echo "setup: cargo is installed but not on the PATH: export PATH=\"\$HOME/.cargo/bin:\$PATH\"" >&2
    else
        echo "setup: Rust 1.95 or newer is needed and Debian 12 has none: install it with rustup, then run make again" >&2
    fi
    exit 1
fi

needed=95
minor=$(cargo --version | sed -E 's/^cargo 1\.([0-9]+).*/\1/')
if [ "$minor" -lt "$needed" ] 2>/dev/null; then
    echo "setup: Rust 1.$needed or newer is needed, this is $(cargo --version): run rustup update" >&2
    exit 1
fi

# With this variable set whisper.cpp is built without any vector instruction: ten times slower, without a warning.
if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
    echo "setup: SOURCE_DATE_EPOCH is set; unset it, or the recogniser is built without vector instructions" >&2
    exit 1
fi
