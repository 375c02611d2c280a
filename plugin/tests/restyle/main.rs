//! Runs `nca-restyle` on small files of many kinds and looks at what comes out.

mod command;
mod inspect;
mod samples;

mod clips;
mod colours;
mod interruption;
mod pictures;
mod refusals;
