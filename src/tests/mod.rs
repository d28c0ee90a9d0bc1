//! Tests that need to see inside: what the house says of itself, its rules and its pages about
//! faults and for operators. The whole server simulated on one thread is in `sim`, which the fuzz
//! targets play too.

mod faults;
mod operations;
mod tidy;
