# shellcheck shell=bash disable=SC2154,SC2034,SC2016 # names of tests/deploy/run and of each other; what eval is given
# What Dockge's users do first: paste the file, deploy, sign in. And what nobody can do then.

section 'Dockge: paste, deploy'
stack schoolyard dockge/schoolyard/compose.yaml "$(free_ports 4)"
count=$(docker compose config --services | wc -l)
began=$(now)
expect 'everything is well' 0 eval 'up; echo $?'
echo "all healthy after $(($(now) - began)) ms"
expect 'Dockge sees a stack that runs' "running($count)" state
soon 'the school answers through the one port' 200 code "$at/health"
expect 'an administrator is made' '*office@school.example*' administrator office
soon 'and signs in' '*.*.*' login
token=$(login)
id=$(post "$token" kept)
soon 'a post comes into the stream' '*office: kept*' stream "$token"
soon 'forward-auth asks auth at its own TLS address' '*:8443' eval "docker compose exec -T -e CONSUL_HTTP_TOKEN=$(of_env SY_CONSUL_BOOTSTRAP) consul consul kv get traefik/tcp/services/sy-doors-of-auth/loadBalancer/servers/0/address"
# So the rows of the spoof matrix that aim at a service's own port have nothing to aim at.
expect 'no other port is published' "127.0.0.1:${at##*:}->8000/tcp" eval "docker compose ps --format json | jq -rs 'map(.Ports | split(\", \")[] | select(contains(\"->\"))) | unique[]'"
expect 'story: nobody passes for another' '*1 passed; 0 failed*' story nobody_passes_for_another_through_the_one_port
docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' | sort
