# shellcheck shell=bash disable=SC2154,SC2034,SC2016 # names of tests/deploy/run and of each other; what eval is given
# The commands of docs/OPERATIONS.md, section Backup: what they saved is all there after everything was lost.

section 'backup and restore'
# commands NUMBER: that block of the section, as it stands there.
commands() { awk -v wanted="$1" '/^## / { here = ($2 == "Backup") } !here { next } /^```/ { open = !open; count += open; next } open && count == wanted' "$root/docs/OPERATIONS.md"; }
follow() { bash -euo pipefail -c "$(commands "$1")"; }
token=$(login)
expect 'a profile is written' 200 code "$at/api/profile" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d '{"first_name":"Olga","city":"Springfield"}'
expect 'a backup' 0 done_by follow 1
find backup -type f -printf '%f has %s bytes\n' | sort
soon 'after which the posts are back' 200 code "$at/api/posts/$id" -H "Authorization: Bearer $token"
expect 'everything is lost' 0 done_by docker compose down --volumes --timeout 10
expect 'no volume is left' 0 eval 'docker volume ls -q --filter label=com.docker.compose.project=schoolyard | wc -l'
expect 'it is restored' 0 done_by follow 2
soon 'the administrator signs in as before' '*.*.*' login
soon 'who was signed in is' 200 code "$at/api/auth/me" -H "Authorization: Bearer $token"
token=$(login)
soon 'the post is there' 200 code "$at/api/posts/$id" -H "Authorization: Bearer $token"
soon 'the profile is' '*Springfield*' curl -s "$at/api/profile" -H "Authorization: Bearer $token"
soon 'the stream is filled from the posts, with names' '*office: kept*' stream "$token"
expect 'an account is made' '*later@school.example*' administrator later
soon 'who can write' '[0-9a-f]*' eval 'post "$(login later)" new'
soon 'and is in the stream: events flow again' '*later: new*' stream "$token"
# Docker 20.10 sometimes holds on to a network for a moment.
soon 'it goes' 0 eval 'docker compose down --volumes --timeout 10 >/dev/null 2>&1; echo $?'
rm -rf backup
