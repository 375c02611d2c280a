//! All engines that this machine has, for tests of what holds for each of them.

use nca::Size;
use nca::engine::{self, Backend, Engine, EngineError, Precision, Selection};
use nca::internals::{CpuEngine, Isa};
use nca::model::Model;

/// A kind of engine.
pub struct Kind {
    pub backend: Backend,
    /// Backend and device.
    pub name: String,
    how: How,
}

enum How {
    Cpu(Isa),
    Selection(Selection),
}

impl Kind {
    /// An engine of this kind.
    pub fn engine(&self, model: &Model, size: Size) -> Box<dyn Engine> {
        match &self.how {
            How::Cpu(isa) => Box::new(CpuEngine::with_isa(model, size, 2, *isa).unwrap()),
            How::Selection(selection) => engine::create(model, size, selection).unwrap(),
        }
    }

    /// The processor with the instructions `isa`.
    fn cpu(isa: Isa) -> Self {
        Self {
            backend: Backend::Cpu,
            name: format!("cpu, {isa}"),
            how: How::Cpu(isa),
        }
    }

    /// What `backend` takes by itself, if the machine has anything for it.
    fn of(backend: Backend, precision: Precision) -> Option<Self> {
        let mut selection = Selection::from(backend);
        selection.precision = precision;
        let model = Model::bundled_default();
        match engine::create(&model, Size::new(1, 1), &selection) {
            Ok(engine) => Some(Self {
                backend,
                name: format!("{backend}, {}", engine.device()),
                how: How::Selection(selection),
            }),
            Err(error @ (EngineError::Absent { .. } | EngineError::NoHalfPrecision { .. })) => {
                eprintln!("skipped: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Those that round nothing.
pub fn of_full_precision() -> Vec<Kind> {
    let cpu = Isa::available().into_iter().map(Kind::cpu);
    cpu.chain(of_graphics_processors(Precision::Full)).collect()
}

/// Those that round to half precision.
pub fn of_half_precision() -> Vec<Kind> {
    let cpu = Isa::half().map(Kind::cpu);
    if cpu.is_none() {
        eprintln!("skipped: this processor has no half precision");
    }
    cpu.into_iter()
        .chain(of_graphics_processors(Precision::Half))
        .collect()
}

fn of_graphics_processors(precision: Precision) -> impl Iterator<Item = Kind> {
    let backends = [Backend::Cuda, Backend::Wgpu];
    backends
        .into_iter()
        .filter_map(move |backend| Kind::of(backend, precision))
}
