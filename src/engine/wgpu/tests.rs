use super::*;
use crate::frame::Packing;

fn engine() -> Option<WgpuEngine> {
    let selection = Selection {
        backend: Backend::Wgpu,
        ..Selection::default()
    };
    match WgpuEngine::new(&Model::bundled_default(), Size::new(24, 16), &selection) {
        Ok(engine) => Some(engine),
        Err(error @ EngineError::Absent { .. }) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// In one test, as they would take the device from each other.
#[test]
fn a_device_is_shared_until_it_is_lost() {
    let (Some(mut first), Some(second)) = (engine(), engine()) else {
        return;
    };
    assert!(Arc::ptr_eq(&first.gpu, &second.gpu));
    assert!(first.step(1).unwrap());

    first.gpu.device.destroy();
    let mut pixels = vec![0; 24 * 16 * 3];
    let mut frame = FrameMut::packed(&mut pixels, 24 * 3, first.size(), Packing::RGB).unwrap();
    let lost = |result: Result<(), EngineError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, EngineError::DeviceLost { .. }), "{error}");
        assert!(error.to_string().contains(second.gpu.title()), "{error}");
    };
    lost(first.step(1).map(drop));
    lost(first.render(&mut frame, 1.0));
    lost(
        first
            .set_source(&frame.as_frame())
            .and_then(|()| first.step(2).map(drop)),
    );
    lost(first.state().map(drop));

    // The next one opens it anew.
    let mut third = engine().unwrap();
    assert!(!Arc::ptr_eq(&first.gpu, &third.gpu));
    assert!(third.step(1).unwrap());
}
