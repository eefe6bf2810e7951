# shellcheck shell=bash
# Secrets are made when they are first asked for and kept in the run directory, readable by their owner only.

# secret NAME: the path of its file. Tokens of Consul are UUIDs, everything else 48 hex characters.
secret() {
    local file="$run/secrets/$1"
    if [ ! -s "$file" ]; then
        mkdir -p "$run/secrets"
        chmod 700 "$run/secrets"
        case $1 in
        consul.*) cat /proc/sys/kernel/random/uuid ;;
        *) openssl rand -hex 24 ;;
        esac >"$file.new.$BASHPID"
        chmod 600 "$file.new.$BASHPID"
        # Whoever comes second takes what is there.
        ln "$file.new.$BASHPID" "$file" 2>/dev/null || true
        rm -f "$file.new.$BASHPID"
    fi
    echo "$file"
}

# of NAME: the secret itself, for files and pipes, never for the arguments of a program.
of() { cat "$(secret "$1")"; }

secured() { [ -f "$run/secured" ]; }
