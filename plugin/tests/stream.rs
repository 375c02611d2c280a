//! One buffer out for one in, with all that belongs to it; and when the state starts anew.

mod common;

use common::*;
use gst::prelude::*;
use gst_video::VideoFormat;

fn rgb() -> gst_video::VideoInfo {
    info(VideoFormat::Rgb, 24, 16)
}

#[test]
fn timestamps_flags_and_metas_are_kept() {
    let info = rgb();
    let mut rig = Rig::new(&quick_element(), &info);
    let reference = "timestamp/x-unix".parse::<gst::Caps>().unwrap();
    for (number, held) in [false, true, false].into_iter().enumerate() {
        let mut frame = buffer(&info, number);
        {
            let frame = frame.get_mut().unwrap();
            frame.set_dts(gst::ClockTime::from_mseconds(5));
            frame.set_offset(70 + number as u64);
            frame.set_offset_end(71 + number as u64);
            frame.set_flags(gst::BufferFlags::MARKER | gst::BufferFlags::DISCONT);
            gst::meta::ReferenceTimestampMeta::add(
                frame,
                &reference,
                gst::ClockTime::from_seconds(9),
                gst::ClockTime::NONE,
            );
            gst_video::VideoRegionOfInterestMeta::add(frame, "face", (1, 2, 3, 4));
        }
        let expected = frame.copy();
        // A frame that somebody else holds is restyled in a copy.
        let _holder = held.then(|| frame.clone());
        let out = rig.restyle(frame);
        assert_eq!(out.pts(), expected.pts());
        assert_eq!(out.dts(), expected.dts());
        assert_eq!(out.duration(), expected.duration());
        assert_eq!(out.offset(), expected.offset());
        assert_eq!(out.offset_end(), expected.offset_end());
        assert!(
            out.flags()
                .contains(gst::BufferFlags::MARKER | gst::BufferFlags::DISCONT)
        );
        let meta = out.meta::<gst::meta::ReferenceTimestampMeta>().unwrap();
        assert_eq!(meta.timestamp(), gst::ClockTime::from_seconds(9));
        let meta = out.meta::<gst_video::VideoRegionOfInterestMeta>().unwrap();
        assert_eq!(meta.rect(), (1, 2, 3, 4));
        assert_ne!(colours(&out, &info), colours(&buffer(&info, number), &info));
    }
}

#[test]
fn no_latency_is_added() {
    let mut rig = Rig::new(&quick_element(), &rgb());
    rig.harness
        .set_upstream_latency(gst::ClockTime::from_mseconds(7));
    rig.restyle(buffer(&rgb(), 0));
    assert_eq!(
        rig.harness.query_latency(),
        Some(gst::ClockTime::from_mseconds(7))
    );
}

#[test]
fn video_without_a_frame_rate_or_timestamps_is_restyled() {
    let info = gst_video::VideoInfo::builder(VideoFormat::Bgra, 10, 10)
        .fps(gst::Fraction::new(0, 1))
        .build();
    let info = info.unwrap();
    let mut rig = Rig::new(&quick_element(), &info);
    for number in 0..3 {
        let mut frame = buffer(&info, number);
        let writable = frame.get_mut().unwrap();
        writable.set_pts(gst::ClockTime::NONE);
        writable.set_duration(gst::ClockTime::NONE);
        let out = rig.restyle(frame);
        assert_eq!((out.pts(), out.duration()), (None, None));
        assert_ne!(colours(&out, &info), colours(&buffer(&info, number), &info));
    }
}

#[test]
fn new_caps_start_the_state_anew() {
    let small = rgb();
    let first = Rig::new(&quick_element(), &small).restyle(buffer(&small, 0));
    let mut rig = Rig::new(&quick_element(), &small);
    rig.restyle(buffer(&small, 3));
    let continued = rig.restyle(buffer(&small, 0));
    assert_ne!(colours(&continued, &small), colours(&first, &small));

    for next in [
        info(VideoFormat::Rgb, 33, 7),
        info(VideoFormat::Argb, 33, 7),
        info(VideoFormat::Gbr, 33, 7),
        small.clone(),
    ] {
        rig.harness.set_src_caps(next.to_caps().unwrap());
        let out = rig.restyle(buffer(&next, 0));
        let alone = Rig::new(&quick_element(), &next).restyle(buffer(&next, 0));
        assert_eq!(colours(&out, &next), colours(&alone, &next));
        let caps = rig.element.static_pad("src").unwrap().current_caps();
        assert_eq!(caps, next.to_caps().ok());
    }
}

