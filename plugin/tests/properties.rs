//! Properties: while playing, controlled, and the statistics.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::*;
use gst::prelude::*;
use gst_controller::prelude::*;
use gst_video::VideoFormat;

fn rgb() -> gst_video::VideoInfo {
    info(VideoFormat::Rgb, 24, 16)
}

#[test]
fn strength_mixes_with_the_source() {
    let info = rgb();
    let run = |strength: f64| {
        let element = quick_element();
        element.set_property("strength", strength);
        colours(&Rig::new(&element, &info).restyle(buffer(&info, 0)), &info)
    };
    let (none, half, full) = (run(0.0), run(0.5), run(1.0));
    assert_eq!(none, colours(&buffer(&info, 0), &info));
    for ((none, half), full) in none.iter().zip(&half).zip(&full) {
        for colour in 0..3 {
            let expected = (f64::from(none[colour]) + f64::from(full[colour])) / 2.0;
            assert!((f64::from(half[colour]) - expected).abs() <= 1.0);
        }
    }
}

#[test]
fn strength_can_be_controlled() {
    let info = rgb();
    let mut plain = Rig::new(&quick_element(), &info);
    let element = quick_element();
    let source = gst_controller::InterpolationControlSource::new();
    source.set_mode(gst_controller::InterpolationMode::None);
    source.set(gst::ClockTime::ZERO, 0.0);
    source.set(gst::ClockTime::from_mseconds(80), 1.0);
    let binding = gst_controller::DirectControlBinding::new(&element, "strength", &source);
    element.add_control_binding(&binding).unwrap();
    let mut controlled = Rig::new(&element, &info);
    for number in 0..4 {
        let restyled = colours(&plain.restyle(buffer(&info, number)), &info);
        let out = colours(&controlled.restyle(buffer(&info, number)), &info);
        // Frames are 40 ms apart. The state lives on whatever is shown of it.
        match number {
            0 | 1 => assert_eq!(out, colours(&buffer(&info, number), &info)),
            _ => assert_eq!(out, restyled),
        }
    }
}

#[test]
fn scale_and_interval_act_while_playing() {
    let info = rgb();
    let mut rig = Rig::new(&quick_element(), &info);
    let full = colours(&rig.restyle(buffer(&info, 0)), &info);
    rig.element.set_property("scale", 0.5);
    let half = colours(&rig.restyle(buffer(&info, 0)), &info);
    assert_ne!(half, full);
    assert_eq!(rig.stat::<u64>("frames-since-reset"), 1);

    // With motion followed, the state would be moved along on the frames between.
    rig.element.set_property_from_str("motion", "off");
    rig.element.set_property("interval", 3u32);
    rig.element.emit_by_name::<()>("reset", &[]);
    let pictures: Vec<_> = (0..4)
        .map(|number| colours(&rig.restyle(buffer(&info, number)), &info))
        .collect();
    assert_eq!(pictures[1], pictures[0]);
    assert_eq!(pictures[2], pictures[0]);
    assert_ne!(pictures[3], pictures[0]);
}

#[test]
fn setting_properties_does_not_wait_for_the_frame() {
    let info = info(VideoFormat::Rgb, 160, 120);
    let element = quick_element();
    element.set_property("warmup", 1024);
    element.set_property("threads", 1u32);
    let mut rig = Rig::new(&element, &info);
    let entered = Arc::new(std::sync::Barrier::new(2));
    let done = Arc::new(AtomicBool::new(false));
    let thread = {
        let (entered, done, frame) = (entered.clone(), done.clone(), buffer(&info, 0));
        std::thread::spawn(move || {
            entered.wait();
            rig.harness.push(frame).unwrap();
            done.store(true, Ordering::SeqCst);
            rig.element.set_state(gst::State::Null).unwrap();
        })
    };
    entered.wait();
    // The frame is under way as soon as the pad has it; give the thread the time to get there.
    std::thread::sleep(std::time::Duration::from_millis(50));
    for value in [0.25, 0.75] {
        element.set_property("strength", value);
        assert_eq!(element.property::<f64>("strength"), value);
    }
    element.set_property("steps", 3);
    element.set_property("scale", 0.5);
    element.set_property("seed", 8u64);
    element.set_property("model", "sketch");
    element.set_property("threads", 2u32);
    element.emit_by_name::<()>("reset", &[]);
    element.property::<gst::Structure>("stats");
    assert!(
        !done.load(Ordering::SeqCst),
        "the frame was done before the properties were set"
    );
    thread.join().unwrap();
}

