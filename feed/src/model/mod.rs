//! The stream against a naive model.
mod tests;
mod world;
