use clap::Args;
use clap::builder::PossibleValuesParser;
use nca::engine::{Backend, Precision, Selection};

/// Which engine is to run.
#[derive(Args)]
pub(crate) struct EngineArgs {
    /// What runs the automaton.
    #[arg(
        long,
        default_value = "auto",
        value_parser = PossibleValuesParser::new(Backend::NAMES.map(|(_, name)| name))
    )]
    backend: String,
    /// Which of the backend's devices, by index or part of the name.
    #[arg(long)]
    device: Option<String>,
    /// Threads; 0: one for each core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Round values and weights to 16 bits where they are multiplied, on devices that have it.
    #[arg(long)]
    half: bool,
}

impl EngineArgs {
    pub(crate) fn selection(&self) -> Selection {
        Selection {
            backend: Backend::named(&self.backend).unwrap_or_default(),
            device: self.device.clone(),
            threads: self.threads,
            precision: if self.half {
                Precision::Half
            } else {
                Precision::Full
            },
        }
    }
}
