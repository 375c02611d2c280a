//! The properties that are made of the table of settings, and files of settings.

mod common;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::*;
use gst::prelude::*;
use gst_video::VideoFormat;
use nca::settings::{Change, Kind, Settings, TABLE, Value};

fn element() -> gst::Element {
    init();
    gst::ElementFactory::make("ncafilter").build().unwrap()
}

/// A value as text.
fn text(value: &glib::Value) -> String {
    match (value.get::<f64>(), value.get::<Option<String>>()) {
        (Ok(number), _) => number.to_string(),
        (_, Ok(text)) => text.unwrap_or("NULL".into()),
        _ => value.serialize().unwrap().to_string(),
    }
}

fn limits(spec: &glib::ParamSpec) -> [i128; 2] {
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecInt>() {
        [spec.minimum().into(), spec.maximum().into()]
    } else if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt>() {
        [spec.minimum().into(), spec.maximum().into()]
    } else {
        let spec = spec.downcast_ref::<glib::ParamSpecUInt64>().unwrap();
        [spec.minimum().into(), spec.maximum().into()]
    }
}

#[test]
fn every_setting_is_a_property() {
    let element = element();
    for setting in TABLE {
        let name = setting.name;
        let spec = element
            .find_property(name)
            .unwrap_or_else(|| panic!("{name}"));
        assert_eq!(spec.nick(), setting.label, "{name}");
        assert_eq!(spec.blurb(), Some(&*setting.description()), "{name}");
        let flags = spec.flags();
        let changes = [
            gst::PARAM_FLAG_MUTABLE_READY,
            gst::PARAM_FLAG_MUTABLE_PLAYING,
            gst::PARAM_FLAG_CONTROLLABLE,
        ]
        .map(|flag| flags.contains(flag));
        let expected = match setting.change {
            Change::WithTheNextStart => [true, false, false],
            Change::AtOnce => [false, true, false],
            Change::EveryFrame => [false, true, true],
        };
        assert_eq!(changes, expected, "{name}");
        assert!(flags.contains(glib::ParamFlags::READWRITE), "{name}");

        let default = match (&setting.default, setting.unset_number()) {
            (Value::Unset, Some(number)) => number.to_string(),
            (Value::Unset, None) => "NULL".into(),
            (default, _) => default.to_string(),
        };
        assert_eq!(text(spec.default_value()), default, "{name}");
        assert_eq!(text(&element.property_value(name)), default, "{name}");
        match setting.kind {
            Kind::Number { least, most } => {
                let spec = spec.downcast_ref::<glib::ParamSpecDouble>().unwrap();
                assert_eq!((spec.minimum(), spec.maximum()), (least, most), "{name}");
            }
            Kind::Whole { least, most } => {
                let least = setting.unset_number().unwrap_or(least);
                assert_eq!(limits(&spec), [least, most], "{name}");
            }
            Kind::Choice { choices } => {
                let class = glib::EnumClass::with_type(spec.value_type()).unwrap();
                let nicks: Vec<_> = class.values().iter().map(|value| value.nick()).collect();
                let names: Vec<_> = choices.iter().map(|choice| choice.name).collect();
                assert_eq!(nicks, names, "{name}");
            }
            Kind::Switch => assert_eq!(spec.value_type(), glib::Type::BOOL, "{name}"),
            Kind::Text { .. } => assert_eq!(spec.value_type(), glib::Type::STRING, "{name}"),
        }
    }
}

/// Programs know them by these.
#[test]
fn types_stay_what_they_were() {
    let element = element();
    for (names, kind) in [
        ("steps warmup", glib::Type::I32),
        ("threads interval stats-interval", glib::Type::U32),
        ("seed", glib::Type::U64),
        ("strength scale stroke cut-threshold", glib::Type::F64),
        ("reset-on-cut", glib::Type::BOOL),
        ("model device", glib::Type::STRING),
    ] {
        for name in names.split(' ') {
            assert_eq!(element.property_type(name), Some(kind), "{name}");
        }
    }
    for (name, kind, values) in [
        (
            "backend",
            "GstNcaFilterBackend",
            &["auto", "cpu", "cuda", "wgpu"][..],
        ),
        ("precision", "GstNcaFilterPrecision", &["full", "half"]),
        ("motion", "GstNcaFilterMotion", &["off", "flow"]),
        (
            "motion-quality",
            "GstNcaFilterMotionQuality",
            &["fast", "balanced", "fine"],
        ),
    ] {
        let found = element.property_type(name).unwrap();
        assert_eq!(found.name(), kind);
        let class = glib::EnumClass::with_type(found).unwrap();
        for (value, nick) in (0..).zip(values) {
            assert_eq!(class.value(value).unwrap().nick(), *nick);
        }
    }
}

