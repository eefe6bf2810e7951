# shellcheck shell=bash
# A stack as its operator handles it, and a client before it. Sourced by tests/deploy/run.
# shellcheck disable=SC2154 # dir, root and program are the sourcing script's

# stack NAME FILE PORT: as Dockge keeps it, a folder with the file and .env.
stack() {
    mkdir -p "$dir/stacks/$1"
    cp "$root/$2" "$dir/stacks/$1/compose.yaml"
    cd "$dir/stacks/$1" || return
    "$program" config init >.env
    # The stand-in for MongoDB knows no users.
    sed -i 's|mongodb://posts:[^@]*@|mongodb://|' compose.yaml
    setting SY_HTTP_PORT "127.0.0.1:$3"
    setting SY_HTTPS_PORT "127.0.0.1:$(($3 + 1))"
    setting SY_DASHBOARD_PORT $(($3 + 2))
    setting SY_CONSUL_PORT $(($3 + 3))
    at=http://127.0.0.1:$3
}
# setting NAME VALUE: in .env.
setting() { sed -i "s|^$1=.*|$1=$2|" .env; }
of_env() { sed -n "s/^$1=//p" .env; }

up() { docker compose up -d --wait --wait-timeout 300 "$@" >"$dir/up.log" 2>&1 || { tail -n 30 "$dir/up.log" >&2; docker compose ps -a >&2; docker compose logs --tail 15 >&2; return 1; }; }
# What Dockge reads and shows as active, exited or neither.
state() { docker compose ls -a --format json | jq -r --arg name "$(basename "$PWD")" '.[] | select(.Name == $name) | .Status'; }
container() { docker compose ps -q "$1"; }
# ids SERVICE ...: which container each is now.
ids() { docker compose ps -q "$@" | sort | tr '\n' ' '; }
# done_by COMMAND ...: its exit code; what it says is kept for when it failed.
done_by() {
    local code=0
    "$@" >"$dir/said" 2>&1 || { code=$?; tail -n 15 "$dir/said" >&2; }
    echo "$code"
}

password='a long enough secret'
code() { curl -s -o /dev/null -m 10 -w '%{http_code}' "$@"; }
administrator() { echo "$password" | docker compose exec -T auth /schoolyard admin create --email "$1@school.example" --username "$1"; }
login() { curl -s -m 10 "$at/api/auth/login" -H 'Content-Type: application/json' -d "{\"username\":\"${1:-office}\",\"password\":\"$password\"}" | jq -r .access_token; }
post() { curl -s -m 10 "$at/api/posts" -H "Authorization: Bearer $1" -H 'Content-Type: application/json' -d "{\"title\":\"$2\",\"content\":\"x\",\"audience\":[\"school\"]}" | jq -r .id; }
# stream TOKEN: who wrote what.
stream() { curl -s -m 10 "$at/api/activity-stream" -H "Authorization: Bearer $1" | jq -r '.items[] | "\(.username): \(.title)"'; }

# story NAME: the one of tests/stories/published.rs, at this stack's port.
story() {
    (
        cd "$root" || exit
        SCHOOLYARD_TEST_SCHOOL=$at SCHOOLYARD_TEST_SCHOOL_ADMIN=office SCHOOLYARD_TEST_SCHOOL_PASSWORD=$password \
            SCHOOLYARD_TEST_SCHOOL_SECRET=$(cd "$OLDPWD" && of_env SY_SECRET_KEY) \
            cargo test -q -p schoolyard --features servers,deployed-tests --test stories -- --exact "published::$1" >"$dir/story.log" 2>&1 || tail -n 40 "$dir/story.log" >&2
        grep '^test result:' "$dir/story.log"
    )
}
# Before anything runs that would have to share the processor with it.
stories_build() { (cd "$root" && cargo test -q -p schoolyard --features servers,deployed-tests --test stories --no-run); }
