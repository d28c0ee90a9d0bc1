//! Tests that need to see inside: the rules of the house. The whole server simulated on one thread
//! is in `sim`, which the fuzz targets play too.

mod tidy;
