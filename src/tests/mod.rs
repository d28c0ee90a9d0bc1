//! Tests that need to see inside: the whole server simulated on one thread, and the rules of the
//! house.

mod sim;
mod tidy;
