//! Several instances on one store: what one has ended, none allows.

mod any_order;
mod ended;
mod hub;
mod limits;
mod outage;
mod school;
mod standby;
mod start;
