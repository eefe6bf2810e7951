#!/bin/sh
# Makes the rights of rights.txt. Each call starts a Java of its own, so only when they changed since the last time.
set -eu
done=/var/lib/kafka/data/.rights
wanted=$(sha256sum /schoolyard/rights.txt)
[ "$wanted" != "$(cat $done 2>/dev/null)" ] || exit 0
export KAFKA_HEAP_OPTS='-Xmx96m' KAFKA_JVM_PERFORMANCE_OPTS='-XX:+UseSerialGC -XX:TieredStopAtLevel=1'
set -f
while read -r who operations kind names; do
    case $who in '' | '#'*) continue ;; esac
    set --
    for one in $(echo "$who" | tr , ' '); do set -- "$@" --allow-principal "User:$one"; done
    for one in $(echo "$operations" | tr , ' '); do set -- "$@" --operation "$one"; done
    for one in $(echo "$names" | tr , ' '); do
        case $one in
        '*') ;;
        *'*') one=${one%?} && set -- "$@" --resource-pattern-type prefixed ;;
        esac
        set -- "$@" "--$kind" "$one"
    done
    /opt/kafka/bin/kafka-acls.sh --bootstrap-server kafka:9092 --command-config /schoolyard/admin.properties --add "$@" </dev/null >/dev/null
done </schoolyard/rights.txt
echo "$wanted" >$done
