# shellcheck shell=bash
# How each real server starts and when it is ready. Reads run, name, port, folder; sourced by start.

# shellcheck disable=SC2016 # the names in a template are not ours to expand
# fill TEMPLATE NAME=VALUE ...: the template with each ${NAME} replaced; one that nobody fills in is an error.
fill() {
    local text pair
    text=$(<"$1")
    for pair in "${@:2}"; do text=${text//"\${${pair%%=*}}"/"${pair#*=}"}; done
    [[ $text != *'${'* ]] || fail "$1 has a name that is not filled in: $(grep -o '\${[^}]*}' <<<"$text" | sed -n 1p)"
    printf '%s\n' "$text"
}

start_postgres() {
    local bin data="$folder/data" how=(-A trust) user=() sync=on
    bin=$(find /usr/lib/postgresql/*/bin -maxdepth 0 | sort -V | tail -n 1)
    if [ "$(id -u)" -eq 0 ]; then # postgres refuses to run as root
        user=(setpriv --reuid postgres --regid postgres --init-groups)
        chown postgres: "$folder"
        "${user[@]}" test -x "$folder" || fail "user postgres cannot enter $folder; take a run directory that others may enter"
    fi
    cd "$folder" || return
    if [ ! -d "$data" ]; then
        if secured; then
            of postgres.admin >"$folder/password"
            [ ${#user[@]} -eq 0 ] || chown postgres: "$folder/password"
            how=(-A scram-sha-256 --pwfile="$folder/password")
        fi
        "${user[@]}" "$bin/initdb" -D "$data" -U postgres "${how[@]}" -E UTF8 --locale=C.UTF-8 >initdb.log 2>&1 || { cat initdb.log >&2; return 1; }
        rm -f "$folder/password"
    fi
    after_kill "$data"
    [ -z "$no_sync" ] || sync=off
    spawn "$folder" "${user[@]}" "$bin/postgres" -D "$data" -p "$port" -c listen_addresses=127.0.0.1 -c max_connections=300 \
        -c unix_socket_directories= -c fsync="$sync" -c log_line_prefix='%m [%p] %q%u@%d '
}
ready_postgres() { pg_isready -q -h 127.0.0.1 -p "$port" -U postgres -d postgres; }
# After a kill -9 the server's own children take a moment to notice, and its pid may stay as a zombie that nobody waits for,
# which PostgreSQL takes for a running server.
after_kill() {
    local first
    [ -f "$1/postmaster.pid" ] || return 0
    first=$(head -n 1 "$1/postmaster.pid")
    [ -z "$(started "$first")" ] || return 0
    for _ in $(seq 200); do find /proc/[0-9]*/cwd -maxdepth 0 -lname "$1" 2>/dev/null | grep . >/dev/null || break; sleep 0.05; done
    rm -f "$1/postmaster.pid"
}

start_redis() {
    local rights=()
    if secured; then
        redis_users >"$folder/users.acl"
        rights=(--aclfile "$folder/users.acl")
    fi
    # Nothing may be dropped in silence when the memory is full.
    spawn "$folder" redis-server --bind 127.0.0.1 --port "$port" --dir "$folder" --appendonly no --save '' \
        --maxmemory 256mb --maxmemory-policy noeviction "${rights[@]}"
}
ready_redis() { [[ $(redis-cli -p "$port" ping 2>&1) == @(PONG|NOAUTH*) ]]; }

start_kafka() {
    local data="$folder/data" conf="$folder/server.properties" protocol=PLAINTEXT
    local jvm=(-Xmx"${KAFKA_HEAP:-256m}" -XX:+UseSerialGC -Dlog4j2.configurationFile="$here/servers/kafka/log4j2.xml" -cp "$servers/kafka/libs/*")
    ! secured || protocol=SASL_PLAINTEXT
    fill "$here/servers/kafka/server.properties" PORT="$port" CONTROLLER_PORT=$((port + 1)) PROTOCOL="$protocol" DATA="$data" >"$conf"
    ! secured || fill "$here/servers/kafka/secured.properties" USERS="$(kafka_users)" BROKER_PASSWORD="$(of kafka.broker)" \
        CONTROLLER_PASSWORD="$(of kafka.controller)" >>"$conf"
    [ ! -f "$folder/log" ] || mv "$folder/log" "$folder/log.before"
    [ -d "$data" ] || java "${jvm[@]}" kafka.tools.StorageTool format -c "$conf" -t c2Nob29seWFyZC1zZXJ2ZQ >"$folder/format.log" 2>&1 \
        || { cat "$folder/format.log" >&2; rm -rf "$data"; return 1; }
    spawn "$folder" java "${jvm[@]}" kafka.Kafka "$conf"
}
ready_kafka() { grep -q 'Kafka Server started' "$folder/log"; }

start_mongo() {
    spawn "$folder" java -Xmx256m -XX:+UseSerialGC -cp "$servers/mongo/libs/*:$servers/mongo" Mongo "$port" "$folder/data.mv"
}
ready_mongo() { listens "$port"; }

# FERRETDB_POSTGRES=postgres://postgres@127.0.0.1:5432/ferretdb (an existing database) takes the place of SQLite.
start_ferretdb() {
    mkdir -p "$folder/data"
    spawn "$folder" "$servers/bin/ferretdb" -listen "127.0.0.1:$port" -sqlite "$folder/data" -postgres "${FERRETDB_POSTGRES:-}"
}
ready_ferretdb() { listens "$port"; }

start_consul() {
    local acl='{}'
    # The agent keeps its raft address.
    [ ! -d "$folder/data" ] || [ "$port" = "$(cat "$folder/port")" ] || fail "consul of $run stays on port $(cat "$folder/port")"
    ! secured || acl=$(consul_acl)
    jq -n --argjson acl "$acl" --arg data "$folder/data" --argjson port "$port" '{
        server: true, bootstrap_expect: 1, node_name: "local", data_dir: $data, bind_addr: "127.0.0.1", client_addr: "127.0.0.1",
        ports: {http: $port, serf_lan: ($port + 1), server: ($port + 2), serf_wan: -1, grpc: -1, grpc_tls: -1, dns: -1},
        ui_config: {enabled: true}, log_level: "warn", disable_update_check: true, performance: {raft_multiplier: 1},
        # Every process here comes from one address, and each waits on several long polls.
        limits: {http_max_conns_per_client: 1000}
    } + $acl' >"$folder/consul.json"
    spawn "$folder" "$servers/bin/consul" agent -config-file="$folder/consul.json"
}
ready_consul() { consul_api PUT kv/ready -d up >/dev/null; } # a write needs a leader

start_traefik() {
    # The dashboard's pages are not in the module it is built from; its JSON API is.
    local consul=${CONSUL:-127.0.0.1:$(cat "$run/consul/port" 2>/dev/null || echo 8500)} token='' password
    ! secured || token=$(of consul.traefik)
    {
        fill "$here/../../traefik/traefik.yml" WEB_ADDRESS="127.0.0.1:$port" ADMIN_ADDRESS="127.0.0.1:$((port + 1))" \
            WEBSECURE_ADDRESS="127.0.0.1:$((port + 2))" INTERNAL_ADDRESS="127.0.0.1:$((port + 3))" TRUSTED_PROXIES="${TRUSTED_PROXIES:-}" DASHBOARD=false \
            CONSUL_ADDRESS="$consul" CONSUL_TOKEN="$token" DYNAMIC_FILE="$here/../../traefik/dynamic.yml" ACCESS_LOG="$folder/access.log"
        [ -z "${OTLP_TRACES:-}" ] || fill "$here/../../traefik/tracing.yml" OTLP_TRACES="$OTLP_TRACES"
    } >"$folder/traefik.yml"
    password=$(secret traefik.dashboard)
    # The memory that the compose files give it.
    GOGC=400 GOMEMLIMIT=192MiB SCHOOLYARD_DASHBOARD_USER="operator:$(openssl passwd -apr1 -in "$password")" \
        spawn "$folder" "$servers/bin/traefik" --configFile="$folder/traefik.yml"
}
ready_traefik() { http "http://127.0.0.1:$((port + 1))/ping"; }
