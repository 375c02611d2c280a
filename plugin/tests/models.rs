//! Models and engines that cannot be had, recovery, and models that change in flight.

mod common;

use common::*;
use gst::prelude::*;
use gst_video::VideoFormat;

fn rgb() -> gst_video::VideoInfo {
    info(VideoFormat::Rgb, 24, 16)
}

/// The error or warning in a message: its domain and code, and its text.
fn complaint(message: &gst::Message) -> (glib::Error, String) {
    let error = match message.view() {
        gst::MessageView::Error(error) => error.error(),
        gst::MessageView::Warning(warning) => warning.error(),
        _ => panic!("{message:?} is no complaint"),
    };
    let text = error.message().to_owned();
    (error, text)
}

/// What a pipeline says to a model; then it is given a good one, and must play.
fn refusal_and_recovery(model: &str) -> (glib::Error, String) {
    init();
    let pipeline = gst::parse::launch(
        "videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=16,height=16 ! \
         ncafilter name=nca steps=1 warmup=1 ! fakesink",
    )
    .unwrap()
    .downcast::<gst::Bin>()
    .unwrap();
    let element = pipeline.by_name("nca").unwrap();
    element.set_property("model", model);
    let bus = pipeline.bus().unwrap();
    // The start does not fail, so that the first frame can end the stream.
    pipeline.set_state(gst::State::Playing).unwrap();
    let refusal = complaint(&wait_for(&bus, &[gst::MessageType::Error]));

    pipeline.set_state(gst::State::Null).unwrap();
    bus.set_flushing(true);
    bus.set_flushing(false);
    element.set_property("model", "sketch");
    pipeline.set_state(gst::State::Playing).unwrap();
    let end = wait_for(&bus, &[gst::MessageType::Eos, gst::MessageType::Error]);
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    refusal
}

#[test]
fn an_unknown_name_or_missing_file_is_not_found() {
    for model in ["cubist", "/nowhere/starry.pt", "starry.safetensors"] {
        let (error, text) = refusal_and_recovery(model);
        assert!(error.matches(gst::ResourceError::NotFound), "{error:?}");
        assert!(text.contains(model), "{text}");
    }
    let (_, text) = refusal_and_recovery("cubist");
    assert!(
        text.contains("sketch"),
        "the bundled models are named: {text}"
    );
}

#[test]
fn a_corrupt_file_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read(other_model(folder.path())).unwrap();
    let mut flipped = good.clone();
    flipped[9] ^= 0x40;
    for (name, content) in [
        ("empty.pt", &[][..]),
        ("text.pt", b"not a model at all"),
        ("short.safetensors", &good[..good.len() / 2]),
        ("flipped.safetensors", &flipped),
        ("zip.pt", b"PK\x03\x04 and then nothing"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let (error, text) = refusal_and_recovery(path.to_str().unwrap());
        assert!(error.matches(gst::ResourceError::Read), "{error:?}");
        assert!(text.contains(name), "{text}");
    }
    let (error, _) = refusal_and_recovery(folder.path().to_str().unwrap());
    assert!(
        error.matches(gst::ResourceError::Read),
        "a folder: {error:?}"
    );
}

#[test]
fn unset_and_empty_mean_the_bundled_default() {
    let info = rgb();
    let picture = |model: Option<&str>| {
        let element = quick_element();
        element.set_property("model", model);
        let mut rig = Rig::new(&element, &info);
        let out = rig.restyle(buffer(&info, 0));
        assert_eq!(rig.stat::<String>("model"), "sketch");
        colours(&out, &info)
    };
    let unset = picture(None);
    assert_eq!(picture(Some("")), unset);
    assert_eq!(picture(Some("sketch")), unset);
}

#[test]
fn an_unknown_device_is_an_error() {
    let info = rgb();
    let element = quick_element();
    element.set_property_from_str("backend", "cpu");
    element.set_property("device", "gpu7");
    let mut rig = Rig::new(&element, &info);
    assert_eq!(
        rig.harness.push(buffer(&info, 0)),
        Err(gst::FlowError::Error)
    );
    let (error, text) = complaint(&wait_for(&rig.bus, &[gst::MessageType::Error]));
    assert!(error.matches(gst::ResourceError::NotFound), "{error:?}");
    assert!(text.contains("cpu") && text.contains("gpu7"), "{text}");
}

