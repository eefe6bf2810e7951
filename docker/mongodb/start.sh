#!/bin/sh
# The server, and beside it whoever gives posts its user.
rm -f /tmp/rights
( ( until mongosh --quiet --nodb /schoolyard/rights.js >/dev/null; do sleep 2; done; touch /tmp/rights ) & )
exec docker-entrypoint.sh mongod --auth --bind_ip_all --wiredTigerCacheSizeGB 0.25