#[test]
fn what_is_set_is_read() {
    let element = element();
    for setting in TABLE {
        let name = setting.name;
        let values: Vec<String> = match setting.kind {
            Kind::Number { least, most } => [least, most].map(|value| value.to_string()).into(),
            Kind::Whole { least, most } => [least, most].map(|value| value.to_string()).into(),
            Kind::Switch => ["false", "true"].map(str::to_owned).into(),
            Kind::Choice { choices } => choices
                .iter()
                .map(|choice| choice.name.to_owned())
                .collect(),
            Kind::Text { .. } => vec!["wave".to_owned()],
        };
        let spec = element.find_property(name).unwrap();
        for value in &values {
            element.set_property_from_str(name, value);
            let read = text(&element.property_value(name));
            assert_eq!(&read, value, "{name}");
            let other = self::element();
            let mut settings = Settings::default();
            let value = setting.parse(value).unwrap();
            settings.set(name, value).unwrap();
            gstnca::configure(&other, &settings);
            assert_eq!(text(&other.property_value(name)), read, "{name}");
        }
        // Back to what it was, which may be to leave it open.
        element.set_property_from_value(name, spec.default_value());
        let read = text(&element.property_value(name));
        assert_eq!(read, text(spec.default_value()), "{name}");
    }
}

fn write(folder: &Path, name: &str, settings: &str) -> String {
    let path = folder.join(name);
    fs::write(
        &path,
        format!("{{\"version\": 1, \"settings\": {{{settings}}}}}"),
    )
    .unwrap();
    path.to_str().unwrap().to_owned()
}

/// What is set last wins, be it a property or a file.
#[test]
fn a_file_sets_properties() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(
        folder.path(),
        "look.json",
        r#""model": "wave", "strength": 0.25, "steps": 3, "motion-quality": "fine""#,
    );
    let element = element();
    element.set_property("strength", 0.75);
    element.set_property("scale", 0.5);
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    element.connect_notify(None, {
        let told = told.clone();
        move |_, spec| told.lock().unwrap().push(spec.name().to_owned())
    });
    element.set_property("settings-file", &file);
    let mut told = told.lock().unwrap().clone();
    told.sort();
    assert_eq!(told, ["model", "motion-quality", "steps", "strength"]);
    assert_eq!(element.property::<String>("model"), "wave");
    assert_eq!(element.property::<f64>("strength"), 0.25);
    assert_eq!(element.property::<i32>("steps"), 3);
    assert_eq!(element.property::<f64>("scale"), 0.5);
    element.set_property("strength", 1.0);
    assert_eq!(element.property::<f64>("strength"), 1.0);

    let launched = gst::parse::launch(&format!(
        "ncafilter name=nca settings-file={file} strength=0.5 model=sketch"
    ));
    let launched = launched.unwrap();
    assert_eq!(launched.property::<f64>("strength"), 0.5);
    assert_eq!(launched.property::<String>("model"), "sketch");
    assert_eq!(launched.property::<i32>("steps"), 3);
}

fn only_warning(rig: &Rig) -> String {
    let messages = rig.messages();
    let warnings = of_type(&messages, gst::MessageType::Warning);
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    match warning.view() {
        gst::MessageView::Warning(warning) => warning.error().message().to_owned(),
        _ => unreachable!(),
    }
}

