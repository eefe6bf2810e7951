#!/bin/bash
# Stands in for the entrypoints of postgres and mongo: makes the data folder at the first start, then the server.
set -e
case $1 in
postgres)
    data=/var/lib/postgresql/data
    if [ ! -s "$data/PG_VERSION" ]; then
        # shellcheck disable=SC2086 # several arguments
        initdb -D "$data" -U postgres --pwfile=<(echo "$POSTGRES_PASSWORD") --auth-local=trust $POSTGRES_INITDB_ARGS >/dev/null
        echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
    fi
    exec "$@" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
    ;;
mongod) exec java -Xmx256m -XX:+UseSerialGC -cp '/opt/mongo/libs/*:/opt/mongo' Mongo 27017 /data/db/mongo.mv ;;
*) exec "$@" ;;
esac
