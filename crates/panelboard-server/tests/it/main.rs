//! Does the program do what its documentation says, seen from outside?

mod config_table;
