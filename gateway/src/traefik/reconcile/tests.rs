//! Whatever stands in Consul, and wherever the work is interrupted: it becomes what it shall be, and at no moment a
//! protected route is reached past auth.

mod steps;
mod worker;
