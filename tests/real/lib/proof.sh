# shellcheck shell=bash
# What a proof is made of: an expectation has a name, a pattern of the shell, and the command whose output must match it.

held=0 broken=0
section() { printf '%s\n' "$1"; }

# expect NAME PATTERN COMMAND ...
expect() {
    local name=$1 wanted=$2 got
    shift 2
    got=$("$@") || true
    # shellcheck disable=SC2053 # a pattern is meant
    if [[ $got == $wanted ]]; then
        held=$((held + 1))
        [ -z "${VERBOSE:-}" ] || printf '  ok    %s\n' "$name"
    else
        broken=$((broken + 1))
        printf '  FAIL  %s: wanted %s, got %s\n' "$name" "${wanted:-nothing}" "${got:-nothing}"
    fi
}

# soon NAME PATTERN COMMAND ...: the same, within 15 s.
soon() {
    local name=$1 wanted=$2 limit=$(($(now) + 15000)) got
    shift 2
    # shellcheck disable=SC2053 # a pattern is meant
    until got=$("$@") && [[ $got == $wanted ]]; do
        [ "$(now)" -lt "$limit" ] || break
        sleep 0.1
    done
    expect "$name" "$wanted" echo "$got"
}

conclude() {
    printf '%d held, %d broken\n' "$held" "$broken"
    [ "$broken" -eq 0 ] && [ "$held" -gt 0 ]
}
