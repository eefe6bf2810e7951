#!/bin/sh
# The agent, and beside it whoever makes the tokens.
rm -f /tmp/rights
( ( until sh /schoolyard/rights.sh; do sleep 2; done; touch /tmp/rights ) & )
exec consul agent -config-file=/schoolyard/consul.json
