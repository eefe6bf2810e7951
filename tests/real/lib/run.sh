# shellcheck shell=bash
# Processes of a run directory: each has a folder of its own with pid, port, log and data. Sourced by the scripts beside it.
# shellcheck disable=SC2034 # some of it is for those who source this

servers=${SCHOOLYARD_SERVERS:-$HOME/.cache/schoolyard-servers}
# Kafka also takes port +1 (controller), Consul +1 and +2 (gossip, raft), Traefik +1 to +3 (admin, websecure, internal).
declare -A default_port=([postgres]=5432 [redis]=6379 [kafka]=9092 [mongo]=27017 [ferretdb]=27018 [consul]=8500 [traefik]=8000)
declare -A ports_used=([kafka]=2 [consul]=3 [traefik]=4)
boot=$(cat /proc/sys/kernel/random/boot_id)

fail() { echo "${0##*/}: $*" >&2; exit 1; }

# A pid can be given again; together with its start time and the boot of the machine it is one process for ever.
started() { sed -n 's/.*) //; /^Z/!p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; } # nothing for a zombie
identity() { printf '%s\n%s\n%s\n' "$1" "$(started "$1")" "$boot"; }

# alive FOLDER: whether the process that FOLDER/pid names still runs; sets pid.
alive() {
    local since there
    [ -f "$1/pid" ] || return 1
    { read -r pid && read -r since && read -r there; } <"$1/pid" || return 1
    [ "$there" = "$boot" ] && [ -n "$since" ] && [ "$(started "$pid")" = "$since" ]
}

# spawn FOLDER COMMAND ...: runs it detached with its log there; sets pid.
spawn() {
    local folder=$1
    shift
    setsid nohup "$@" >>"$folder/log" 2>&1 </dev/null &
    pid=$!
    identity "$pid" >"$folder/pid"
}

# halt FOLDER SIGNAL SECONDS: ends exactly that process, at last by KILL.
halt() {
    local pid
    if alive "$1"; then
        kill -s "$2" "$pid" 2>/dev/null || true
        for _ in $(seq $(($3 * 20))); do alive "$1" || break; sleep 0.05; done
        if alive "$1"; then
            echo "${0##*/}: ${1##*/} did not end in $3 s and is killed" >&2
            kill -s KILL "$pid"
            while alive "$1"; do sleep 0.05; done
        fi
    fi
    rm -f "$1/pid"
}

# until_ready FOLDER SECONDS COMMAND ...: waits until the command succeeds, as long as the process lives.
until_ready() {
    local folder=$1 limit=$(($(now) + $2 * 1000))
    shift 2
    until "$@"; do
        alive "$folder" || { tail -n 20 "$folder/log" >&2; fail "${folder##*/} died; its log is $folder/log"; }
        [ "$(now)" -lt "$limit" ] || { tail -n 20 "$folder/log" >&2; fail "${folder##*/} is not ready; its log is $folder/log"; }
        sleep 0.05
    done
}

now() { echo $(($(date +%s%N) / 1000000)); } # milliseconds
http() { curl -sf -o /dev/null -m 2 "$@"; }
listens() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_ports COUNT: the first of so many free ports in a row, below those the system gives to clients.
free_ports() {
    local first port
    for _ in $(seq 200); do
        first=$((20000 + RANDOM % 12000))
        for ((port = first; port < first + $1; port++)); do ! listens "$port" || continue 2; done
        echo "$first"
        return
    done
    fail "no $1 free ports in a row between 20000 and 32000"
}