/// What runs is chosen at the start: what is set later says so, and `stats` tells what runs.
#[test]
fn what_takes_effect_with_the_next_start_says_so() {
    let info = rgb();
    let element = quick_element();
    element.set_property_from_str("backend", "cpu");
    element.set_property("threads", 2u32);
    let mut rig = Rig::new(&element, &info);
    rig.restyle(buffer(&info, 0));
    let warnings = |rig: &Rig| -> Vec<String> {
        of_type(&rig.messages(), gst::MessageType::Warning)
            .iter()
            .map(|message| match message.view() {
                gst::MessageView::Warning(warning) => {
                    assert!(warning.error().matches(gst::LibraryError::Settings));
                    warning.error().message().to_owned()
                }
                _ => unreachable!(),
            })
            .collect()
    };
    // What it runs with already is no news.
    element.set_property("threads", 2u32);
    element.set_property("device", None::<&str>);
    assert!(warnings(&rig).is_empty());

    let running = rig.stat::<String>("device");
    assert!(running.starts_with("2 threads"), "{running}");
    for (property, value, usual) in [
        ("threads", "1", "2"),
        ("backend", "wgpu", "cpu"),
        ("device", "llvmpipe", ""),
        ("precision", "half", "full"),
    ] {
        element.set_property_from_str(property, value);
        let said = warnings(&rig);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains(&format!("property {property} ")) && said[0].contains("READY"),
            "{said:?}"
        );
        rig.restyle(buffer(&info, 1));
        assert_eq!(rig.stat::<String>("backend"), "cpu");
        assert_eq!(rig.stat::<String>("device"), running);
        element.set_property_from_str(property, usual);
        assert!(warnings(&rig).is_empty());
    }

    element.set_property("threads", 1u32);
    assert_eq!(warnings(&rig).len(), 1);
    drop(rig);
    element.set_state(gst::State::Null).unwrap();
    element.set_property("threads", 1u32);
    let mut rig = Rig::new(&element, &info);
    rig.restyle(buffer(&info, 2));
    assert!(rig.stat::<String>("device").starts_with("1 thread,"));
    assert!(warnings(&rig).is_empty());
}

#[test]
fn properties_may_be_set_from_anywhere_at_any_time() {
    let info = rgb();
    let mut rig = Rig::new(&quick_element(), &info);
    let done = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..3u32)
        .map(|thread| {
            let (element, done) = (rig.element.clone(), done.clone());
            std::thread::spawn(move || {
                for round in (thread..).take_while(|_| !done.load(Ordering::SeqCst)) {
                    element.set_property("strength", f64::from(round % 5) / 4.0);
                    element.set_property("scale", [1.0, 0.5, 0.1][round as usize % 3]);
                    element.set_property("interval", 1 + round % 3);
                    element.set_property("reset-on-cut", round % 2 == 0);
                    element.set_property("model", ["sketch", "cubist"][round as usize % 2]);
                    element.emit_by_name::<()>("reset", &[]);
                    element.property::<gst::Structure>("stats");
                    std::thread::yield_now();
                }
            })
        })
        .collect();
    for number in 0..300 {
        let out = rig.restyle(buffer(&info, number));
        assert_eq!(out.size(), info.size());
        rig.messages();
    }
    done.store(true, Ordering::SeqCst);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(rig.stat::<u64>("frames"), 300);
}

#[test]
fn statistics_say_what_runs_and_how_long_it_takes() {
    let info = rgb();
    let element = quick_element();
    element.set_property_from_str("backend", "cpu");
    let mut rig = Rig::new(&element, &info);
    assert_eq!(rig.stat::<u64>("frames"), 0);
    assert_eq!(rig.stat::<String>("model"), "sketch");
    for number in 0..5 {
        rig.restyle(buffer(&info, number));
    }
    assert_eq!(rig.stat::<u64>("frames"), 5);
    assert_eq!(rig.stat::<u64>("frames-since-reset"), 5);
    assert_eq!(rig.stat::<String>("backend"), "cpu");
    assert!(rig.stat::<String>("device").contains("thread"));
    let (average, max) = (rig.stat::<f64>("average-ms"), rig.stat::<f64>("max-ms"));
    assert!(0.0 < average && average <= max, "{average} {max}");
    assert!(of_type(&rig.messages(), gst::MessageType::Element).is_empty());
}

#[test]
fn statistics_are_posted_on_demand() {
    let info = rgb();
    let element = quick_element();
    element.set_property("stats-interval", 1u32);
    let mut rig = Rig::new(&element, &info);
    let message = (0..1000)
        .find_map(|number| {
            rig.restyle(buffer(&info, number));
            std::thread::sleep(std::time::Duration::from_millis(1));
            let messages = rig.messages();
            of_type(&messages, gst::MessageType::Element).pop().cloned()
        })
        .unwrap();
    let structure = message.structure().unwrap();
    assert_eq!(structure.name(), "application/x-ncafilter-stats");
    assert!(structure.get::<u64>("frames").unwrap() >= 1);
    assert_eq!(message.src(), Some(element.upcast_ref()));
}

#[test]
fn cuts_start_the_state_anew_unless_it_is_to_live_on() {
    let info = rgb();
    // Blocks of all colours, others in each scene.
    let scene = |scene: usize| {
        let mut frame = buffer(&info, 0);
        draw_with(&mut frame, &info, |x, y| {
            let block = 7 * (x / 4) + 13 * (y / 4) + 5 * scene;
            [block * block * 11, block * 97, block * block * 31, 0].map(|value| value as u8)
        });
        frame
    };
    for (asked, since) in [(false, 2), (true, 1)] {
        let element = quick_element();
        element.set_property("reset-on-cut", asked);
        let mut rig = Rig::new(&element, &info);
        rig.restyle(scene(1));
        rig.restyle(scene(2));
        assert_eq!(
            rig.stat::<u64>("frames-since-reset"),
            since,
            "asked: {asked}"
        );
    }
}
