//! What runs the automaton: the choice, and that it makes no difference to the picture.

mod common;

use std::sync::{Arc, Mutex};

use common::*;
use gst::prelude::*;
use gst_video::VideoFormat;
use nca::Size;
use nca::engine::{self, Backend, EngineError};
use nca::model::Model;

/// Whether the machine has something for the backend wgpu; says if not.
fn has_wgpu() -> bool {
    let model = Model::bundled_default();
    match engine::create(&model, Size::new(1, 1), &Backend::Wgpu.into()) {
        Ok(_) => true,
        Err(error @ EngineError::Absent { .. }) => {
            eprintln!("skipped: {error}");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn backends_draw_the_same() {
    if !has_wgpu() {
        return;
    }
    for (format, scale) in [(VideoFormat::Bgra, 1.0), (VideoFormat::Gbr, 0.5)] {
        let info = info(format, 82, 59);
        let run = |backend: &str| {
            let element = quick_element();
            element.set_property_from_str("backend", backend);
            element.set_property("scale", scale);
            element.set_property("strength", 0.9);
            let mut rig = Rig::new(&element, &info);
            let shown: Vec<_> = (0..6)
                .map(|number| pixels(&rig.restyle(buffer(&info, number)), &info))
                .collect();
            assert_eq!(rig.stat::<String>("backend"), backend);
            assert!(!rig.stat::<String>("device").is_empty());
            shown
        };
        let (cpu, wgpu) = (run("cpu"), run("wgpu"));
        for (number, (cpu, wgpu)) in cpu.iter().zip(&wgpu).enumerate() {
            let values = cpu.iter().flatten().zip(wgpu.iter().flatten());
            let off = values.map(|(a, b)| a.abs_diff(*b)).max();
            assert!(off <= Some(2), "{format}, frame {number}: off by {off:?}");
        }
    }
}

#[test]
fn a_pipeline_plays_on_a_graphics_processor() {
    if !has_wgpu() || !available(&["videotestsrc", "videoconvert", "fakesink"]) {
        return;
    }
    play(
        "videotestsrc num-buffers=5 ! video/x-raw,width=160,height=120 ! videoconvert ! \
         tee name=t t. ! queue ! ncafilter backend=wgpu ! fakesink \
         t. ! queue ! ncafilter backend=wgpu steps=1 ! fakesink",
    );
}

#[test]
fn an_unknown_graphics_processor_is_an_error() {
    let info = info(VideoFormat::Rgb, 16, 16);
    let element = quick_element();
    element.set_property_from_str("backend", "wgpu");
    element.set_property("device", "abacus");
    let mut rig = Rig::new(&element, &info);
    assert_eq!(
        rig.harness.push(buffer(&info, 0)),
        Err(gst::FlowError::Error)
    );
    let message = wait_for(&rig.bus, &[gst::MessageType::Error]);
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!("only errors were waited for");
    };
    assert!(error.error().matches(gst::ResourceError::NotFound));
    let text = error.error().to_string();
    assert!(text.contains("wgpu has no device \"abacus\""), "{text}");
}

/// Whatever is taken, the log says so.
#[test]
fn the_log_says_what_runs() {
    let info = info(VideoFormat::Rgb, 16, 16);
    let element = quick_element();
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    let id = element.as_ptr() as usize;
    gst::log::set_threshold_for_name("ncafilter", gst::DebugLevel::Info);
    let function = gst::log::add_log_function(move |_, level, _, _, _, object, message| {
        let of_element = object.is_some_and(|object| object.as_ptr() as usize == id);
        if of_element && level == gst::DebugLevel::Info {
            let message = message.get().map(|message| message.to_string());
            heard.lock().unwrap().extend(message);
        }
    });
    let mut rig = Rig::new(&element, &info);
    rig.restyle(buffer(&info, 0));
    gst::log::remove_log_function(function);
    let backend = rig.stat::<String>("backend");
    let device = rig.stat::<String>("device");
    let expected = format!("taking the backend {backend}: {device}");
    let said = said.lock().unwrap();
    assert!(said.contains(&expected), "{said:?} lacks {expected:?}");
}
