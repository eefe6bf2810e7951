# shellcheck shell=bash
# Who may do what on the shared servers, in one place: start grants it, prove-rights proves it.
# shellcheck disable=SC2034 # read by those who source this

services=(auth profile posts feed gateway)

# A database of its own, on PostgreSQL, named like its role.
databases=(auth profile posts)

# Prefixes of keys and channels on Redis.
declare -A redis_prefixes=(
    [auth]='auth:'
    [feed]='f: m: h: p:'
)

# Topics of contracts/src/topics.rs: each is written by one service. A consumer also writes what it cannot apply to <topic>.dlq.
declare -A topics_written=(
    [auth]='auth-events auth-signals'
    [profile]='profile-events'
    [posts]='posts-events'
)
declare -A topics_read=(
    [profile]='auth-events'
    [posts]='auth-events'
    [feed]='posts-events auth-events profile-events auth-signals'
)
# Consumer groups; the names of a service's groups begin so.
declare -A groups=(
    [profile]='profile'
    [posts]='posts'
    [feed]='feed-generator'
)

# What a Consul token may do beside registering its own service and finding the others.
declare -A consul_writes=([gateway]='traefik/')
