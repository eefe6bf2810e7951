//! Several instances on one Redis, and a Redis that goes and comes back.
