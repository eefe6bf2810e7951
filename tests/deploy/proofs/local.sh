# shellcheck shell=bash disable=SC2154,SC2034,SC2016 # names of tests/deploy/run and of each other; what eval is given
# The file for one's own machine, as a stack that clients of the CivilDIY system know.

section 'docker-compose.yml'
stack local docker-compose.yml "$(free_ports 4)"
sed -i '/^  build: /,/^    dockerfile: /d' compose.yaml # stood in for, or built before
setting SY_CIVILDIY true
setting SY_REGISTRATION open
expect 'everything is well' 0 eval 'up; echo $?'
soon 'the school answers' 200 code "$at/health"
soon 'also over TLS' 200 code -k "https://127.0.0.1:$((${at##*:} + 1))/health"
expect 'an administrator is made' '*office@school.example*' administrator office
expect 'story: a CivilDIY client walks through' '*1 passed; 0 failed*' story a_civildiy_client_walks_through_the_one_port
expect 'the dashboard asks for a password' 401 code "http://127.0.0.1:$((${at##*:} + 2))/api/rawdata"
expect 'and takes it' 200 eval 'code -u "operator:$(of_env SY_DASHBOARD_PASSWORD)" "http://127.0.0.1:$(of_env SY_DASHBOARD_PORT)/api/rawdata"'
expect 'Consul tells strangers nothing' '[]' curl -s "http://127.0.0.1:$((${at##*:} + 3))/v1/catalog/nodes"
