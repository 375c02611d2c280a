//! What cannot be had is an error that says what would be right, and nothing else happens.

use nca::engine::{self, EngineError};
use nca::model::{Architecture, InvalidModel, Layer, Playback};
use nca::{
    Backend, Frame, FrameError, FrameMut, Model, Options, OutOfRange, Packing, Selection, Size,
    State, Stylizer, StylizerBuilder,
};

fn sketch() -> StylizerBuilder {
    Stylizer::builder(Model::bundled_default()).backend(Backend::Cpu)
}

fn said<T>(result: Result<T, OutOfRange>) -> String {
    let Err(error) = result else {
        panic!("it was taken");
    };
    error.to_string()
}

#[test]
fn options_that_are_out_of_range_are_refused() {
    for (builder, expected) in [
        (
            sketch().strength(1.5),
            "strength is 1.5; a number from 0 to 1 is needed",
        ),
        (
            sketch().strength(-0.1),
            "strength is -0.1; a number from 0 to 1 is needed",
        ),
        (
            sketch().scale(f32::NAN),
            "scale is NaN; a number from 0.1 to 1 is needed",
        ),
        (
            sketch().scale(0.0),
            "scale is 0; a number from 0.1 to 1 is needed",
        ),
        (
            sketch().stroke(f32::INFINITY),
            "stroke is inf; a number from 0.5 to 4 is needed",
        ),
        (
            sketch().steps(1025),
            "steps is 1025; a whole number from 0 to 1024 is needed",
        ),
        (
            sketch().warmup(u32::MAX),
            "warmup is 4294967295; a whole number from 0 to 1024 is needed",
        ),
        (
            sketch().interval(0),
            "interval is 0; a whole number from 1 to 4294967295 is needed",
        ),
        (
            sketch().cut_threshold(-1.0),
            "cut-threshold is -1; a number from 0 to 1 is needed",
        ),
        (
            sketch().threads(1025),
            "threads is 1025; a whole number from 1 to 1024 is needed",
        ),
    ] {
        assert_eq!(said(builder.build()), expected);
    }
}

#[test]
fn the_ends_of_every_range_are_taken() {
    let least = sketch().strength(0.0).scale(0.1).stroke(0.5).interval(1);
    let least = least.steps(0).warmup(0).cut_threshold(0.0).threads(0);
    let most = sketch().strength(1.0).scale(1.0).stroke(4.0);
    let most = most.interval(u32::MAX).steps(1024).warmup(1024);
    let most = most.cut_threshold(1.0).threads(1024);
    for builder in [least, most, sketch().cut_threshold(None).motion(None)] {
        builder.build().unwrap();
    }
}

#[test]
fn refused_options_change_nothing() {
    let mut stylizer = sketch().strength(0.7).build().unwrap();
    let mut options = stylizer.options().clone();
    options.strength = 0.2;
    options.scale = 3.0;
    let error = said(stylizer.set_options(options));
    assert_eq!(error, "scale is 3; a number from 0.1 to 1 is needed");
    assert_eq!(stylizer.options().strength, 0.7);
    let default: Options = sketch().build().unwrap().options().clone();
    assert_eq!(default, Options::default());
}

#[test]
fn an_engine_refuses_what_is_out_of_range() {
    let (model, size) = (Model::bundled_default(), Size::new(8, 6));
    let mut engine = engine::create(&model, size, &Selection::from(Backend::Cpu)).unwrap();
    let mut pixels = vec![90; size.pixels() * 3];
    let before = pixels.clone();
    let mut frame = FrameMut::packed(&mut pixels, size.width * 3, size, Packing::RGB).unwrap();
    engine.set_source(&frame.as_frame()).unwrap();
    for strength in [1.5, -1.0, f32::NAN] {
        let error = engine.render(&mut frame, strength).unwrap_err();
        assert!(matches!(error, EngineError::OutOfRange(_)), "{error}");
    }
    for stroke in [0.4, 5.0, f32::NAN] {
        let error = engine.set_stroke(stroke).unwrap_err();
        assert!(matches!(error, EngineError::OutOfRange(_)), "{error}");
    }
    assert_eq!(pixels, before);
}

