//! Tests that need to see inside: what the house says of itself, its rules and its page about
//! faults. The whole server simulated on one thread is in `sim`, which the fuzz targets play too.

mod faults;
mod tidy;
