#!/usr/bin/env bash
# Start time and idle memory of the release build of the BFF on the embedded store: the median of five runs.
#
# Start time runs from the moment the program is executed until `/health/live` answers 200; idle memory is the resident
# set one second later. No provider runs: the BFF must start without one.
set -euo pipefail

cd "$(dirname "$0")/../.."
runs=5

cargo build --release --quiet --workspace --bin bff
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
bff=$target/release/bff

folder=$(mktemp -d)
pid=
cleanup() {
    if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; fi
    rm -rf "$folder"
}
trap cleanup EXIT

"$bff" keys generate "$folder/keys"
printf 'not-a-secret-but-long-enough-to-be-one' >"$folder/secret"
chmod 600 "$folder/secret"

configure() { # public port, management port
    cat >"$folder/bff.toml" <<TOML
[server]
listen = "127.0.0.1:$1"
public_url = "http://localhost:$1"
[management]
listen = "127.0.0.1:$2"
[provider]
issuer = "http://127.0.0.1:9"
client_id = "web"
client_secret_file = "$folder/secret"
[session]
key_ring_file = "$folder/keys"
[store]
kind = "embedded"
[store.embedded]
path = "$folder/bff.redb"
TOML
}

is_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() {
    local port
    while port=$((20000 + RANDOM % 20000)); ! is_free "$port"; do :; done
    echo "$port"
}

is_live() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
        read -r status <&3
        [[ $status == *" 200 "* ]]
    ) 2>/dev/null
}

median() {
    printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

microseconds() {
    echo "${EPOCHREALTIME/[.,]/}"
}

starts=()
memories=()
for run in $(seq "$runs"); do
    management=$(free_port)
    configure "$(free_port)" "$management"
    begun=$(microseconds)
    "$bff" --config "$folder/bff.toml" >"$folder/log" 2>&1 &
    pid=$!
    until is_live "$management"; do
        if ! kill -0 "$pid" 2>/dev/null; then
            echo "The BFF did not start:" >&2
            cat "$folder/log" >&2
            exit 1
        fi
    done
    start=$((($(microseconds) - begun) / 1000))
    sleep 1
    memory=$(awk '/^VmRSS:/ { print $2 }' "/proc/$pid/status")
    kill "$pid"
    wait "$pid" || true
    pid=
    echo "run $run: answers after $start ms, $((memory / 1024)) MB resident"
    starts+=("$start")
    memories+=("$memory")
done

echo "median: answers after $(median "${starts[@]}") ms, $(($(median "${memories[@]}") / 1024)) MB resident"