#[test]
fn an_unknown_backend_is_an_error() {
    init();
    assert!(gst::parse::launch("ncafilter backend=warp").is_err());
}

/// Pushes frames until the element says it runs `model`; returns the first picture made by it.
fn push_until(rig: &mut Rig, model: &str) -> Vec<[u8; 3]> {
    let info = rgb();
    let started = std::time::Instant::now();
    loop {
        let out = rig.restyle(buffer(&info, 0));
        if rig.stat::<String>("model") == model {
            return colours(&out, &info);
        }
        assert!(
            started.elapsed() < PATIENCE.into(),
            "{model} never took over"
        );
    }
}

#[test]
fn a_model_set_while_playing_takes_over_between_frames() {
    let folder = tempfile::tempdir().unwrap();
    let other = other_model(folder.path());
    let info = rgb();
    let element = quick_element();
    element.set_property("model", &other);
    let expected = colours(&Rig::new(&element, &info).restyle(buffer(&info, 0)), &info);

    let mut rig = Rig::new(&quick_element(), &info);
    let sketch = colours(&rig.restyle(buffer(&info, 0)), &info);
    assert_ne!(sketch, expected);
    rig.element.set_property("model", &other);
    assert_eq!(push_until(&mut rig, &other), expected);
    rig.element.set_property("model", None::<&str>);
    assert_eq!(push_until(&mut rig, "sketch"), sketch);
    assert!(of_type(&rig.messages(), gst::MessageType::Warning).is_empty());
}

#[test]
fn of_many_models_the_last_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let other = other_model(folder.path());
    let info = rgb();
    let mut rig = Rig::new(&quick_element(), &info);
    for _ in 0..20 {
        rig.element.set_property("model", "sketch");
        rig.restyle(buffer(&info, 0));
        rig.element.set_property("model", &other);
    }
    push_until(&mut rig, &other);
    // Nothing that was asked for earlier may come now.
    for _ in 0..20 {
        rig.restyle(buffer(&info, 0));
        assert_eq!(rig.stat::<String>("model"), other);
    }
}

#[test]
fn a_bad_model_set_while_playing_is_a_warning_and_the_old_one_stays() {
    let info = rgb();
    let run = |model: Option<&str>| {
        let mut rig = Rig::new(&quick_element(), &info);
        rig.restyle(buffer(&info, 0));
        if let Some(model) = model {
            rig.element.set_property("model", model);
            let (error, text) = complaint(&wait_for(&rig.bus, &[gst::MessageType::Warning]));
            assert!(error.matches(gst::ResourceError::NotFound), "{error:?}");
            assert!(text.contains("cubist") && text.contains("stays"), "{text}");
        }
        let out = rig.restyle(buffer(&info, 1));
        assert_eq!(rig.stat::<String>("model"), "sketch");
        assert!(of_type(&rig.messages(), gst::MessageType::Error).is_empty());
        colours(&out, &info)
    };
    assert_eq!(run(Some("cubist")), run(None));
}

#[test]
fn a_model_that_explodes_is_reported_once_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let exploding = exploding_model(folder.path());
    let info = rgb();
    let run = |warmup: i32| {
        let element = quick_element();
        element.set_property("model", &exploding);
        element.set_property("steps", 8);
        element.set_property("warmup", warmup);
        let mut rig = Rig::new(&element, &info);
        let pictures: Vec<_> = (0..6)
            .map(|number| colours(&rig.restyle(buffer(&info, number)), &info))
            .collect();
        (pictures, rig.messages())
    };
    let sources: Vec<_> = (0..6)
        .map(|number| colours(&buffer(&info, number), &info))
        .collect();
    // Without a warm-up the start state is finite, and shows the source.
    for (warmup, what) in [(0, "was started anew"), (8, "shown as they come")] {
        let (pictures, messages) = run(warmup);
        assert_eq!(pictures, sources, "warm-up {warmup}");
        assert!(of_type(&messages, gst::MessageType::Error).is_empty());
        let warnings = of_type(&messages, gst::MessageType::Warning);
        let [warning] = warnings[..] else {
            panic!("{} warnings with warm-up {warmup}", warnings.len());
        };
        assert!(complaint(warning).1.contains(what), "{warning:?}");
    }
}
