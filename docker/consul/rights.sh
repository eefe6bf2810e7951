#!/bin/sh
# Makes the tokens of tokens.txt and what they may do exactly so, at every start: a Consul that lost its data has them back.
set -eu
export CONSUL_HTTP_TOKEN="$SY_CONSUL_BOOTSTRAP"
until consul acl policy list >/dev/null 2>&1; do sleep 1; done
grep -v '^#' /schoolyard/tokens.txt | while read -r name accessor secret rules; do
    how=create
    consul acl policy read -name "$name" >/dev/null 2>&1 </dev/null && how=update
    consul acl policy "$how" -name "$name" -rules "$rules" >/dev/null </dev/null
    if ! CONSUL_HTTP_TOKEN=$secret consul acl token read -self >/dev/null 2>&1 </dev/null; then
        # Its secret is another than last time.
        consul acl token delete -accessor-id "$accessor" >/dev/null 2>&1 </dev/null || true
        consul acl token create -accessor "$accessor" -secret "$secret" -description "$name" -policy-name "$name" >/dev/null </dev/null
    fi
    # Only now: an agent whose own token is not known says for half a minute nobody's health.
    [ "$name" != agent ] || consul acl set-agent-token agent "$secret" >/dev/null </dev/null
done