#[test]
fn memory_that_is_no_frame_is_refused() {
    let size = Size::new(4, 3);
    let mut pixels = vec![0; 64];
    for (stride, length, expected) in [
        (
            11,
            64,
            "stride is 11; at least 12, the bytes of a row, is needed",
        ),
        (
            0,
            64,
            "stride is 0; at least 12, the bytes of a row, is needed",
        ),
        (12, 35, "the frame needs 36 bytes of memory and has 35"),
        (20, 51, "the frame needs 52 bytes of memory and has 51"),
        (
            usize::MAX,
            64,
            "the frame needs 18446744073709551615 bytes of memory and has 64",
        ),
    ] {
        let error = Frame::packed(&pixels[..length], stride, size, Packing::RGB).unwrap_err();
        assert_eq!(error.to_string(), expected);
        let memory = &mut pixels[..length];
        assert_eq!(
            FrameMut::packed(memory, stride, size, Packing::RGB).unwrap_err(),
            error
        );
    }
    Frame::packed(&pixels[..52], 20, size, Packing::RGB).unwrap();
    // A single row, too.
    let row = Frame::packed(&pixels, 2, Size::new(4, 1), Packing::RGB);
    assert!(matches!(row, Err(FrameError::OutOfRange(_))));
    let planes = [&pixels[..12], &pixels[..12], &pixels[..11]];
    let error = Frame::planar(planes, [4; 3], size).unwrap_err();
    let short = FrameError::TooShort {
        needed: 12,
        found: 11,
    };
    assert_eq!(error, short);
    let huge = Size::new(usize::MAX, usize::MAX);
    assert!(Frame::packed(&pixels, usize::MAX, huge, Packing::RGB).is_err());
}

#[test]
fn packings_lie_within_a_pixel() {
    for (step, rgb) in [
        (3, [0, 1, 3]),
        (4, [1, 1, 2]),
        (0, [0, 0, 0]),
        (4, [0, 1, usize::MAX]),
    ] {
        let error = said(Packing::new(step, rgb));
        let needed = format!("a set of three different offsets below {step} is needed");
        assert_eq!(error, format!("rgb is {rgb:?}; {needed}"));
    }
    assert_eq!(Packing::new(4, [0, 1, 2]), Ok(Packing::RGBA));
}

#[test]
fn states_have_as_many_values_as_their_shape_says() {
    let size = Size::new(3, 2);
    let error = said(State::new(4, size, vec![0.0; 23]));
    assert_eq!(
        error,
        "the number of values is 23; 24, 4 x 2 x 3, is needed"
    );
    assert!(State::new(usize::MAX, size, Vec::new()).is_err());
    let state = State::new(4, size, vec![0.5; 24]).unwrap();
    assert_eq!(state.channel(3), [0.5; 6]);
}

#[test]
fn layers_and_models_are_whole() {
    assert_eq!(
        Layer::new(2, 3, vec![0.0; 5], None)
            .unwrap_err()
            .to_string(),
        "a layer of 2 outputs and 3 inputs has 5 weights; it needs one for each output and input, and \
         in its bias one for each output"
    );
    let bias = Some(vec![0.0; 3]);
    let error = Layer::new(2, 3, vec![0.0; 6], bias).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("6 weights and 3 values of its bias")
    );
    for value in [f32::NAN, f32::INFINITY] {
        let error = Layer::new(1, 1, vec![0.0], Some(vec![value])).unwrap_err();
        assert_eq!(error, InvalidModel::NotFinite);
    }
    assert!(Layer::new(usize::MAX, usize::MAX, Vec::new(), None).is_err());

    let sketch = Model::bundled_default();
    let (architecture, layers) = (sketch.architecture(), sketch.layers());
    let new = |architecture: &Architecture, layers: &[Layer], playback| {
        let (architecture, layers) = (architecture.clone(), layers.to_vec());
        Model::new(architecture, layers, Vec::new(), playback)
    };
    let playback = sketch.playback();
    let again = new(architecture, layers, playback).unwrap();
    assert_eq!(again.with_card(sketch.card().clone()), sketch);
    let error = new(architecture, &layers[1..], playback).unwrap_err();
    assert!(matches!(error, InvalidModel::Layers { .. }), "{error}");
    let mut wrong = architecture.clone();
    wrong.channels = 3;
    let error = new(&wrong, layers, playback).unwrap_err();
    assert!(matches!(error, InvalidModel::Architecture(_)), "{error}");
    let playback = Playback {
        warmup: 1025,
        steps: 2,
    };
    assert_eq!(
        new(architecture, layers, playback).unwrap_err().to_string(),
        "playback asks for 1025 steps; it can ask for at most 1024"
    );
}

#[test]
fn frames_without_pixels_are_refused() {
    for (width, height) in [(0, 0), (0, 7), (7, 0)] {
        let size = Size::new(width, height);
        let mut pixels = vec![0; 64];
        let mut frame = FrameMut::packed(&mut pixels, 3 * width, size, Packing::RGB).unwrap();
        let mut stylizer = sketch().build().unwrap();
        let error = stylizer.process(&mut frame).unwrap_err();
        let expected = format!("size is {size}; at least 1x1 is needed");
        assert_eq!(error.to_string(), expected);
    }
}