#[test]
fn renegotiation_without_a_change_lets_the_state_live_on() {
    let info = rgb();
    let run = |renegotiate: bool| {
        let mut rig = Rig::new(&quick_element(), &info);
        rig.restyle(buffer(&info, 0));
        if renegotiate {
            rig.harness
                .push_upstream_event(gst::event::Reconfigure::new());
            rig.harness
                .push_event(gst::event::Caps::new(&info.to_caps().unwrap()));
        }
        colours(&rig.restyle(buffer(&info, 1)), &info)
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn a_flush_starts_the_state_anew() {
    let info = rgb();
    let mut rig = Rig::new(&quick_element(), &info);
    let first = rig.restyle(buffer(&info, 0));
    rig.restyle(buffer(&info, 1));
    rig.harness.push_event(gst::event::FlushStart::new());
    rig.harness.push_event(gst::event::FlushStop::new(true));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    rig.harness.push_event(gst::event::Segment::new(&segment));
    let again = rig.restyle(buffer(&info, 0));
    assert_eq!(colours(&again, &info), colours(&first, &info));
}

/// What `end` does to an element while a frame is under way that would take minutes; then the element
/// is used again.
fn end_a_long_frame(end: impl FnOnce(&gst::Element)) {
    let info = info(VideoFormat::Rgb, 1280, 720);
    let element = quick_element();
    element.set_property_from_str("backend", "cpu");
    element.set_property("threads", 1u32);
    element.set_property("warmup", 1024);
    let mut rig = Rig::new(&element, &info);
    let (begun, under_way) = std::sync::mpsc::channel();
    let sink = element.static_pad("sink").unwrap();
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let _ = begun.send(());
        gst::PadProbeReturn::Ok
    });
    let frame = buffer(&info, 0);
    let thread = std::thread::spawn(move || {
        let pushed = rig.harness.push(frame);
        (pushed, rig)
    });
    under_way.recv().unwrap();
    // It is under way as soon as the pad has it; give the thread the time to get to the steps.
    std::thread::sleep(std::time::Duration::from_millis(100));
    end(&element);
    let (pushed, rig) = thread.join().unwrap();
    assert_eq!(pushed, Err(gst::FlowError::Flushing));
    assert_eq!(rig.stat::<u64>("frames"), 0);
    assert!(of_type(&rig.messages(), gst::MessageType::Error).is_empty());
    // It can be used again.
    drop(rig);
    element.set_state(gst::State::Null).unwrap();
    element.set_property("warmup", 2);
    let small = rgb();
    let again = Rig::new(&element, &small).restyle(buffer(&small, 0));
    let alone = Rig::new(&quick_element(), &small).restyle(buffer(&small, 0));
    assert_eq!(colours(&again, &small), colours(&alone, &small));
}

#[test]
fn null_does_not_wait_for_the_steps_of_a_frame() {
    end_a_long_frame(|element| {
        element.set_state(gst::State::Null).unwrap();
    });
}

#[test]
fn a_flush_does_not_wait_for_the_steps_of_a_frame() {
    end_a_long_frame(|element| {
        let sink = element.static_pad("sink").unwrap();
        assert!(sink.send_event(gst::event::FlushStart::new()));
        assert!(sink.send_event(gst::event::FlushStop::new(true)));
    });
}

#[test]
fn a_seek_in_a_pipeline_starts_the_state_anew() {
    if !available(&["videotestsrc", "videoconvert"]) {
        return;
    }
    let pipeline = gst::parse::launch(
        "videotestsrc pattern=ball num-buffers=20 ! video/x-raw,width=48,height=32,framerate=10/1 ! \
         videoconvert ! ncafilter steps=1 warmup=2 ! video/x-raw,format=RGB ! \
         appsink name=out sync=false max-buffers=1",
    )
    .unwrap()
    .downcast::<gst::Bin>()
    .unwrap();
    let sink = pipeline
        .by_name("out")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let info = info(VideoFormat::Rgb, 48, 32);
    let next = || {
        let sample = sink.try_pull_sample(PATIENCE).unwrap();
        let buffer = sample.buffer_owned().unwrap();
        (buffer.pts(), colours(&buffer, &info))
    };
    let first = next();
    for _ in 0..5 {
        next();
    }
    pipeline
        .seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::ZERO)
        .unwrap();
    assert_eq!(next(), first);
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn the_reset_signal_starts_the_state_anew() {
    let info = rgb();
    let mut rig = Rig::new(&quick_element(), &info);
    let first = rig.restyle(buffer(&info, 0));
    rig.restyle(buffer(&info, 1));
    assert_eq!(rig.stat::<u64>("frames-since-reset"), 2);
    rig.element.emit_by_name::<()>("reset", &[]);
    let again = rig.restyle(buffer(&info, 0));
    assert_eq!(colours(&again, &info), colours(&first, &info));
    assert_eq!(rig.stat::<u64>("frames-since-reset"), 1);
}

#[test]
fn the_stream_may_end_without_a_frame() {
    let mut rig = Rig::new(&quick_element(), &rgb());
    assert!(rig.harness.push_event(gst::event::Eos::new()));
    let ended = std::iter::from_fn(|| rig.harness.try_pull_event())
        .any(|event| event.type_() == gst::EventType::Eos);
    assert!(ended);
    if available(&["videotestsrc", "videoconvert"]) {
        play("videotestsrc num-buffers=0 ! videoconvert ! ncafilter ! fakesink");
    }
}

#[test]
fn the_pictures_do_not_depend_on_the_number_of_threads() {
    let info = info(VideoFormat::Rgb, 61, 47);
    let run = |threads: u32| -> Vec<_> {
        let element = quick_element();
        element.set_property("threads", threads);
        let mut rig = Rig::new(&element, &info);
        let pictures = (0..5).map(|number| colours(&rig.restyle(buffer(&info, number)), &info));
        pictures.collect()
    };
    let one = run(1);
    for threads in [0, 2, 3, 7] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
}

#[test]
fn the_seed_makes_the_picture() {
    let info = rgb();
    let run = |seed: u64| {
        let element = quick_element();
        element.set_property("seed", seed);
        colours(&Rig::new(&element, &info).restyle(buffer(&info, 0)), &info)
    };
    assert_eq!(run(u64::MAX), run(u64::MAX));
    assert_ne!(run(0), run(u64::MAX));
}
