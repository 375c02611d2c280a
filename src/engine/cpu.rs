//! temporary
#![allow(missing_docs)]
use super::*;
pub struct CpuEngine {
    model: Arc<Model>,
    state: State,
}
impl CpuEngine {
    pub fn new(model: &Arc<Model>, size: Size, _s: &Selection) -> Result<Self, EngineError> {
        Ok(Self {
            model: model.clone(),
            state: State::zeros(model.architecture.channels, size),
        })
    }
}
impl Engine for CpuEngine {
    fn backend(&self) -> Backend {
        Backend::Cpu
    }
    fn device(&self) -> String {
        "temporary".into()
    }
    fn size(&self) -> Size {
        self.state.size
    }
    fn set_source(&mut self, _f: &Frame<'_>) -> Result<(), EngineError> {
        Ok(())
    }
    fn seed(&mut self, _seed: u64) -> Result<(), EngineError> {
        Ok(())
    }
    fn step(&mut self, _n: u32) -> Result<bool, EngineError> {
        let _ = &self.model;
        Ok(true)
    }
    fn render(&mut self, frame: &mut FrameMut<'_>, strength: f32) -> Result<(), EngineError> {
        frame.for_each_row(|_, row| {
            if let RowMut::Packed(r, p) = row {
                for px in r.chunks_exact_mut(p.step) {
                    for o in p.rgb {
                        px[o] = (px[o] as f32 + (255.0 - 2.0 * px[o] as f32) * strength) as u8;
                    }
                }
            }
        });
        Ok(())
    }
    fn state(&mut self) -> Result<State, EngineError> {
        Ok(self.state.clone())
    }
    fn set_state(&mut self, s: &State) -> Result<(), EngineError> {
        self.state = s.clone();
        Ok(())
    }
}
use crate::frame::RowMut;
