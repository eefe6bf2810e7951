# shellcheck shell=bash
# Makes the rights of rights.sh on the servers, idempotently. Reads run, name, port, folder; sourced by start and prove-rights.

grant_postgres() {
    {
        echo "REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;"
        local service
        for service in "${databases[@]}"; do
            cat <<SQL
SELECT 'CREATE ROLE $service' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$service') \\gexec
ALTER ROLE $service LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 60 PASSWORD '$(of "postgres.$service")';
ALTER ROLE $service SET statement_timeout = '60s';
ALTER ROLE $service SET idle_in_transaction_session_timeout = '60s';
SELECT 'CREATE DATABASE $service OWNER $service' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$service') \\gexec
REVOKE ALL ON DATABASE $service FROM PUBLIC;
SQL
        done
    } | as_admin -d postgres >/dev/null
}
as_admin() { PGPASSWORD=$(of postgres.admin) psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres "$@"; }

# What a service may do with its keys: nothing that looks at or empties everything, and no word about other clients.
redis_commands='+@read +@write +@transaction +@pubsub +@connection +@scripting -@dangerous -@admin +info -scan -randomkey -dbsize -function -script +script|load +script|exists'
redis_users() {
    local service prefix
    echo "user default off resetpass"
    echo "user admin on #$(hash_of redis.admin) ~* &* +@all"
    for service in "${!redis_prefixes[@]}"; do
        printf 'user %s on #%s resetchannels' "$service" "$(hash_of "redis.$service")"
        for prefix in ${redis_prefixes[$service]}; do printf ' ~%s* &%s*' "$prefix" "$prefix"; done
        printf ' %s\n' "$redis_commands"
    done
}
hash_of() { of "$1" | tr -d '\n' | sha256sum | cut -d' ' -f1; }
grant_redis() { REDISCLI_AUTH=$(of redis.admin) redis-cli -p "$port" --user admin acl load | grep -x OK >/dev/null; }

# The users of the broker's listener; PLAIN knows those of its configuration only.
kafka_users() { for user in broker admin operator "${!topics_written[@]}" "${!topics_read[@]}"; do echo "$user"; done | sort -u |
    while read -r user; do printf ' user_%s="%s"' "$user" "$(of "kafka.$user")"; done; }
kafka_rights() {
    local service topic
    for service in "${services[@]}"; do
        for topic in ${topics_written[$service]:-}; do
            printf "$service %s TOPIC $topic\n" CREATE WRITE DESCRIBE DESCRIBE_CONFIGS ALTER_CONFIGS
        done
        for topic in ${topics_read[$service]:-}; do
            printf "$service %s TOPIC $topic\n" CREATE READ DESCRIBE DESCRIBE_CONFIGS
        done
        # Whoever makes a topic makes the place of its dead letters; its owner counts them, its consumers lay them there, once each.
        for topic in ${topics_written[$service]:-}; do
            printf "$service %s TOPIC $topic.dlq\n" CREATE READ DESCRIBE DESCRIBE_CONFIGS ALTER_CONFIGS
        done
        for topic in ${topics_read[$service]:-}; do
            printf "$service %s TOPIC $topic.dlq\n" CREATE READ WRITE DESCRIBE DESCRIBE_CONFIGS
        done
        [ -z "${groups[$service]:-}" ] || printf "$service %s GROUP ${groups[$service]}*\n" READ DESCRIBE
    done
    # Commands that act on what is there: list, replay and drop dead letters, rebuild.
    printf "operator %s TOPIC *\n" READ WRITE DELETE DESCRIBE DESCRIBE_CONFIGS
    printf "operator %s GROUP *\n" READ DESCRIBE DELETE
}
kafka_java() { java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$here/servers/kafka/quiet.xml" -cp "$servers/kafka/libs/*:$servers/kafka" "$@"; }
grant_kafka() { kafka_rights | kafka_java Rights "127.0.0.1:$port" "$(secret kafka.admin)"; }

# consul_api METHOD PATH [CURL-OPTION ...]: as the token of $consul_as (default: the one that may do everything).
consul_api() {
    local method=$1 path=$2
    shift 2
    # Not among the arguments, which everybody may read.
    curl -sf -m 10 -X "$method" -K <(consul_identity) "http://127.0.0.1:$port/v1/$path" "$@"
}
consul_identity() { ! secured || printf 'header = "X-Consul-Token: %s"\n' "$(of "consul.${consul_as:-bootstrap}")"; }
consul_acl() {
    jq -n --rawfile bootstrap "$(secret consul.bootstrap)" '{acl: {
        enabled: true, default_policy: "deny", enable_token_persistence: true,
        tokens: {initial_management: ($bootstrap | rtrimstr("\n"))}}}'
}
grant_consul() {
    local service policies tokens others='service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'
    policies=$(consul_api GET acl/policies)
    tokens=$(consul_api GET acl/tokens)
    consul_token agent "node \"local\" { policy = \"write\" } $others"
    consul_agent
    consul_token traefik "$others key_prefix \"traefik\" { policy = \"read\" }"
    for service in "${services[@]}"; do
        consul_token "$service" "service \"$service\" { policy = \"write\" } $others ${consul_writes[$service]:+key_prefix \"${consul_writes[$service]}\" { policy = \"write\" \}}"
    done
}
# Tells the agent its token, once it is made: one whose own token is not known says for half a minute nobody's health.
consul_agent() {
    jq -n --rawfile secret "$(secret consul.agent)" '{Token: ($secret | rtrimstr("\n"))}' | consul_api PUT agent/token/agent -d @- >/dev/null
}
# consul_token NAME RULES: a policy and a token of this name, made or changed.
consul_token() {
    local policy accessor
    policy=$(jq -r --arg name "$1" '.[] | select(.Name == $name) | .ID' <<<"$policies")
    accessor=$(jq -r --arg name "$1" '.[] | select(.Description == $name) | .AccessorID' <<<"$tokens")
    jq -n --arg name "$1" --arg rules "$2" '{Name: $name, Rules: $rules}' | consul_api PUT "acl/policy${policy:+/$policy}" -d @- >/dev/null
    jq -n --arg name "$1" --rawfile secret "$(secret "consul.$1")" --arg accessor "$accessor" '
        {SecretID: ($secret | rtrimstr("\n")), Description: $name, Policies: [{Name: $name}]}
        + if $accessor == "" then {} else {AccessorID: $accessor} end' |
        consul_api PUT "acl/token${accessor:+/$accessor}" -d @- >/dev/null
}
