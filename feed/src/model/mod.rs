//! The stream against a naive model.
mod settled;
mod tests;
mod world;
