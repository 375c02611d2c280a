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

#[test]
fn a_device_that_is_lost_takes_no_other_engine_along() {
    let (Some(mut first), Some(mut second)) = (engine(), engine()) else {
        return;
    };
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
    lost(first.render(&mut frame, 1.0).map(drop));
    lost(
        first
            .set_source(&frame.as_frame())
            .and_then(|()| first.step(2).map(drop)),
    );
    lost(first.state().map(drop));

    assert!(second.step(1).unwrap());
    assert!(engine().unwrap().step(1).unwrap());
}

/// Set where the next test is run in a process whose memory is bounded.
#[cfg(unix)]
const BOUNDED: &str = "NCA_TEST_BOUNDED_MEMORY";

/// Whoever asks for more memory than there is gets an error; those who have theirs go on, and so
/// does the next one who asks for less.
#[cfg(unix)]
#[test]
fn running_out_of_memory_is_an_error_for_one_engine() {
    if std::env::var_os(BOUNDED).is_some() {
        return run_out_of_memory();
    }
    let Some(engine) = engine() else {
        return;
    };
    if !engine.gpu.is_software() {
        eprintln!("skipped: {} has memory of its own", engine.gpu.title());
        return;
    }
    drop(engine);
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 3000000 && exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg(concat!(
            "engine::wgpu::tests::",
            "running_out_of_memory_is_an_error_for_one_engine"
        ))
        .env(BOUNDED, "1")
        // One allocator for all threads, which keep address space for themselves otherwise.
        .env("MALLOC_ARENA_MAX", "1")
        // Printing one takes memory, too.
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}", said.concat());
    assert!(said[0].contains("1 passed"), "{}", said.concat());
}

#[cfg(unix)]
fn run_out_of_memory() {
    let mut small = engine().unwrap();
    let model = Model::bundled_default();
    let selection = Selection {
        backend: Backend::Wgpu,
        ..Selection::default()
    };
    // Some 350 MB each.
    let size = Size::new(2048, 1792);
    let mut large = Vec::new();
    let error = loop {
        let made = WgpuEngine::new(&model, size, &selection)
            .and_then(|mut engine| engine.step(1).map(|_| engine));
        match made {
            Ok(engine) => large.push(engine),
            Err(error) => break error,
        }
        assert!(large.len() < 200, "memory does not run out");
    };
    println!("after {} engines: {error}", large.len());
    assert!(
        error.to_string().to_lowercase().contains("memory"),
        "{error}"
    );
    assert!(small.step(1).unwrap());
    assert!(large[0].step(1).unwrap());
    large.pop();
    large.pop();
    assert!(engine().unwrap().step(1).unwrap());
    large.push(WgpuEngine::new(&model, size, &selection).unwrap());
    assert!(large.last_mut().unwrap().step(1).unwrap());
}
