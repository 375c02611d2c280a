//! Runs `nca-restyle` on small files of many kinds and looks at what comes out.

mod command;
mod ffmpeg;
mod inspect;
mod samples;

mod animations;
mod clips;
mod colours;
mod interruption;
mod kept;
mod matrix;
mod outputs;
mod pictures;
mod progress;
mod refusals;
mod settings;
mod times;
mod truncation;
