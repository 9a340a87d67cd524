#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: PostgreSQL, Redis, nginx, Apache with mod_auth_openidc, libfaketime, Chromium
# with its driver, and of npm: oidc-provider, openid-client, grpc-js and vite. `tests/setup.sh bench` adds wrk for the benchmarks.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Debian keeps nginx where only administrators look.
PATH="$PATH:/usr/sbin"

packages=()
need() { # program, Debian package
    command -v "$1" >/dev/null || packages+=("$2")
}
need redis-server redis-server
need redis-cli redis-tools
need chromium chromium
need chromedriver chromium-driver
need node nodejs
need npm npm
need nginx nginx-light
[ -e /usr/lib/nginx/modules/ngx_http_js_module.so ] || packages+=(libnginx-mod-http-js)
need apache2 apache2
# Debian keeps its programs out of the path, by version.
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || need initdb postgresql
ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || packages+=(libfaketime) # for programs whose clock tests move
[ -e /usr/share/fonts/truetype/nanum ] || packages+=(fonts-nanum) # for pictures of Korean pages
[ -e /usr/lib/apache2/modules/mod_auth_openidc.so ] || packages+=(libapache2-mod-auth-openidc)
if [ "${1:-}" = bench ]; then
    need wrk wrk
    need taskset util-linux
fi

if [ "${#packages[@]}" -gt 0 ]; then
    echo "Installing ${packages[*]}"
    if ! command -v apt-get >/dev/null; then
        echo "There is no apt-get here: please install these yourself." >&2
        exit 1
    fi
    as_root apt-get update -q
    # Debian starts a PostgreSQL, a Redis, an nginx and an Apache of its own after the installation; the tests bring theirs.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends "${packages[@]}"
fi

node_major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
if [ "$node_major" -lt 20 ]; then
    echo "The foreign provider and Vite need Node 20 or newer; this is $(node --version)." >&2
    exit 1
fi

# `npm ci` starts from nothing each time, so it runs only when the lock file is newer than what it installed.
for folder in foreign-provider grpc interop vite; do
    installed="$here/$folder/node_modules/.package-lock.json"
    if [ ! -e "$installed" ] || [ "$here/$folder/package-lock.json" -nt "$installed" ]; then
        npm ci --prefix "$here/$folder" --no-audit --no-fund
        touch "$installed"
    fi
done
