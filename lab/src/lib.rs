//! Measures of neural cellular automata, behind the program `nca-model`.

#![warn(missing_docs)]

pub mod consistency;
