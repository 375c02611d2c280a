//! All engines that this machine has, for tests of what holds for each of them.

use nca::Size;
use nca::engine::cpu::{CpuEngine, Isa};
use nca::engine::{self, Backend, Engine, EngineError, Precision, Selection};
use nca::model::Model;
use std::sync::Arc;

/// A kind of engine.
pub struct Kind {
    /// Backend and device.
    pub name: String,
    make: Box<dyn Fn(&Model, Size) -> Box<dyn Engine>>,
}

impl Kind {
    /// An engine of this kind.
    pub fn engine(&self, model: &Model, size: Size) -> Box<dyn Engine> {
        (self.make)(model, size)
    }

    /// The processor with the instructions `isa`.
    fn cpu(isa: Isa) -> Self {
        Self {
            name: format!("cpu, {isa}"),
            make: Box::new(move |model, size| {
                Box::new(CpuEngine::with_isa(model, size, 0, isa).unwrap())
            }),
        }
    }

    /// What `backend` takes by itself, if the machine has anything for it.
    fn of(backend: Backend, precision: Precision) -> Option<Self> {
        let selection = Selection {
            backend,
            precision,
            ..Selection::default()
        };
        let make =
            move |model: &Model, size| engine::create(&Arc::new(model.clone()), size, &selection);
        match make(&Model::bundled_default(), Size::new(1, 1)) {
            Ok(engine) => Some(Self {
                name: format!("{}, {}", backend.name(), engine.device()),
                make: Box::new(move |model, size| make(model, size).unwrap()),
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
    cpu.chain(Kind::of(Backend::Wgpu, Precision::Full))
        .collect()
}

/// Those that round to half precision.
pub fn of_half_precision() -> Vec<Kind> {
    let cpu = Isa::half().map(Kind::cpu);
    if cpu.is_none() {
        eprintln!("skipped: this processor has no half precision");
    }
    cpu.into_iter()
        .chain(Kind::of(Backend::Wgpu, Precision::Half))
        .collect()
}
