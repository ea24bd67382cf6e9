# packages.sh - installs Debian packages that are missing. Read by deploy/run.sh and test/run.sh.
#
#   nv_install PACKAGE...   apt-get install of those not installed yet, through sudo where not root. Services of
#                           what is installed are kept from starting.

# What a build needs.
NV_BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkgconf libmnl-dev libsystemd-dev libpcre2-dev
    libmicrohttpd-dev libgnutls28-dev libyaml-dev libzstd-dev libdeflate-dev zlib1g-dev libxxhash-dev libcrypt-dev
    libcurl4-gnutls-dev libncurses-dev"

# The page's, unless node and npm are there from elsewhere.
command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || NV_BUILD_PACKAGES="$NV_BUILD_PACKAGES nodejs npm"

nv_as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

nv_install() {
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "installing:$missing"

    # A package's service would start at once, on the very port the agent wants; Debian asks this script first. An
    # administrator's own is left alone.
    (
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'nv_as_root rm -f "$policy"' EXIT
            trap 'exit 1' HUP INT TERM
            printf '#!/bin/sh\nexit 101\n' | nv_as_root tee "$policy" >/dev/null
            nv_as_root chmod 755 "$policy"
        fi
        nv_as_root apt-get update -q >/dev/null
        # shellcheck disable=SC2086 # a list of words
        nv_as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -yq --no-install-recommends $missing >/dev/null
    ) </dev/null
}
