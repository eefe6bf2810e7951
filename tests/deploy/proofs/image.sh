# shellcheck shell=bash disable=SC2154,SC2034,SC2016 # names of tests/deploy/run and of each other; what eval is given
# The image, as somebody has it who only runs `docker run`.

section 'the image'
image=$(sed -n 's/^SY_IMAGE=//p' "$root/.env.example")
size=$(docker image inspect --format '{{.Size}}' "$image")
echo "$image has $((size / 1000000)) MB"
# PROGRAM may have been built to be found faults in, not to be small.
[ -z "$built" ] || expect 'it is below 60 MB' yes eval '[ "$size" -lt 60000000 ] && echo yes'
expect 'it writes an .env with every name' "$(grep -c '^[A-Z_]*=' "$root/.env.example")" eval 'docker run --rm "$image" config init | grep -c "^[A-Z_]*="'
port=$(free_ports 1)
expect 'it serves a whole school by itself' 0 done_by docker run -d --name schoolyard-one --read-only --tmpfs /tmp --volume /data --cap-drop ALL -p "127.0.0.1:$port:8080" "$image"
soon 'which answers' 200 code "http://127.0.0.1:$port/health"
soon 'and Docker sees that it is well' healthy docker inspect --format '{{.State.Health.Status}}' schoolyard-one
expect 'somebody else asks in it' 0 done_by docker exec schoolyard-one /schoolyard healthcheck
expect 'an administrator is made beside it' 0 done_by eval 'echo "a long enough secret" | docker exec -i schoolyard-one /schoolyard admin create --email office@school.example'
expect 'nobody is root in it' 65532:65532 docker inspect --format '{{.Config.User}}' schoolyard-one
expect 'it says what is inside: crates' 'axum v0.8*MIT*' eval 'docker cp schoolyard-one:/usr/share/doc/schoolyard/COMPONENTS - | tar -xO | grep "^axum "'
expect 'and packages' '*ca-certificates*libc6*' eval 'docker cp schoolyard-one:/usr/share/doc/schoolyard/COMPONENTS - | tar -xO | sed "1,/^# Debian/d" | tr "\n" " "'
expect 'with their licences' '*Copyright*' eval 'docker cp schoolyard-one:/usr/share/doc/libc6/copyright - | tar -xO'
expect 'it knows whom to trust outside' '*BEGIN CERTIFICATE*' eval 'docker cp schoolyard-one:/etc/ssl/certs/ca-certificates.crt - | tar -xO | head -n 5'
expect 'asked to leave it leaves' 0 eval 'docker stop -t 40 schoolyard-one >/dev/null; docker inspect --format "{{.State.ExitCode}}" schoolyard-one'
docker rm --volumes schoolyard-one >/dev/null
