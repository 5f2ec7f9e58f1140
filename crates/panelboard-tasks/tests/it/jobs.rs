//! Do jobs do what they say? Each test that is named by a J and a number holds that entry of the
//! catalogue of races.

mod admission;
mod ends;
mod kept;
mod lease;
mod load;
mod once;
mod people;
mod support;
mod told;
