//! The first process of a model's container.

fn main() {}
