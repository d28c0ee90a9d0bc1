//! What the benches that start servers have in common.

pub(crate) mod figures;
pub(crate) mod process;
pub(crate) mod procfs;
pub(crate) mod sys;
