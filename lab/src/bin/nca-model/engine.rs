use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use nca::engine::{Backend, Precision, Selection};

/// Which engine is to run.
#[derive(Args)]
pub(crate) struct EngineArgs {
    /// What runs the automaton.
    #[arg(
        long,
        default_value = "auto",
        value_parser = PossibleValuesParser::new(Backend::ALL.iter().map(|backend| backend.name()))
            .try_map(|name| name.parse::<Backend>())
    )]
    backend: Backend,
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
        let mut selection = Selection::from(self.backend);
        selection.device = self.device.clone();
        selection.threads = self.threads;
        if self.half {
            selection.precision = Precision::Half;
        }
        selection
    }
}
