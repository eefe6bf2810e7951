//! Stories of the full stack: real servers with their rights, every service as processes of its own, real Traefik in front.
//! Each has a stack of its own, so they run one at a time (`--test-threads=1`) and a minute or more each.

mod foreign;
mod kills;
mod load;
mod outages;
mod plain;
mod rolling;
mod stack;
mod twins;
mod wiped;
mod work;
