#!/bin/sh
# The server, and beside it whoever gives every service its role and database.
rm -f /tmp/rights
# Twice apart, so that it is init's child: the server would take the end of a child it does not know for a crash.
( ( until psql -X -q -v ON_ERROR_STOP=1 -U postgres -d postgres -f /schoolyard/rights.sql >/dev/null; do sleep 1; done; touch /tmp/rights ) & )
exec docker-entrypoint.sh postgres -c max_connections=200 -c shared_buffers=96MB -c log_line_prefix='%q%u@%d '
