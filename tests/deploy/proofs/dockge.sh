# shellcheck shell=bash disable=SC2154,SC2034,SC2016 # names of tests/deploy/run and of each other; what eval is given
# What Dockge's other buttons do, by the commands it runs, and what it shows meanwhile.

section 'Dockge: restart, update, scale, delete'
expect 'restart' 0 done_by docker compose restart
soon 'the post is still there' 200 code "$at/api/posts/$id" -H "Authorization: Bearer $token"

# update: as Dockge does, which stops at the first command that fails.
update() { docker compose pull && docker compose up -d --remove-orphans; }
before=$(ids)
expect 'update with nothing new' 0 done_by update
expect 'leaves every container alone' "$before" ids
redis=$(sed -n 's/^ *image: \(redis:.*\)$/\1/p' "$root/docker/stack.yml")
printf 'FROM %s\nLABEL later=yes\n' "$redis" | DOCKER_BUILDKIT=0 docker build -q -t schoolyard-later - >/dev/null 2>&1
registry_put schoolyard-later "$redis"
others=$(docker compose config --services | grep -vx redis)
# shellcheck disable=SC2086 # several services
before=$(ids $others)
expect 'update when the registry has another image of one' 0 done_by update
expect 'that one is made again of it' yes eval "docker inspect --format '{{.Config.Labels.later}}' \"\$(container redis)\""
# shellcheck disable=SC2086 # several services
expect 'and no other' "$before" ids $others
expect 'everything is well' 0 eval 'up; echo $?'
expect 'the state is the same' "running($count)" state
soon 'the post is in the stream again' '*office: kept*' stream "$token"

# Another version of ours has another tag; a tag is one image for ever, so the same tag is not asked for again.
registry_put "$image" schoolyard:later
setting SY_IMAGE "$(in_registry schoolyard:later)"
before=$(ids consul kafka mongodb postgres redis traefik)
expect 'update to another SY_IMAGE' 0 done_by update
expect 'the services are of it' "$(in_registry schoolyard:later)" eval "docker inspect --format '{{.Config.Image}}' \$(ids auth profile posts feed gateway) | uniq"
expect 'and the servers were left alone' "$before" ids consul kafka mongodb postgres redis traefik
expect 'everything is well' 0 eval 'up; echo $?'
expect 'the state is the same' "running($count)" state

# crashed SERVICE: what Dockge would show from when its process is killed until the container is well again.
crashed() {
    local id times now=''
    id=$(container "$1")
    times=$(docker inspect --format '{{.RestartCount}}' "$id")
    kill -KILL "$(docker inspect --format '{{.State.Pid}}' "$id")"
    for _ in $(seq 400); do
        state
        now=$(docker inspect --format '{{.RestartCount}} {{.State.Status}} {{.State.Health.Status}}' "$id")
        [[ $now != "$((times + 1)) running healthy" ]] || break
        sleep 0.05
    done | uniq
    state
}
for crash in 1 2 3; do
    shown=$(crashed posts)
    echo "crash $crash of posts, shown meanwhile: $(uniq <<<"$shown" | tr '\n' ' ')"
    expect 'what crashed is never taken for what was stopped' '!(*exited*)' echo "$shown"
    expect 'and comes back' "*running($count)" echo "$shown"
done
soon 'with the post' 200 code "$at/api/posts/$id" -H "Authorization: Bearer $(login)"

# A collector is a container on the network of the services, which reaches no outside.
docker run -d --name schoolyard-collector --network schoolyard_inside --network-alias collector \
    -v "$here/standins/collector:/collector:ro" --entrypoint perl schoolyard-standin /collector >/dev/null
setting SY_OTLP_ENDPOINT http://collector:4318
expect 'a setting: what it concerns is made again, and all run' 0 eval 'up --remove-orphans; echo $?'
expect 'the state is the same' "running($count)" state
told() {
    for path in auth/me profile posts activity-stream v1/services/status; do code "$at/api/$path" -H "Authorization: Bearer $token" >/dev/null; done
    docker logs schoolyard-collector 2>&1 | sort -u | tr '\n' ' '
}
soon 'every service that was asked tells the collector its traces' '*traces auth*traces feed*traces gateway*traces posts*traces profile*' told
docker rm --force schoolyard-collector >/dev/null
setting SY_OTLP_ENDPOINT ''
expect 'without it none does' 0 eval 'up; echo $?'

expect 'two of posts' 0 eval 'up --scale posts=2; echo $?'
soon 'both are known' 2 eval "curl -s -m 10 '$at/api/services/status' -H 'Authorization: Bearer $token' | jq '.services[] | select(.name == \"posts\") | .instances | length'"
# Dockge also removes the folder; whoever wants to deploy again has kept .env.
mkdir -p "$dir/kept"
cp compose.yaml .env "$dir/kept/"
expect 'delete' 0 done_by docker compose down --remove-orphans
expect 'leaves no container' '' docker ps -aq --filter label=com.docker.compose.project=schoolyard
expect 'and every volume' 5 eval 'docker volume ls -q --filter label=com.docker.compose.project=schoolyard | wc -l'
rm -rf "$dir/stacks/schoolyard"
cp -r "$dir/kept" "$dir/stacks/schoolyard"
cd "$dir/stacks/schoolyard" || exit
expect 'deployed again it is well' 0 eval 'up; echo $?'
soon 'with the post' 200 code "$at/api/posts/$id" -H "Authorization: Bearer $(login)"
