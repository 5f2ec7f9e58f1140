//! The `panelboard` program.
fn main() {}
