//! Opens engines.

#[cfg(feature = "cuda")]
use super::cuda;
#[cfg(feature = "wgpu")]
use super::wgpu;
use super::{Backend, Engine, EngineError, Selection, cpu};
use crate::Size;
use crate::model::Model;

/// Makes the engine that `selection` asks for, for `model` at `size`. Its state is all zeros.
///
/// [`Backend::Auto`] takes a graphics processor where there is one and else the processor; whatever
/// stands in the way of the one is logged, and the other is taken. A backend that is asked for by
/// name is taken or there is an error.
pub fn create(
    model: &Model,
    size: Size,
    selection: &Selection,
) -> Result<Box<dyn Engine>, EngineError> {
    let engine = open(selection.backend, model, size, selection)?;
    let (backend, device) = (engine.backend().name(), engine.device());
    tracing::info!("taking the backend {backend}: {device}");
    Ok(engine)
}

/// Makes an engine of the given backend, for `selection`, which may leave the choice to us.
fn open(
    backend: Backend,
    model: &Model,
    size: Size,
    selection: &Selection,
) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match backend {
        Backend::Auto => auto(model, size, selection)?,
        Backend::Cpu => Box::new(cpu::CpuEngine::new(model, size, selection)?),
        #[cfg(feature = "cuda")]
        Backend::Cuda => Box::new(cuda::CudaEngine::new(model, size, selection)?),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => Box::new(wgpu::WgpuEngine::new(model, size, selection)?),
        #[cfg(not(all(feature = "cuda", feature = "wgpu")))]
        absent => {
            return Err(EngineError::Absent {
                backend: absent.name(),
                why: "it was left out when this was built".into(),
            });
        }
    })
}

/// The first backend that can be had.
fn auto(model: &Model, size: Size, selection: &Selection) -> Result<Box<dyn Engine>, EngineError> {
    let mut errors = Vec::new();
    for backend in Backend::AUTO {
        match open(backend, model, size, selection) {
            Ok(engine) => return Ok(engine),
            Err(error) => {
                match error {
                    EngineError::Absent { .. }
                    | EngineError::NoDevice { .. }
                    | EngineError::NoPainter { .. } => {
                        tracing::debug!("passed over: {error}");
                    }
                    _ => tracing::warn!("passed over: {error}"),
                }
                errors.push(error);
            }
        }
    }
    Err(most_telling(errors, selection))
}

/// Of what each backend said, what is worth saying: that a device is nowhere, or else what the last
/// one said that has the device.
fn most_telling(errors: Vec<EngineError>, selection: &Selection) -> EngineError {
    let mut available = Vec::new();
    let mut telling = None;
    for error in errors {
        match error {
            EngineError::NoDevice {
                backend,
                available: clause,
                ..
            } => available.push(format!("{backend}: {clause}")),
            EngineError::Absent { .. } => {}
            error => telling = Some(error),
        }
    }
    telling.unwrap_or_else(|| EngineError::NoDevice {
        backend: Backend::Auto.name(),
        device: selection.device.clone().unwrap_or_default(),
        available: available.join("; "),
    })
}
