# shellcheck shell=bash
# The settings of every service of the full stack, in one place: lines NAME=VALUE. Reads run; sourced by up and as.

at() { echo "127.0.0.1:$(cat "$run/$1/port")"; }
# Traefik's entry point for itself, where start puts it.
internal_of_traefik() { echo "https://localhost:$(($(cat "$run/traefik/port") + 3))"; }

# service_env SERVICE: what all of its instances are told.
service_env() {
    # The same in every service: it signs what people show and services check.
    setting SECRET_KEY_FILE "$(secret signing-key)"
    setting SCHOOLYARD_LOG__FORMAT json
    # Commands lock it; services keep nothing there.
    setting SCHOOLYARD_DATA "$run/data/$1"
    # Whose word about the client counts: Traefik's.
    setting SCHOOLYARD_GATEWAY__TRUSTED_PROXIES 127.0.0.1/32
    # Whoever routes to it has noticed by then that it leaves.
    setting SCHOOLYARD_SERVER__SHUTDOWN_DELAY 5
    # Known there, and where the others are found.
    setting SCHOOLYARD_CONSUL__ADDRESS "http://$(at consul)"
    setting SCHOOLYARD_CONSUL__TOKEN_FILE "$(secret "consul.$1")"
    [ "$1" = gateway ] || setting SCHOOLYARD_BUS__URL "kafka://$1:$(of "kafka.$1")@$(at kafka)"
    case $1 in
    auth)
        setting SCHOOLYARD_AUTH__STORE "postgres://auth:$(of postgres.auth)@$(at postgres)/auth"
        # By this several instances, and commands beside them, tell one another what has changed.
        setting SCHOOLYARD_AUTH__REDIS "redis://auth:$(of redis.auth)@$(at redis)/0?prefix=auth:"
        setting SCHOOLYARD_AUTH__SERVICE_CREDENTIALS "feed:$(of credential.feed),gateway:$(of credential.gateway)"
        ;;
    profile) setting SCHOOLYARD_PROFILE__STORE "postgres://profile:$(of postgres.profile)@$(at postgres)/profile" ;;
    posts)
        case ${POSTS_ON:-mongodb} in
        postgres) setting SCHOOLYARD_POSTS__STORE "postgres://posts:$(of postgres.posts)@$(at postgres)/posts" ;;
        *) setting SCHOOLYARD_POSTS__STORE "mongodb://$(at mongo)/posts" ;;
        esac
        ;;
    feed)
        setting SCHOOLYARD_FEED__STORE "redis://feed:$(of redis.feed)@$(at redis)/0"
        setting SCHOOLYARD_PEERS__CREDENTIAL_FILE "$(secret credential.feed)"
        ;;
    gateway)
        setting SCHOOLYARD_GATEWAY__TRAEFIK_INTERNAL "$(internal_of_traefik)"
        setting SCHOOLYARD_PEERS__CREDENTIAL_FILE "$(secret credential.gateway)"
        ;;
    esac
}

# instance_env SERVICE PORT TLS_PORT: what is its own.
instance_env() {
    setting SCHOOLYARD_SERVER__LISTEN "127.0.0.1:$2"
    [ "$1" != auth ] || setting SCHOOLYARD_AUTH__TLS_LISTEN "127.0.0.1:$3"
}

setting() { printf '%s=%q\n' "$1" "$2"; }

# in_env SERVICE FILE ...: a command line that runs what follows it with these settings and nothing of the caller's.
in_env() {
    # shellcheck disable=SC2016 # expanded by the shell that is started
    printf '%s\0' env -i PATH="$PATH" HOME="$HOME" bash -c 'set -a; for file in "${@:2:$1}"; do . "$file"; done; set +a; shift "$(($1 + 1))"; exec "$@"' settings "$#" "$@"
}
