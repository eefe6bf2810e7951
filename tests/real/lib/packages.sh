# shellcheck shell=bash
# Debian's packages, for whatever script installs some.

# apt_get PACKAGE ...: without their daemons; one that Debian starts would take the default port.
apt_get() (
    [ "$(id -u)" -eq 0 ] || { echo "root is needed for: apt-get install $*" >&2; exit 1; }
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT # of this subshell
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    apt-get -o DPkg::Lock::Timeout=600 update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "$@"
)
