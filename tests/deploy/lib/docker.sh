# shellcheck shell=bash
# A Docker of its own below $dir, and a registry that it asks before the official one. Sourced by tests/deploy/run.
# shellcheck disable=SC2154 # dir, servers, here, root are the sourcing script's

ours_to_stop=()
export DOCKER_CONFIG=$servers/docker DOCKER_HOST=unix://$dir/docker.sock

# Both are left alone where they run already, also at the end.
docker_start() {
    "$here/install" "$servers" compose docker registry
    mkdir -p "$dir/dockerd" "$dir/registry"
    [ -s "$dir/registry/port" ] || free_ports 1 >"$dir/registry/port"
    registry=127.0.0.1:$(cat "$dir/registry/port")
    if ! alive "$dir/registry"; then
        cat >"$dir/registry/config.yml" <<END
version: 0.1
log: { level: warn }
storage: { filesystem: { rootdirectory: $dir/registry/data } }
http: { addr: "$registry" }
END
        spawn "$dir/registry" docker-registry serve "$dir/registry/config.yml"
        ours_to_stop+=("$dir/registry")
        until_ready "$dir/registry" 30 http "http://$registry/v2/"
    fi
    if ! docker info >/dev/null 2>&1; then
        spawn "$dir/dockerd" dockerd --data-root "$dir/docker" --exec-root "$dir/exec" --host "$DOCKER_HOST" --pidfile "$dir/dockerd.pid" --registry-mirror "http://$registry"
        ours_to_stop+=("$dir/dockerd")
        until_ready "$dir/dockerd" 60 docker_answers
    fi
}
docker_answers() { docker info >/dev/null 2>&1; }

docker_stop() {
    local folder
    for folder in "${ours_to_stop[@]}"; do halt "$folder" TERM 30; done
}

# in_registry IMAGE: what the registry calls it; without a folder it is in Docker's own.
in_registry() {
    case $1 in
    */*) echo "$registry/$1" ;;
    *) echo "$registry/library/$1" ;;
    esac
}

# registry_put FROM IMAGE: from now on IMAGE, when it is pulled, is FROM.
registry_put() {
    docker tag "$1" "$(in_registry "$2")"
    docker push -q "$(in_registry "$2")" >/dev/null
    docker rmi "$(in_registry "$2")" >/dev/null
}

registry_fill() {
    local image
    for image in $(standins); do registry_put "$image" "$image"; done
}

# standins: the images that tests/deploy/standins/make made by official names.
standins() {
    sed -n 's/^ *image: \([^$ ]*\)$/\1/p' "$root/docker/stack.yml" | sort -u | while read -r image; do
        ! docker image inspect "$image" >/dev/null 2>&1 || echo "$image"
    done
}