#[test]
fn a_file_that_comes_while_playing() {
    let folder = tempfile::tempdir().unwrap();
    let info = info(VideoFormat::Rgb, 24, 16);
    let element = quick_element();
    let mut rig = Rig::new(&element, &info);
    rig.restyle(buffer(&info, 0));
    rig.messages();
    // One that is wrong changes nothing.
    let wrong = write(
        folder.path(),
        "wrong.json",
        r#""strength": 0.25, "scale": 7"#,
    );
    element.set_property("settings-file", &wrong);
    let said = only_warning(&rig);
    assert!(
        said.contains("wrong.json: line 1: scale is 7; a number from 0.1 to 1")
            && said.contains("stay"),
        "{said}"
    );
    assert_eq!(element.property::<f64>("strength"), 1.0);
    rig.restyle(buffer(&info, 1));

    let right = write(
        folder.path(),
        "right.json",
        r#""strength": 0, "model": "wave""#,
    );
    element.set_property("settings-file", &right);
    let original = colours(&buffer(&info, 2), &info);
    assert_eq!(colours(&rig.restyle(buffer(&info, 2)), &info), original);
    let mut frames = 3..1000;
    while rig.stat::<String>("model") != "wave" {
        let number = frames.next().expect("the model does not come");
        rig.restyle(buffer(&info, number));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(of_type(&rig.messages(), gst::MessageType::Warning).is_empty());

    // As from anywhere else.
    let later = write(
        folder.path(),
        "later.json",
        r#""threads": 1, "backend": "cpu""#,
    );
    let _ = rig.messages();
    element.set_property("settings-file", &later);
    let said = only_warning(&rig);
    assert!(
        said.contains("properties backend and threads take effect"),
        "{said}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_of_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = write(folder.path(), "wrong.json", r#""scale": 7"#);
    for (path, words, kind) in [
        (
            &*wrong,
            "wrong.json: line 1: scale is 7",
            gst::ResourceError::Read,
        ),
        (
            "/no/such.json",
            "such.json: No such file",
            gst::ResourceError::NotFound,
        ),
    ] {
        let element = quick_element();
        element.set_property("settings-file", path);
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        element.set_state(gst::State::Paused).unwrap();
        let message = wait_for(&bus, &[gst::MessageType::Error]);
        let gst::MessageView::Error(error) = message.view() else {
            unreachable!();
        };
        assert!(error.error().matches(kind), "{error:?}");
        let said = error.error().message().to_owned();
        assert!(said.contains(words) && !said.contains("os error"), "{said}");
        element.set_state(gst::State::Null).unwrap();
        // It is as it was when none is named any more.
        element.set_property("settings-file", None::<&str>);
        let info = info(VideoFormat::Rgb, 24, 16);
        Rig::new(&element, &info).restyle(buffer(&info, 0));
        element.set_state(gst::State::Null).unwrap();
    }
}

/// A model with a painter, on cells of 2x2 pixels.
fn painter() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("../tests/golden/painter/cells-2.safetensors");
    path.to_str().unwrap().to_owned()
}

#[test]
fn stroke_acts_while_playing_and_only_with_a_painter() {
    let info = info(VideoFormat::Rgb, 48, 32);
    for (model, changes) in [(painter(), true), ("sketch".to_owned(), false)] {
        let pictures = |strokes: [f64; 3]| -> Vec<_> {
            let element = quick_element();
            element.set_property("model", &model);
            let mut rig = Rig::new(&element, &info);
            let pictures = (0..3).map(|number| {
                element.set_property("stroke", strokes[number]);
                let picture = colours(&rig.restyle(buffer(&info, number)), &info);
                assert_eq!(rig.stat::<u64>("frames-since-reset"), number as u64 + 1);
                picture
            });
            pictures.collect()
        };
        let plain = pictures([1.0, 1.0, 1.0]);
        let other = pictures([1.0, 2.0, 0.5]);
        assert_eq!(plain[0], other[0], "{model}");
        assert_eq!(plain[1] != other[1], changes, "{model}");
        assert_eq!(plain[2] != other[2], changes, "{model}");
    }
}

/// While a pipeline plays, as a program that shows a slider does it.
#[test]
fn stroke_is_changed_in_a_pipeline() {
    if !available(&["videotestsrc"]) {
        return;
    }
    let frames = |change: bool| -> Vec<Vec<u8>> {
        let pipeline = gst::parse::launch(&format!(
            "videotestsrc num-buffers=6 pattern=smpte ! video/x-raw,format=RGB,width=48,height=32 ! \
             ncafilter name=nca qos=false steps=1 warmup=4 backend=cpu model={} ! \
             appsink name=out sync=false max-buffers=1",
            painter()
        ));
        let pipeline = pipeline.unwrap().downcast::<gst::Bin>().unwrap();
        let element = pipeline.by_name("nca").unwrap();
        let sink = pipeline.by_name("out").unwrap();
        let sink = sink.downcast::<gst_app::AppSink>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let mut frames: Vec<Vec<u8>> = Vec::new();
        while let Some(sample) = sink.try_pull_sample(PATIENCE) {
            frames.push(sample.buffer().unwrap().map_readable().unwrap().to_vec());
            if change {
                element.set_property("stroke", 3.0);
            }
        }
        assert!(sink.is_eos());
        pipeline.set_state(gst::State::Null).unwrap();
        frames
    };
    let (plain, changed) = (frames(false), frames(true));
    assert_eq!((plain.len(), changed.len()), (6, 6));
    assert_eq!(plain[0], changed[0]);
    assert_ne!(plain[5], changed[5]);
}
