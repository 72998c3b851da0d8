//! The YARN application master that reconciles models.

fn main() {}
